"""nerfstudio's configs as bases of ours, without the options that do nothing here.

The fields stay, with the host's values, as its code may read them; the command line neither shows nor takes them.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar, cast

from nerfstudio.configs.base_config import LocalWriterConfig, LoggingConfig, MachineConfig, ViewerConfig
from nerfstudio.data.datamanagers.base_datamanager import VanillaDataManagerConfig
from nerfstudio.data.pixel_samplers import PixelSamplerConfig
from nerfstudio.data.utils.nerfstudio_collate import nerfstudio_collate
from nerfstudio.models.base_model import ModelConfig
from nerfstudio.utils.rich_utils import CONSOLE
from nerfstudio.utils.writer import EventName
from tyro.conf import Suppress

from resfields_ns.host.processes import launched_processes, processes_of
from resfields_ns.host.progress import ProgressLine
from resfields_ns.options import Options, option, unless, when


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
    collate_fn: Suppress[Callable[[Any], Any]] = cast(Any, staticmethod(nerfstudio_collate))
    camera_res_scale_factor: Suppress[float] = 1.0  # it acts in part: dataparsers have --image-scale
    patch_size: Suppress[int] = 1
    pixel_sampler: Suppress[PixelSamplerConfig] = field(default_factory=PixelSamplerConfig)


@dataclass
class SequenceModelConfig(Options, ModelConfig):
    """The base of configs of models, which find by themselves what rays meet and weigh their losses."""

    prefix: ClassVar[str] = "model."
    takes_bfloat16: ClassVar[bool] = False
    """Whether products of bfloat16, of eight binary digits, are enough for it."""

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


def _is_one_process(machine: MachineConfig) -> str | None:
    return "num-devices and num-machines are 1" if machine.num_devices == machine.num_machines == 1 else None


@dataclass
class SequenceMachineConfig(Options, MachineConfig):
    """What a run has of machines: a process for every GPU, or several on CPUs."""

    prefix: ClassVar[str] = "--machine."

    seed: int = option(42, least=0, most=2**32 - 1)
    """Seed of all random numbers."""
    num_devices: int = option(1, least=1)
    """GPUs of a machine, or processes where the device type is cpu; all share every batch."""
    num_machines: int = option(1, least=1)
    """Machines, each with as many devices."""
    machine_rank: int = option(0, least=0, acts=unless("num_machines", 1))
    """Which of several machines this is."""
    dist_url: str = option("auto", acts=_is_one_process)
    """Where several processes meet: tcp://HOST:PORT of the first machine; auto serves for one machine."""

    def check_options(self) -> None:
        """Raise ValueError for numbers out of bounds, and for processes that cannot meet."""
        super().check_options()
        if self.machine_rank >= self.num_machines > 1:
            raise ValueError(
                f"{self.prefix}machine-rank: expected less than num-machines, {self.num_machines}, "
                f"got {self.machine_rank}"
            )
        if self.num_machines > 1 and self.dist_url == "auto":
            raise ValueError(f"{self.prefix}dist-url: expected tcp://HOST:PORT with several machines, got auto")
        if (launched := launched_processes()) > 1 and _is_one_process(self) is None:
            raise ValueError(
                f"{self.prefix}num-devices and num-machines: expected 1 under torchrun, which has started {launched} "
                f"processes, got {self.num_devices} and {self.num_machines}"
            )
        if self.device_type == "mps" and processes_of(self) > 1:
            raise ValueError(f"{self.prefix}device-type: expected cuda or cpu with several processes, got mps")


@dataclass
class SequenceLocalWriterConfig(Options, LocalWriterConfig):
    """A line in the terminal."""

    prefix: ClassVar[str] = "--logging.local-writer."

    enable: bool = True
    """Whether to print it."""
    stats_to_track: Suppress[tuple[EventName, ...]] = LocalWriterConfig.stats_to_track
    max_log_size: Suppress[int] = 10

    def setup(self, **kwargs: Any) -> ProgressLine:
        """What writes it, in place of the host's table."""
        return ProgressLine(self, **kwargs)


@dataclass
class SequenceLoggingConfig(Options, LoggingConfig):
    """What is told of a run."""

    prefix: ClassVar[str] = "--logging."

    steps_per_log: int = option(10, least=0)
    """Steps between lines in the terminal, and between losses that are logged; 0, without such lines: no losses."""
    max_buffer_size: int = option(20, least=1)
    """How many steps times are averaged over."""
    local_writer: LocalWriterConfig = field(default_factory=SequenceLocalWriterConfig)
    """A line in the terminal."""

    def check_options(self) -> None:
        """Raise ValueError for numbers out of bounds."""
        super().check_options()
        if self.steps_per_log == 0 and self.local_writer.enable:
            raise ValueError(f"{self.prefix}steps-per-log: expected at least 1 with local-writer.enable True, got 0")


@dataclass
class SequenceViewerConfig(Options, ViewerConfig):
    """The viewer, seen from this machine alone unless told otherwise."""

    prefix: ClassVar[str] = "--viewer."

    relative_log_filename: Suppress[str] = "viewer_log_filename.txt"
    websocket_host: str = "127.0.0.1"
    """Address that the viewer's server is bound to."""
    websocket_port_default: int = option(7007, acts=when("websocket_port", None))
    """Port to try first where none is given."""
    jpeg_quality: int = option(75, acts=when("image_format", "jpeg"))
    """Quality of a still picture, up to 100."""
    quit_on_train_completion: bool = True
    """Whether to end with the training, and the viewer with it."""
    num_rays_per_chunk: Suppress[int] = 32_768


def bind_as_saved(saved: ViewerConfig, viewer: ViewerConfig) -> None:
    """Bind the host's viewer of a run where the run's config says, unless the command line names another address.

    ns-viewer would show a run to all machines that reach this one; a line says that it does not.
    """
    named = any(word.replace("_", "-").startswith("--viewer.websocket-host") for word in sys.argv)
    if type(viewer) is ViewerConfig and not named and viewer.websocket_host != saved.websocket_host:
        CONSOLE.print(
            f"The viewer listens on {saved.websocket_host}, as the run's config.yml has it, and not on "
            f"{viewer.websocket_host}: --viewer.websocket-host names another address.",
            soft_wrap=True,
        )
        viewer.websocket_host = saved.websocket_host
