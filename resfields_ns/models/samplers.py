"""Where along its rays a model looks at the scene; coarse-to-fine as in NeRF (Mildenhall et al. 2020, 5.2)."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Literal

import torch
import torch.nn.functional as F
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
from resfields_ns.functional.shares import random_rows
from resfields_ns.functional.surface_grid import levels_near_surface
from resfields_ns.models.surface_model import DISTANCE_SLOPE
from resfields_ns.options import Options, option, unless, when

BESIDE_SHARE = 0.1  # of a piece's weight, that each of its neighbours is sampled for
ANYWHERE_SHARE = 0.1  # beside the weights, that a ray of a picture is sampled for anywhere
LEARNING_ANYWHERE_SHARE = 1.0  # the same while training: what is behind a surface must be seen for it to be carved away
ANYWHERE_RAYS = 0.05  # share of a step's rays that look everywhere, so that what was lost can come back
CELL_SLOPE = 1.5  # how much distances change at most within a cell, over a distance of one

CarveHull = Callable[[int, bool], Bool[Tensor, "frames x y z"]]
"""Gives the visual hull at a number of cells a side; the bool asks for cells that it merely touches as well."""


@dataclass(frozen=True)
class Stretches:
    """The parts of rays, of those that have some, on which something of the scene can be."""

    rays: Int[Tensor, "hits"]
    """Which of the rays each row is."""
    near: Float[Tensor, "hits"]
    """Where the ray enters the scene box."""
    far: Float[Tensor, "hits"]
    """Where it leaves the box."""
    bins: Bool[Tensor, "hits bins"] | None = None
    """Which equal parts of the way from near to far are occupied; None for all of it."""

    @property
    def length(self) -> Float[Tensor, "hits"]:
        """Of what is occupied."""
        share = 1.0 if self.bins is None else self.bins.float().mean(dim=-1)
        return (self.far - self.near) * share

    def distances(self, shares: Float[Tensor, "hits samples"]) -> Float[Tensor, "hits samples"]:
        """Along the rays, of shares of what is occupied."""
        if self.bins is not None:
            shares = occupied_positions(shares, self.bins)
        return self.near[:, None] + (self.far - self.near)[:, None] * shares


@dataclass(frozen=True)
class SampledRays:
    """Samples of the rays that can meet the scene: sample s of row r covers deltas[r, s] around distances[r, s]."""

    stretches: Stretches
    """What was sampled."""
    shares: Float[Tensor, "hits samples"]
    """Of what is occupied of a ray, how much lies before the sample."""
    deltas: Float[Tensor, "hits samples"]
    """0 for rays that cannot meet the scene, where these are kept."""

    @property
    def rays(self) -> Int[Tensor, "hits"]:
        """Which of the rays each row is."""
        return self.stretches.rays

    @cached_property
    def distances(self) -> Float[Tensor, "hits samples"]:
        """Along the rays."""
        return self.stretches.distances(self.shares)

    def rows(self, index: Int[Tensor, "some"]) -> "SampledRays":
        """Some of the rows."""
        whole = self.stretches
        bins = None if whole.bins is None else whole.bins[index]
        some = Stretches(whole.rays[index], whole.near[index], whole.far[index], bins)
        return SampledRays(some, self.shares[index], self.deltas[index])

    @property
    def edges(self) -> Float[Tensor, "hits edges"]:
        """Of what lies between samples, and before the first and behind the last: shares from 0 to 1."""
        return F.pad(F.pad(self.shares, (1, 0), value=0.0), (0, 1), value=1.0)


@dataclass
class SamplerConfig(Options, PrintableConfig):
    """Where rays are sampled, and how often."""

    prefix: ClassVar[str] = "sampler."

    kind: Literal["uniform", "occupancy", "learned-occupancy", "hierarchical"] = "uniform"
    """Strata between the two crossings of the scene box (paper, A.4), of the part of a ray that lies in occupied cells
    of its frame (as masks tell, or the field itself while it trains), or of the box first and then where these found
    something (NeRF)."""
    num_samples: int = option(256, least=1)
    """Samples a ray; of the coarse pass, where there are two."""
    num_fine_samples: int = option(128, least=1, acts=when("kind", "hierarchical"))
    """Samples a ray that a second pass adds."""
    num_surface_samples: int = option(0, least=0, acts=unless("kind", "hierarchical"))
    """Samples a ray that take the others' place, drawn where the surface shows, as the numbers of the others tell; 0:
    none, and all are rendered. A step learns from these alone: others cost a quarter of one that is learned from."""
    num_picture_samples: int = option(0, least=0)
    """Samples a ray of pictures in place of all others, drawn where a grid of the surface's levels shows it; 0: none,
    and pictures are sampled as training is."""
    resolution: int = option(64, least=1, acts=when("kind", "occupancy", "learned-occupancy"))
    """Cells along each side of the scene box, for the occupancy."""
    renewal_steps: int = option(16, least=1, acts=when("kind", "learned-occupancy"))
    """Steps after which the field tells the occupancy of one frame anew, frame by frame."""


class Sampler(nn.Module, ABC):
    """Samples the rays that can meet the scene in a box.

    Args:
        config: sizes
        box: lower and upper corner
        num_frames: frames of the sequence
    """

    needs_masks: ClassVar[bool] = False
    uses_hull: ClassVar[bool] = False
    """Whether it looks at what masks, or the cameras' views alone, leave empty."""
    num_refinements: ClassVar[int] = 0
    """How often the model should look at the samples' weights and sample again."""

    box: Tensor

    def __init__(self, config: SamplerConfig, box: Float[Tensor, "2 3"], num_frames: int) -> None:
        del num_frames
        super().__init__()
        self.num_samples = config.num_samples
        self.num_surface_samples = config.num_surface_samples
        self.num_picture_samples = config.num_picture_samples
        self.register_buffer("box", box)

    @abstractmethod
    def stretches(
        self,
        origins: Float[Tensor, "rays 3"],
        directions: Float[Tensor, "rays 3"],
        times: Float[Tensor, "rays"],
        keep_all: bool = False,
    ) -> Stretches:
        """Of the rays that can meet the scene, or of all, with no length for the others."""

    def forward(
        self,
        origins: Float[Tensor, "rays 3"],
        directions: Float[Tensor, "rays 3"],
        times: Float[Tensor, "rays"],
        keep_all: bool = False,
    ) -> SampledRays:
        """As many equal strata of the stretches as configured; positions are random while training."""
        return self.strata(self.stretches(origins, directions, times, keep_all), self.num_samples)

    def strata(self, found: Stretches, num_samples: int) -> SampledRays:
        """So many samples of stretches, one in each of equal parts."""
        shares = stratum_positions(len(found.rays), num_samples, self.training, found.near.device)
        return SampledRays(found, shares, (found.length[:, None] / num_samples).expand_as(shares))

    def refine(self, samples: SampledRays, weights: Float[Tensor, "hits samples"]) -> SampledRays:
        """Sample again where the weights are, for samplers with refinements."""
        raise NotImplementedError

    def at_surface(self, samples: SampledRays, weights: Float[Tensor, "hits pieces"], count: int) -> SampledRays:
        """Sample rays so often where the pieces between samples, which end at `samples.edges`, have weight.

        A sample covers what the chance of drawing it says, so that the density of a ray adds up to the same on average.
        """
        edges, num_pieces = samples.edges, weights.shape[1]
        widths = edges.diff(dim=1).clamp(min=1e-9)
        beside = F.pad(weights, (1, 0))[:, :num_pieces] + F.pad(weights, (0, 1))[:, 1:]
        anywhere = LEARNING_ANYWHERE_SHARE if self.training else ANYWHERE_SHARE
        chances = weights + BESIDE_SHARE * beside + anywhere * widths
        chances = chances / chances.sum(dim=1, keepdim=True)
        positions = stratum_positions(len(edges), count, self.training, edges.device)
        shares = invert_piecewise(edges, chances, positions)
        pieces = (torch.searchsorted(edges, shares, right=True) - 1).clamp(0, num_pieces - 1)
        deltas = samples.stretches.length[:, None] * (widths / chances).gather(1, pieces) / count
        return SampledRays(samples.stretches, shares, deltas)

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

    def stretches(
        self,
        origins: Float[Tensor, "rays 3"],
        directions: Float[Tensor, "rays 3"],
        times: Float[Tensor, "rays"],
        keep_all: bool = False,
    ) -> Stretches:
        """All that lies in the box."""
        del times
        near, far = intersect_box(origins, directions, self.box)
        rays = _kept(near, far, keep_all)
        return Stretches(rays, near[rays], torch.maximum(near, far)[rays])


