"""Where along its rays a model looks at the scene; coarse-to-fine as in NeRF (Mildenhall et al. 2020, 5.2)."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from jaxtyping import Bool, Float, Int
from nerfstudio.configs.base_config import PrintableConfig
from torch import Tensor, nn

from resfields_ns import timeline
from resfields_ns.functional.rays import (
    intersect_box,
    invert_piecewise,
    occupied_positions,
    sample_edges,
    stratum_positions,
)
from resfields_ns.options import Options, option, when

CarveHull = Callable[[int, bool], Bool[Tensor, "frames x y z"]]
"""Gives the visual hull at a number of cells a side; the bool asks for cells that it merely touches as well."""


@dataclass(frozen=True)
class SampledRays:
    """Samples of the rays that can meet the scene: sample s of row r covers deltas[r, s] around distances[r, s]."""

    rays: Int[Tensor, "hits"]
    """Which of the rays each row is."""
    near: Float[Tensor, "hits"]
    """Where the ray enters the scene box."""
    far: Float[Tensor, "hits"]
    """Where it leaves the box."""
    distances: Float[Tensor, "hits samples"]
    deltas: Float[Tensor, "hits samples"]
    """0 for rays that cannot meet the scene, where these are kept."""


@dataclass
class SamplerConfig(Options, PrintableConfig):
    """Where rays are sampled, and how often."""

    prefix: ClassVar[str] = "sampler."

    kind: Literal["uniform", "occupancy", "hierarchical"] = "uniform"
    """Strata between the two crossings of the scene box (paper, A.4), of the part of a ray that lies in occupied cells
    of its frame (needs masks), or of the box first and then where these found something (NeRF)."""
    num_samples: int = option(256, least=1)
    """Samples a ray; of the coarse pass, where there are two."""
    num_fine_samples: int = option(128, least=1, acts=when("kind", "hierarchical"))
    """Samples a ray that a second pass adds."""
    resolution: int = option(64, least=1, acts=when("kind", "occupancy"))
    """Cells along each side of the scene box, for the occupancy."""


class Sampler(nn.Module, ABC):
    """Samples the rays that can meet the scene in a box.

    Args:
        config: sizes
        box: lower and upper corner
        num_frames: frames of the sequence
    """

    needs_masks: ClassVar[bool] = False
    num_refinements: ClassVar[int] = 0
    """How often the model should look at the samples' weights and sample again."""

    box: Tensor

    def __init__(self, config: SamplerConfig, box: Float[Tensor, "2 3"], num_frames: int) -> None:
        del num_frames
        super().__init__()
        self.num_samples = config.num_samples
        self.register_buffer("box", box)

    @abstractmethod
    def forward(
        self,
        origins: Float[Tensor, "rays 3"],
        directions: Float[Tensor, "rays 3"],
        times: Float[Tensor, "rays"],
        keep_all: bool = False,
    ) -> SampledRays:
        """Sample the rays that can meet the scene, or all; positions are random within their strata while training."""

    def refine(self, samples: SampledRays, weights: Float[Tensor, "hits samples"]) -> SampledRays:
        """Sample again where the weights are, for samplers with refinements."""
        raise NotImplementedError

    def fill(self, carve_hull: CarveHull) -> None:
        """Learn from the masks which space is empty."""
        del carve_hull

    def occupied(
        self, points: Float[Tensor, "rays samples 3"], times: Float[Tensor, "rays"]
    ) -> Bool[Tensor, "rays samples"]:
        """Whether anything can be at points of a ray's time."""
        del times
        return torch.ones_like(points[..., 0], dtype=torch.bool)


def _kept(near: Float[Tensor, "rays"], far: Float[Tensor, "rays"], keep_all: bool) -> Int[Tensor, "hits"]:
    """The rays that meet the box, or all."""
    return torch.arange(len(near), device=near.device) if keep_all else (near < far).nonzero()[:, 0]


