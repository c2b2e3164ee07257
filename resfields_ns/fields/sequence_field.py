"""What all fields of sequences share: the host's way to ask them.

Our models ask a field about points in segments of equal time, which is fast. The host's tools, nerfacc's estimators and
anybody's own model ask it, as any field of nerfstudio, about samples of any batch shape, each with its time, in any
order. Both get the same answers.
"""

import math
from abc import ABC, abstractmethod
from dataclasses import replace
from typing import Any, ClassVar, TypeVar

import torch
from jaxtyping import Float
from nerfstudio.cameras.rays import RaySamples
from nerfstudio.field_components.field_heads import FieldHeadNames
from nerfstudio.fields.base_field import Field
from nerfstudio.utils.rich_utils import CONSOLE
from torch import Tensor

from resfields_ns.functional.segments import TimedPoints
from resfields_ns.layers import ResidualOptions

Config = TypeVar("Config", bound=ResidualOptions)


def plain_over_one_frame(config: Config, num_frames: int) -> Config:
    """The config of a field's MLP over so many frames: over one, its residual layers are plain, which one line tells.

    There is no other moment at which their weights could differ.
    """
    if num_frames > 1 or not config.residual_layers:
        return config
    layers = ", ".join(map(str, config.residual_layers))
    CONSOLE.print(f"One frame: layers {layers} are plain, as residuals are for what changes over time.")
    return replace(config, residual_layers=())


class SequenceField(Field, ABC):
    """A field that also depends on time; where the host gives none, it is that of `FALLBACK_TIME`."""

    FALLBACK_TIME: ClassVar[float] = 0.0
    """Of samples and positions without times, in [0, 1]."""

    @abstractmethod
    def density_and_embedding(
        self, points: TimedPoints
    ) -> tuple[Float[Tensor, "points"], Float[Tensor, "points embedding"]]:
        """Volume density, in the inverse of scene units, and what `outputs` takes over of its computation."""

    @abstractmethod
    def outputs(
        self,
        points: TimedPoints,
        directions: Float[Tensor, "points 3"],
        embedding: Float[Tensor, "points embedding"],
    ) -> dict[Any, Float[Tensor, "points channels"]]:
        """What else the field says of points that are seen in unit directions, by `FieldHeadNames` or a name."""

    def normals(self, points: TimedPoints) -> Float[Tensor, "points 3"]:
        """Unit normals of what is there, outward. Raises ValueError for a field that has no surface."""
        raise ValueError(f"compute_normals: expected a field with a surface, found {type(self).__name__}")

    def get_density(
        self, ray_samples: RaySamples
    ) -> tuple[Float[Tensor, "*batch 1"], Float[Tensor, "*batch embedding"]]:
        """Density of samples, in the inverse of scene units, and an embedding for `get_outputs`.

        Each distinct time costs one matrix for every layer that depends on time.
        """
        return self._density(_ByTime(ray_samples.frustums.get_positions(), ray_samples.times, self.FALLBACK_TIME))

    def density_fn(
        self, positions: Float[Tensor, "*batch 3"], times: Float[Tensor, "*batch 1"] | None = None
    ) -> Float[Tensor, "*batch 1"]:
        """Density at positions at times in [0, 1], in the inverse of scene units."""
        return self._density(_ByTime(positions, times, self.FALLBACK_TIME))[0]

    def get_outputs(
        self, ray_samples: RaySamples, density_embedding: Float[Tensor, "*batch embedding"] | None = None
    ) -> dict[Any, Float[Tensor, "*batch channels"]]:
        """What the field says of samples beside their density, see `outputs`."""
        by_time = _ByTime(ray_samples.frustums.get_positions(), ray_samples.times, self.FALLBACK_TIME)
        embedding = self._density(by_time)[1] if density_embedding is None else density_embedding
        directions = by_time.sorted(ray_samples.frustums.directions)
        outputs = self.outputs(by_time.points, directions, by_time.sorted(embedding))
        return {name: by_time.restored(values) for name, values in outputs.items()}

    def forward(
        self, ray_samples: RaySamples, compute_normals: bool = False
    ) -> dict[Any, Float[Tensor, "*batch channels"]]:
        """Density, outputs and, if asked for, normals of samples, by `FieldHeadNames` or a name."""
        outputs = super().forward(ray_samples)
        if compute_normals:
            by_time = _ByTime(ray_samples.frustums.get_positions(), ray_samples.times, self.FALLBACK_TIME)
            outputs[FieldHeadNames.NORMALS] = by_time.restored(self.normals(by_time.points))
        return outputs

    def _density(self, by_time: "_ByTime") -> tuple[Float[Tensor, "*batch 1"], Float[Tensor, "*batch embedding"]]:
        density, embedding = self.density_and_embedding(by_time.points)
        return by_time.restored(density[:, None]), by_time.restored(embedding)


class _ByTime:
    """Positions of any batch shape in the order of their times, and the way back."""

    def __init__(
        self, positions: Float[Tensor, "*batch 3"], times: Float[Tensor, "*#batch 1"] | None, fallback_time: float
    ) -> None:
        self.shape = positions.shape[:-1]
        times = torch.full_like(positions[..., :1], fallback_time) if times is None else times.to(positions)
        times = times.expand(*self.shape, 1).flatten()
        self.order = times.argsort(stable=True)
        self.points = TimedPoints.from_times(self.sorted(positions), times[self.order])

    def sorted(self, values: Float[Tensor, "*batch channels"]) -> Float[Tensor, "points channels"]:
        """Values of the positions, in the order of `points`."""
        return values.expand(*self.shape, -1).reshape(math.prod(self.shape), values.shape[-1])[self.order]

    def restored(self, values: Float[Tensor, "points channels"]) -> Float[Tensor, "*batch channels"]:
        """Values of `points`, as the positions came."""
        return values[self.order.argsort()].view(*self.shape, values.shape[-1])
