"""Derivatives of pictures, of colours in 0..1 per pixel, as differences of neighbouring pixels.

Notation: H x W pixels; `at` tells the colours [N, C] of pixels by rows [N] and columns [N]. Along each axis (down, then
right) the gradient is (I(+1) - I(-1)) / 2, and at an edge the difference of the two pixels there; the Laplacian is
I(+1) - 2 I + I(-1), summed over the axes, and at an edge it means nothing.
"""

from collections.abc import Callable

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

Colours = Callable[[Tensor, Tensor], Tensor]
_AXES = ((1, 0), (0, 1))


def picture_gradients(
    at: Colours, rows: Int[Tensor, "points"], columns: Int[Tensor, "points"], height: int, width: int
) -> Float[Tensor, "points channels 2"]:
    """Differences along rows' and columns' numbers."""
    along = []
    for down, right in _AXES:
        (r0, r1), (c0, c1) = _around(rows, down, height), _around(columns, right, width)
        along.append((at(r1, c1) - at(r0, c0)) / ((r1 - r0) + (c1 - c0))[:, None])
    return torch.stack(along, dim=-1)


def picture_laplacians(
    at: Colours, rows: Int[Tensor, "points"], columns: Int[Tensor, "points"], height: int, width: int
) -> Float[Tensor, "points channels"]:
    """Sum of second differences; not that at an edge."""
    total = -4.0 * at(rows, columns)
    for down, right in _AXES:
        (r0, r1), (c0, c1) = _around(rows, down, height), _around(columns, right, width)
        total = total + at(r0, c0) + at(r1, c1)
    return total


def on_edge(
    rows: Int[Tensor, "points"], columns: Int[Tensor, "points"], height: int, width: int
) -> Bool[Tensor, "points"]:
    """Which pixels lack a neighbour."""
    return (rows == 0) | (rows == height - 1) | (columns == 0) | (columns == width - 1)


def gradients_of_picture(picture: Float[Tensor, "h w channels"]) -> Float[Tensor, "h w channels 2"]:
    """The gradients at all pixels."""
    height, width, _ = picture.shape
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    found = picture_gradients(lambda r, c: picture[r, c], rows.flatten(), columns.flatten(), height, width)
    return found.view(*picture.shape, 2)


def mixed_gradients(
    first: Float[Tensor, "*points channels 2"], second: Float[Tensor, "*points channels 2"]
) -> Float[Tensor, "*points channels 2"]:
    """Of two pictures, at each point all channels of the one that changes more (Perez et al. 2003, Eq. 12)."""
    stronger = second.square().sum(dim=(-2, -1), keepdim=True) > first.square().sum(dim=(-2, -1), keepdim=True)
    return torch.where(stronger, second, first)


def _around(places: Tensor, step: int, length: int) -> tuple[Tensor, Tensor]:
    return (places - step).clamp(min=0), (places + step).clamp(max=length - 1)
