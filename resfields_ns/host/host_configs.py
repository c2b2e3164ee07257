"""nerfstudio's configs as bases of ours, without the options that do nothing here.

The fields stay, with the host's values, as its code may read them; the command line neither shows nor takes them.
"""

from dataclasses import dataclass, field
from typing import ClassVar

from nerfstudio.configs.base_config import ViewerConfig
from nerfstudio.data.datamanagers.base_datamanager import VanillaDataManagerConfig
from nerfstudio.data.pixel_samplers import PixelSamplerConfig
from nerfstudio.models.base_model import ModelConfig
from tyro.conf import Suppress

from resfields_ns.options import Options, option


@dataclass
class SequenceDataManagerConfig(Options, VanillaDataManagerConfig):
    """The base of configs of datamanagers, which draw batches by themselves."""

    prefix: ClassVar[str] = "datamanager."

    masks_on_gpu: Suppress[bool] = False
    images_on_gpu: Suppress[bool] = False
    train_num_images_to_sample_from: Suppress[int] = -1
    train_num_times_to_repeat_images: Suppress[int] = -1
    eval_num_images_to_sample_from: Suppress[int] = -1
    eval_num_times_to_repeat_images: Suppress[int] = -1
    eval_image_indices: Suppress[tuple[int, ...] | None] = (0,)
    camera_res_scale_factor: Suppress[float] = 1.0  # it acts in part: dataparsers have --image-scale
    patch_size: Suppress[int] = 1
    pixel_sampler: Suppress[PixelSamplerConfig] = field(default_factory=PixelSamplerConfig)


@dataclass
class SequenceModelConfig(Options, ModelConfig):
    """The base of configs of models, which find by themselves what rays meet and weigh their losses."""

    prefix: ClassVar[str] = "model."

    enable_collider: Suppress[bool] = False
    collider_params: Suppress[dict[str, float] | None] = None
    loss_coefficients: Suppress[dict[str, float]] = field(default_factory=dict)
    prompt: Suppress[str | None] = None
    eval_num_rays_per_chunk: int = option(4096, least=1)
    """Rays rendered at once."""
    fallback_time: float = option(0.0, least=0, most=1)
    """Time in [0, 1] at which rays without a time are seen."""

    @property
    def parameter_groups(self) -> frozenset[str]:
        """Names of the groups of parameters that the model has, each with an optimizer of its own."""
        return frozenset({"field"})


@dataclass
class SequenceViewerConfig(ViewerConfig):
    """The viewer, seen from this machine alone unless told otherwise."""

    websocket_host: str = "127.0.0.1"
    """Address that the viewer's server is bound to."""
    quit_on_train_completion: bool = True
    """Whether to end with the training, and the viewer with it."""
    num_rays_per_chunk: Suppress[int] = 32_768
