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


def level_grid(model: SurfaceModel, time: float, resolution: int, chunk_size: int = LEVELS_AT_ONCE) -> LevelGrid:
    """The levels of a model's surface at a time in [0, 1]; where they have a slope that is known, or tell sides alone,
    near it alone.

    Args:
        model: the trained model
        time: in [0, 1]
        resolution: cells along the longest side of its box; the cells are cubes
        chunk_size: points evaluated at once, which bounds the memory
    """
    box = model.surface_box
    cell = float((box[1] - box[0]).max()) / resolution
    counts = [math.ceil(float(side) / cell - 1e-4) + 1 for side in box[1] - box[0]]
    level = in_chunks(lambda points: model.surface_level(points, time), chunk_size)
    occupied = _occupied(model, time, cell, counts, chunk_size)
    if model.sides_alone:
        levels = levels_where_sides_change(level, occupied, box[0], cell)
    else:
        levels = levels_near_surface(level, occupied, box[0], cell, model.surface_slope)
    return LevelGrid(levels, box[0], cell)


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
