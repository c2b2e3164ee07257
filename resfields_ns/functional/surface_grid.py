"""Levels of a surface on a grid of points, computed where the surface can be and nowhere else.

Notation: a level is negative inside, positive outside; a block of side s holds s x s x s points of the grid, or what
there is of these at its end.
"""

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

SIDES = (16, 8, 4, 2, 1)
SEEN_SLOPE = 1.5  # times the slope between the middles of a block and of the larger one that it is a part of
KEPT_SLOPE = 0.85  # of the larger one's slope, which a block has at least


def levels_near_surface(
    level: Callable[[Float[Tensor, "points 3"]], Float[Tensor, "points"]],
    occupied: Bool[Tensor, "x y z"],
    origin: Float[Tensor, "3"],
    cell: float | Float[Tensor, "3"],
    slope: float | None,
    margin: float = 0.0,
) -> Float[Tensor, "x y z"]:
    """Levels at both ends of every edge of the grid that the surface crosses; elsewhere those at middles of blocks.

    Blocks of points are halved, coarse to fine. Where the level at the middle of one is so far from zero that no
    surface can be in it, or cross an edge that leaves it, its points are not looked at. The largest are judged by the
    slope that is told, smaller ones by a smaller slope unless a larger is seen. Where what is occupied ends inside the
    surface, it ends somewhere between two points. Levels that are seen to change by more than the slope, as those of a
    field that has not learned distances, are all computed.

    Args:
        level: at points
        occupied: points of the grid at which something can be; the others are outside
        origin: the grid's first point
        cell: distance between neighbours, or that along each axis
        slope: how much the level should change at most over a distance of one; None looks at every occupied point
        margin: levels up to it count as the surface's: theirs are computed, too
    """
    cell = torch.as_tensor(cell, dtype=origin.dtype, device=origin.device).expand(3)
    outside, diagonal = float(cell.max()) + margin, float(cell.norm())
    sides = SIDES if slope is not None else (1,)
    occupied_blocks = {1: occupied}
    for side in sorted(sides)[1:]:
        occupied_blocks[side] = _any_of_pairs(occupied_blocks[side // 2])
    levels = torch.full_like(occupied_blocks[sides[0]], torch.nan, dtype=origin.dtype)
    of_larger, slopes = levels, torch.full_like(levels, slope or torch.nan)
    for side in sides:
        levels = levels.where(occupied_blocks[side], outside)
        unknown = levels.isnan()
        found = level(origin + cell * (side * unknown.nonzero() + 0.5 * (side - 1)))
        if slope is not None and side < sides[0]:
            apart = 0.5 * side * diagonal
            seen = (found - of_larger[unknown]).abs() / apart
            if (seen > slope).any():
                return levels_near_surface(level, occupied, origin, cell, None, margin)
            slopes = slopes.masked_scatter(unknown, torch.maximum(SEEN_SLOPE * seen, KEPT_SLOPE * slopes[unknown]))
        if side == 1:
            return levels.masked_scatter(unknown, found)
        finer = occupied_blocks[side // 2].shape
        of_larger = _halved(levels.masked_scatter(unknown, found), finer)
        reach = 0.5 * (side + 1) * diagonal
        found = torch.where(found.abs() > slopes[unknown] * reach + margin, found, torch.nan)
        levels, slopes = _halved(levels.masked_scatter(unknown, found), finer), _halved(slopes, finer)
    raise AssertionError("the last side is 1")


COARSEST = 32  # cells along a side of the first grid (Mescheder et al. 2019)


def levels_where_sides_change(
    level: Callable[[Float[Tensor, "points 3"]], Float[Tensor, "points"]],
    occupied: Bool[Tensor, "x y z"],
    origin: Float[Tensor, "3"],
    cell: float,
) -> Float[Tensor, "x y z"]:
    """Levels of which the sign alone means something: right at all corners of cells that hold a change of sign.

    Multiresolution isosurface extraction (Mescheder et al. 2019, 3.2): a coarse grid is computed whole and halved, and
    of the finer one those cells alone that have corners on both sides. That is repeated until no new ones are found,
    which follows a surface out of the coarse cells that it was found in. A piece of surface that no point of the coarse
    grid lies behind is missed.

    Args are those of `levels_near_surface`.
    """
    side = 2 ** max(0, int(math.log2(max(1, max(occupied.shape) - 1) / COARSEST)))
    whole = [math.ceil((count - 1) / side) * side + 1 for count in occupied.shape]
    padding = [n for count, full in zip(occupied.shape[::-1], whole[::-1], strict=True) for n in (0, full - count)]
    padded = F.pad(occupied, padding)
    levels, known = torch.full_like(padded[::side, ::side, ::side], cell, dtype=origin.dtype), torch.tensor(False)
    asked = torch.ones_like(levels, dtype=torch.bool)
    while True:
        while asked.any():
            computed = asked & padded[::side, ::side, ::side]
            levels = levels.where(~asked, cell)
            levels = levels.masked_scatter(computed, level(origin + cell * side * computed.nonzero()))
            known = known | asked
            asked = _corners_of_changes(levels) & ~known
        if side == 1:
            return levels[tuple(slice(count) for count in occupied.shape)]
        side //= 2
        finer = [2 * count - 1 for count in levels.shape]
        between = F.interpolate(levels[None, None], size=finer, mode="trilinear", align_corners=True)[0, 0]
        between[::2, ::2, ::2] = levels
        levels, coarse = between, known
        known = torch.zeros_like(levels, dtype=torch.bool)
        known[::2, ::2, ::2] = coarse
        asked = _corners_of_changes(levels) & ~known


def _corners_of_changes(levels: Float[Tensor, "x y z"]) -> Bool[Tensor, "x y z"]:
    """The corners of cells with corners on both sides."""
    inside = (levels < 0.0).half()[None]
    some, not_all = F.max_pool3d(inside, 2, stride=1), F.max_pool3d(1.0 - inside, 2, stride=1)
    return F.max_pool3d(F.pad(some * not_all, [1] * 6), 2, stride=1)[0] > 0.0


def _any_of_pairs(blocks: Bool[Tensor, "a b c"]) -> Bool[Tensor, "x y z"]:
    """Of blocks of twice the side."""
    return F.max_pool3d(blocks[None].half(), 2, ceil_mode=True)[0] > 0.0


def _halved(blocks: Tensor, counts: torch.Size) -> Tensor:
    """Of blocks of half the side, of which there are so many."""
    for dim, count in enumerate(counts):
        blocks = blocks.repeat_interleave(2, dim=dim).narrow(dim, 0, count)
    return blocks
