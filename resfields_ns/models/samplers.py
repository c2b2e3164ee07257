"""Where along its rays a model looks at the scene."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ClassVar

import torch
from jaxtyping import Bool, Float, Int
from nerfstudio.configs.base_config import InstantiateConfig
from torch import Tensor, nn

from resfields_ns import timeline
from resfields_ns.functional.rays import intersect_box, occupied_positions, stratum_positions

CarveHull = Callable[[int, bool], Bool[Tensor, "frames x y z"]]
"""Gives the visual hull at a number of cells a side; the bool asks for cells that it merely touches as well."""


@dataclass(frozen=True)
class SampledRays:
    """Samples of the rays that can meet the scene: sample s of row r covers deltas[r, s] around distances[r, s]."""

    rays: Int[Tensor, "hits"]
    """Which of the rays each row is."""
    distances: Float[Tensor, "hits samples"]
    deltas: Float[Tensor, "hits samples"]


@dataclass
class SamplerConfig(InstantiateConfig):
    """What all samplers have."""

    needs_masks: ClassVar[bool] = False
    num_samples: int = 256
    """Samples a ray."""

    def __post_init__(self) -> None:
        if self.num_samples < 1:
            raise ValueError(f"sampler.num-samples: expected at least 1, got {self.num_samples}")


@dataclass
class UniformSamplerConfig(SamplerConfig):
    """Equal strata between the two crossings of the scene box (paper, A.4)."""

    _target: type = field(default_factory=lambda: UniformSampler)


@dataclass
class OccupancySamplerConfig(SamplerConfig):
    """Equal strata of the part of a ray that lies in occupied cells of its frame."""

    needs_masks: ClassVar[bool] = True
    _target: type = field(default_factory=lambda: OccupancySampler)
    resolution: int = 64
    """Cells along each side of the scene box."""


class UniformSampler(nn.Module):
    """Equal strata between the two crossings of the scene box."""

    box: Tensor

    def __init__(self, config: UniformSamplerConfig, box: Float[Tensor, "2 3"], num_frames: int) -> None:
        del num_frames
        super().__init__()
        self.num_samples = config.num_samples
        self.register_buffer("box", box)

    def forward(
        self, origins: Float[Tensor, "rays 3"], directions: Float[Tensor, "rays 3"], times: Float[Tensor, "rays"]
    ) -> SampledRays:
        """Sample the rays that meet the box; positions are random within their strata while training."""
        del times
        near, far = intersect_box(origins, directions, self.box)
        rays = (near < far).nonzero()[:, 0]
        near, length = near[rays, None], (far - near)[rays, None]
        positions = stratum_positions(rays.shape[0], self.num_samples, self.training, origins.device)
        deltas = (length / self.num_samples).expand(-1, self.num_samples)
        return SampledRays(rays, near + length * positions, deltas)

    def fill(self, carve_hull: CarveHull) -> None:
        """Nothing to fill: this sampler looks everywhere."""

    def occupied(
        self, points: Float[Tensor, "rays samples 3"], times: Float[Tensor, "rays"]
    ) -> Bool[Tensor, "rays samples"]:
        """Everywhere."""
        del times
        return torch.ones_like(points[..., 0], dtype=torch.bool)


class OccupancySampler(nn.Module):
    """Equal strata of the part of a ray that lies in occupied cells of its frame.

    Empty space costs nothing, and thin parts get as many samples as thick ones. All cells count as occupied until
    `fill` is called.
    """

    BINS_PER_CELL = 2

    box: Tensor
    occupancy: Tensor

    def __init__(self, config: OccupancySamplerConfig, box: Float[Tensor, "2 3"], num_frames: int) -> None:
        super().__init__()
        self.num_samples = config.num_samples
        self.resolution = config.resolution
        self.register_buffer("box", box)
        self.register_buffer("occupancy", torch.ones((num_frames, *[config.resolution] * 3), dtype=torch.bool))

    def forward(
        self, origins: Float[Tensor, "rays 3"], directions: Float[Tensor, "rays 3"], times: Float[Tensor, "rays"]
    ) -> SampledRays:
        """Sample the rays that cross an occupied cell; positions are random within their strata while training."""
        near, far = intersect_box(origins, directions, self.box)
        rays = (near < far).nonzero()[:, 0]
        num_bins = self.resolution * self.BINS_PER_CELL
        bins = stratum_positions(1, num_bins, False, origins.device)
        distances = near[rays, None] + (far - near)[rays, None] * bins
        points = origins[rays, None] + directions[rays, None] * distances[..., None]
        occupied = self.occupied(points, times[rays])
        crossing = occupied.any(dim=-1)
        rays, occupied = rays[crossing], occupied[crossing]
        near, length = near[rays, None], (far - near)[rays, None]
        strata = stratum_positions(rays.shape[0], self.num_samples, self.training, origins.device)
        occupied_length = length * occupied.float().mean(dim=-1, keepdim=True)
        deltas = (occupied_length / self.num_samples).expand(-1, self.num_samples)
        return SampledRays(rays, near + length * occupied_positions(strata, occupied), deltas)

    def fill(self, carve_hull: CarveHull) -> None:
        """Count the cells that the visual hull touches as occupied."""
        self.occupancy.copy_(carve_hull(self.resolution, True))

    def occupied(
        self, points: Float[Tensor, "rays samples 3"], times: Float[Tensor, "rays"]
    ) -> Bool[Tensor, "rays samples"]:
        """Whether points lie in an occupied cell of the frame, or of both frames, next to their ray's time."""
        cells = ((points - self.box[0]) / (self.box[1] - self.box[0]) * self.resolution).long()
        x, y, z = cells.clamp(0, self.resolution - 1).unbind(-1)
        earlier, later = timeline.neighbouring_frames(times, self.occupancy.shape[0])
        return self.occupancy[earlier[:, None], x, y, z] | self.occupancy[later[:, None], x, y, z]
