"""Models of tasks without rays (video, temporal SDF, scene flow), which cameras can look at all the same."""

import dataclasses
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from nerfstudio.cameras.rays import RayBundle
from nerfstudio.data.scene_box import SceneBox
from nerfstudio.models.base_model import Model
from torch import Tensor, nn

from resfields_ns.fields.sequence_field import SequenceField
from resfields_ns.functional.rays import distance_behind_box
from resfields_ns.functional.segments import TimedPoints
from resfields_ns.functional.volume import without_background
from resfields_ns.host.dataparsing import sequence_of
from resfields_ns.host.host_configs import SequenceModelConfig
from resfields_ns.host.ray_bundles import ray_times
from resfields_ns.layers import parameter_groups
from resfields_ns.options import option

BACKGROUND = 1.0  # white, behind what rays hit


@dataclass
class CoordinateModelConfig(SequenceModelConfig):
    """A field of coordinates at times."""

    eval_num_rays_per_chunk: int = option(65_536, least=1)
    """Rays seen at once."""


@dataclass(frozen=True)
class Hits:
    """Where rays meet something opaque."""

    rays: Int[Tensor, "hits"]
    """Which of the rays do."""
    distances: Float[Tensor, "hits"]
    """Along the unit-length ray."""
    rgb: Float[Tensor, "hits 3"]
    """Colour in [0, 1]."""
    others: dict[str, Float[Tensor, "hits channels"]] = dataclasses.field(default_factory=dict)
    """Other outputs by name, such as normals; zero where nothing is hit."""


class CoordinateModel(Model, ABC):
    """Answers coordinates while training, and shows rays what they hit."""

    config: CoordinateModelConfig
    field: SequenceField

    def __init__(
        self, config: CoordinateModelConfig, scene_box: SceneBox, num_train_data: int, metadata: dict, **kwargs: Any
    ) -> None:
        self.num_frames = sequence_of(metadata).num_frames
        super().__init__(config, scene_box, num_train_data, metadata=metadata, **kwargs)

    @abstractmethod
    def make_field(self) -> SequenceField:
        """The field, built once."""

    @abstractmethod
    def get_outputs(self, ray_bundle: TimedPoints) -> dict[str, Any]:  # pyright: ignore[reportIncompatibleMethodOverride]
        """What the field says at points, for the losses."""

    @abstractmethod
    def find_hits(
        self,
        origins: Float[Tensor, "rays 3"],
        directions: Float[Tensor, "rays 3"],
        times: Float[Tensor, "rays"],
    ) -> Hits:
        """What rays of unit length at times in [0, 1] meet."""

    def populate_modules(self) -> None:
        """Build the field."""
        super().populate_modules()
        self.field = self.make_field()

    def get_param_groups(self) -> dict[str, list[nn.Parameter]]:
        """The parameters of the field, and of those of its parts that learn at a rate of their own."""
        return parameter_groups(self.field, rest="field")

    def forward(self, ray_bundle: TimedPoints | RayBundle) -> dict[str, Any]:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Answer a training batch's points, or a camera's rays."""
        return self._see(ray_bundle) if isinstance(ray_bundle, RayBundle) else self.get_outputs(ray_bundle)

    def get_rgba_image(self, outputs: dict[str, Tensor], output_name: str = "rgb") -> Float[Tensor, "*batch 4"]:
        """An output of what rays hit, transparent where they hit nothing: RGBA in [0, 1]."""
        return without_background(outputs[output_name], outputs["accumulation"], BACKGROUND)

    def _see(self, ray_bundle: RayBundle) -> dict[str, Tensor]:
        """rgb [R, 3], accumulation [R, 1] (1 where something is hit), depth along the ray [R, 1], and others."""
        origins, directions = ray_bundle.origins, ray_bundle.directions
        hits = self.find_hits(origins, directions, ray_times(ray_bundle, self.config.fallback_time))
        behind = distance_behind_box(origins, self.scene_box.aabb.to(origins))
        ones = torch.ones_like(hits.distances[:, None])
        return {
            "rgb": torch.full_like(origins, BACKGROUND).index_copy(0, hits.rays, hits.rgb.clamp(0.0, 1.0)),
            "accumulation": torch.zeros_like(behind).index_copy(0, hits.rays, ones),
            "depth": behind.index_copy(0, hits.rays, hits.distances[:, None]),
            **{
                name: values.new_zeros(len(origins), values.shape[1]).index_copy(0, hits.rays, values)
                for name, values in hits.others.items()
            },
        }
