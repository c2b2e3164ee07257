"""Levels of a model's surface at a time, on a grid of its box."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from resfields_ns.functional.surface_grid import levels_near_surface, levels_where_sides_change
from resfields_ns.models.surface_model import SurfaceModel

LEVELS_AT_ONCE = 65_536  # bounds the memory
LEAST_SLOPE = 0.7  # of distances that a field has learned, outside its surface


@dataclass(frozen=True)
class LevelGrid:
    """Levels at points of a grid: exact near the surface, rough and of the right sign elsewhere."""

    levels: Float[Tensor, "x y z"]
    origin: Float[Tensor, "3"]
    """The grid's first point."""
    cell: float
    """Distance between neighbours, in scene units."""

    def at(self, points: Float[Tensor, "*batch 3"]) -> Float[Tensor, "*batch"]:
        """Levels between the grid's points, trilinear; beyond, those of its border."""
        last = torch.tensor(self.levels.shape, device=points.device) - 1
        places = 2.0 * (points - self.origin) / (self.cell * last) - 1.0
        found = F.grid_sample(
            self.levels[None, None],
            places.view(1, 1, 1, -1, 3).flip(-1),
            padding_mode="border",
            align_corners=True,
        )
        return found.view(points.shape[:-1])


@dataclass(frozen=True)
class ShownLevels(LevelGrid):
    """Levels that know where something of their surface shows."""

    shown: Bool[Tensor, "x y z"]
    """Points of the grid around which it does."""
    shown_box: Float[Tensor, "2 3"]
    """Lower and upper corner of where it does, of no size where nothing does."""

    def shown_along(
        self,
        origins: Float[Tensor, "rays 3"],
        directions: Float[Tensor, "rays 3"],
        distances: Float[Tensor, "rays samples"],
    ) -> Bool[Tensor, "rays samples"]:
        """Whether something shows at places along rays, as the grid's nearest points tell."""
        starts, steps = (origins - self.origin) / self.cell + 0.5, directions / self.cell
        index = torch.zeros_like(distances, dtype=torch.int32)
        for axis, count in enumerate(self.shown.shape):
            places = torch.addcmul(starts[:, axis, None], steps[:, axis, None], distances)
            index = index * count + places.to(torch.int32).clamp_(0, count - 1)
        return self.shown.flatten().index_select(0, index.flatten()).view(distances.shape)


def shown_levels(model: SurfaceModel, time: float, resolution: int, reach: float) -> ShownLevels:
    """The levels of a model's surface, which shows up to a reach outside it; args are those of `level_grid`."""
    grid, occupied = _levels_and_occupied(model, time, resolution, LEVELS_AT_ONCE)
    shown = (occupied & (grid.levels < max(reach, grid.cell)))[None].float()
    radius = 1 + math.ceil(max(0.0, reach - grid.cell) / (LEAST_SLOPE * grid.cell))
    for axis, count in enumerate(occupied.shape):
        size = [1, 1, 1]
        size[axis] += 2 * min(radius, count)
        shown = F.max_pool3d(shown, size, stride=1, padding=[side // 2 for side in size])
    box = grid.origin.expand(2, 3)
    if len(points := grid.cell * (shown[0] > 0.0).nonzero()) > 0:
        half = 0.5 * grid.cell
        box = box + torch.stack((points.amin(dim=0) - half, points.amax(dim=0) + half))
        box = torch.minimum(torch.maximum(box, model.surface_box[0]), model.surface_box[1])
    return ShownLevels(grid.levels, grid.origin, grid.cell, shown[0] > 0.0, box)


def level_grid(model: SurfaceModel, time: float, resolution: int, chunk_size: int = LEVELS_AT_ONCE) -> LevelGrid:
    """The levels of a model's surface at a time in [0, 1]; where they have a slope that is known, or tell sides alone,
    near it alone.

    Args:
        model: the trained model
        time: in [0, 1]
        resolution: cells along the longest side of its box; the cells are cubes
        chunk_size: points evaluated at once, which bounds the memory
    """
    return _levels_and_occupied(model, time, resolution, chunk_size)[0]


def _levels_and_occupied(
    model: SurfaceModel, time: float, resolution: int, chunk_size: int
) -> tuple[LevelGrid, Bool[Tensor, "x y z"]]:
    box = model.surface_box
    cell = float((box[1] - box[0]).max()) / resolution
    counts = [math.ceil(float(side) / cell - 1e-4) + 1 for side in box[1] - box[0]]
    level = in_chunks(lambda points: model.surface_level(points, time), chunk_size)
    occupied = _occupied(model, time, cell, counts, chunk_size)
    if model.sides_alone:
        levels = levels_where_sides_change(level, occupied, box[0], cell)
    else:
        levels = levels_near_surface(level, occupied, box[0], cell, model.surface_slope)
    return LevelGrid(levels, box[0], cell), occupied


def in_chunks(function: Callable[[Tensor], Tensor], chunk_size: int) -> Callable[[Tensor], Tensor]:
    """A function of points that is given so many of them at once."""
    return lambda points: torch.cat([function(part) for part in points.split(chunk_size)])


def _occupied(
    model: SurfaceModel, time: float, cell: float, counts: list[int], chunk_size: int
) -> Bool[Tensor, "x y z"]:
    origin = model.surface_box[0]
    total = math.prod(counts)
    occupied = torch.empty(total, dtype=torch.bool, device=origin.device)
    for start in range(0, total, chunk_size):
        index = torch.arange(start, min(start + chunk_size, total), device=origin.device)
        points = origin + cell * torch.stack(torch.unravel_index(index, counts), dim=-1)
        occupied[index] = model.occupied(points, time)
    return occupied.view(*counts)