class UniformSampler(Sampler):
    """Equal strata between the two crossings of the scene box."""

    def forward(
        self,
        origins: Float[Tensor, "rays 3"],
        directions: Float[Tensor, "rays 3"],
        times: Float[Tensor, "rays"],
        keep_all: bool = False,
    ) -> SampledRays:
        """Sample the rays that meet the box, or all; positions are random within their strata while training."""
        del times
        near, far = intersect_box(origins, directions, self.box)
        rays = _kept(near, far, keep_all)
        near, far = near[rays], far[rays]
        length = (far - near).clamp(min=0.0)[:, None]
        positions = stratum_positions(rays.shape[0], self.num_samples, self.training, origins.device)
        deltas = (length / self.num_samples).expand(-1, self.num_samples)
        return SampledRays(rays, near, far, near[:, None] + length * positions, deltas)


class OccupancySampler(Sampler):
    """Equal strata of the part of a ray that lies in occupied cells of its frame.

    Empty space costs nothing, and thin parts get as many samples as thick ones. All cells count as occupied until
    `fill` is called.
    """

    BINS_PER_CELL = 2
    needs_masks: ClassVar[bool] = True

    occupancy: Tensor

    def __init__(self, config: SamplerConfig, box: Float[Tensor, "2 3"], num_frames: int) -> None:
        super().__init__(config, box, num_frames)
        self.resolution = config.resolution
        self.register_buffer("occupancy", torch.ones((num_frames, *[config.resolution] * 3), dtype=torch.bool))

    def forward(
        self,
        origins: Float[Tensor, "rays 3"],
        directions: Float[Tensor, "rays 3"],
        times: Float[Tensor, "rays"],
        keep_all: bool = False,
    ) -> SampledRays:
        """Sample the rays that cross an occupied cell, or all; positions are random in their strata while training."""
        near, far = intersect_box(origins, directions, self.box)
        rays = _kept(near, far, keep_all)
        far = torch.maximum(near, far)
        num_bins = self.resolution * self.BINS_PER_CELL
        bins = stratum_positions(1, num_bins, False, origins.device)
        distances = near[rays, None] + (far - near)[rays, None] * bins
        points = origins[rays, None] + directions[rays, None] * distances[..., None]
        occupied = self.occupied(points, times[rays])
        crossing = occupied.any(dim=-1)
        if keep_all:
            far = torch.where(crossing, far, near)
            occupied = occupied | ~crossing[:, None]
        else:
            rays, occupied = rays[crossing], occupied[crossing]
        near, far = near[rays], far[rays]
        length = (far - near)[:, None]
        strata = stratum_positions(rays.shape[0], self.num_samples, self.training, origins.device)
        occupied_length = length * occupied.float().mean(dim=-1, keepdim=True)
        deltas = (occupied_length / self.num_samples).expand(-1, self.num_samples)
        distances = near[:, None] + length * occupied_positions(strata, occupied)
        return SampledRays(rays, near, far, distances, deltas)

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


WEIGHT_FLOOR = 1e-3  # added to every sample's weight, so that no part of a ray is lost for good


class HierarchicalSampler(UniformSampler):
    """Uniform samples, refined once by the weights that they were rendered with."""

    num_refinements: ClassVar[int] = 1

    def __init__(self, config: SamplerConfig, box: Float[Tensor, "2 3"], num_frames: int) -> None:
        super().__init__(config, box, num_frames)
        self.num_fine_samples = config.num_fine_samples

    def refine(self, samples: SampledRays, weights: Float[Tensor, "hits samples"]) -> SampledRays:
        """Join the samples by others drawn in proportion to their weights."""
        edges = sample_edges(samples.distances, samples.near, samples.far)
        positions = stratum_positions(len(weights), self.num_fine_samples, self.training, weights.device)
        added = invert_piecewise(edges, weights + WEIGHT_FLOOR, positions)
        distances = torch.cat((samples.distances, added), dim=1).sort(dim=1).values
        deltas = sample_edges(distances, samples.near, samples.far).diff(dim=1)
        return SampledRays(samples.rays, samples.near, samples.far, distances, deltas)