class OccupancySampler(Sampler):
    """Equal strata of the part of a ray that lies in occupied cells of its frame.

    Empty space costs nothing, and thin parts get as many samples as thick ones. All cells count as occupied until
    `fill` is called.
    """

    BINS_PER_CELL = 2
    needs_masks: ClassVar[bool] = True
    uses_hull: ClassVar[bool] = True

    occupancy: Tensor

    def __init__(self, config: SamplerConfig, box: Float[Tensor, "2 3"], num_frames: int) -> None:
        super().__init__(config, box, num_frames)
        self.resolution = config.resolution
        self.register_buffer("occupancy", torch.ones((num_frames, *[config.resolution] * 3), dtype=torch.bool))

    def stretches(
        self,
        origins: Float[Tensor, "rays 3"],
        directions: Float[Tensor, "rays 3"],
        times: Float[Tensor, "rays"],
        keep_all: bool = False,
    ) -> Stretches:
        """What lies in occupied cells."""
        near, far = intersect_box(origins, directions, self.box)
        rays = _kept(near, far, keep_all)
        far = torch.maximum(near, far)
        num_bins = self.resolution * self.BINS_PER_CELL
        bins = stratum_positions(1, num_bins, False, origins.device)
        distances = near[rays, None] + (far - near)[rays, None] * bins
        points = origins[rays, None] + directions[rays, None] * distances[..., None]
        occupied = self.looked_at(points, times[rays])
        crossing = occupied.any(dim=-1)
        if keep_all:
            far = torch.where(crossing, far, near)
            occupied = occupied | ~crossing[:, None]
        else:
            rays, occupied = rays[crossing], occupied[crossing]
        return Stretches(rays, near[rays], far[rays], occupied)

    def fill(self, carve_hull: CarveHull) -> None:
        """Count the cells that the visual hull touches as occupied."""
        self.occupancy.copy_(carve_hull(self.resolution, True))

    def occupied(
        self, points: Float[Tensor, "rays samples 3"], times: Float[Tensor, "rays"]
    ) -> Bool[Tensor, "rays samples"]:
        """Whether points lie in an occupied cell of the frame, or of both frames, next to their ray's time."""
        cells = self._cells(points)
        earlier, later = timeline.neighbouring_frames(times, len(self.occupancy))
        return self._look_up(self.occupancy, earlier, cells) | self._look_up(self.occupancy, later, cells)

    def looked_at(
        self, points: Float[Tensor, "rays samples 3"], times: Float[Tensor, "rays"]
    ) -> Bool[Tensor, "rays samples"]:
        """Whether rays are sampled around points."""
        return self.occupied(points, times)

    def _cells(self, points: Float[Tensor, "*batch 3"]) -> Int[Tensor, "*batch"]:
        """The number of the cell of each point in a grid that is flattened."""
        per_unit = self.resolution / (self.box[1] - self.box[0])
        x, y, z = ((points - self.box[0]) * per_unit).int().clamp_(0, self.resolution - 1).unbind(-1)
        return (x * self.resolution + y) * self.resolution + z

    def _look_up(
        self,
        grids: Bool[Tensor, "frames x y z"],
        frames: Int[Tensor, "rays"],
        cells: Int[Tensor, "rays samples"],
    ) -> Bool[Tensor, "rays samples"]:
        """What the grid of each ray's frame says of cells."""
        numbers = frames[:, None] * grids[0].numel() + cells
        return grids.flatten().index_select(0, numbers.flatten()).view(cells.shape)


class LearnedOccupancySampler(OccupancySampler):
    """Equal strata of the part of a ray that lies near the surface of its frame, as the field knows it by now.

    Occupied is what masks leave, where there are some, and what enough cameras see. Of that, rays are sampled in the
    cells that `renew` was told of, in its frame; between frames, and along some rays of every step, in all.
    """

    needs_masks: ClassVar[bool] = False

    near_surface: Tensor

    def __init__(self, config: SamplerConfig, box: Float[Tensor, "2 3"], num_frames: int) -> None:
        super().__init__(config, box, num_frames)
        self.register_buffer("near_surface", torch.ones_like(self.occupancy))

    def looked_at(
        self, points: Float[Tensor, "rays samples 3"], times: Float[Tensor, "rays"]
    ) -> Bool[Tensor, "rays samples"]:
        """What is near the surface of a ray's own frame."""
        frames, later = timeline.neighbouring_frames(times, len(self.occupancy))
        anywhere = frames != later
        if self.training:
            anywhere = anywhere | (random_rows(len(times), 1, times.device)[:, 0] < ANYWHERE_RAYS)
        near = self._look_up(self.near_surface, frames, self._cells(points))
        return self.occupied(points, times) & (near | anywhere[:, None])

    def renew(
        self, frame: int, level: Callable[[Float[Tensor, "points 3"]], Float[Tensor, "points"]], reach: float
    ) -> None:
        """Learn where the surface of a frame is.

        Args:
            frame: whose it is
            level: signed distances at points, at the frame's time
            reach: distance from the surface up to which something can be seen
        """
        cell = (self.box[1] - self.box[0]) / self.resolution
        margin = reach + 0.5 * CELL_SLOPE * float(cell.norm())
        levels = levels_near_surface(
            level, self.occupancy[frame], self.box[0] + 0.5 * cell, cell, DISTANCE_SLOPE, margin
        )
        self.near_surface[frame] = levels.abs() <= margin


WEIGHT_FLOOR = 1e-3  # added to every sample's weight, so that no part of a ray is lost for good


class HierarchicalSampler(UniformSampler):
    """Uniform samples, refined once by the weights that they were rendered with."""

    num_refinements: ClassVar[int] = 1

    def __init__(self, config: SamplerConfig, box: Float[Tensor, "2 3"], num_frames: int) -> None:
        super().__init__(config, box, num_frames)
        self.num_fine_samples = config.num_fine_samples

    def refine(self, samples: SampledRays, weights: Float[Tensor, "hits samples"]) -> SampledRays:
        """Join the samples by others drawn in proportion to their weights."""
        positions = stratum_positions(len(weights), self.num_fine_samples, self.training, weights.device)
        added = invert_piecewise(sample_edges(samples.shares), weights + WEIGHT_FLOOR, positions)
        shares = torch.cat((samples.shares, added), dim=1).sort(dim=1).values
        deltas = sample_edges(shares).diff(dim=1) * samples.stretches.length[:, None]
        return SampledRays(samples.stretches, shares, deltas)
