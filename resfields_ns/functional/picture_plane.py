"""A picture that hangs in space.

Notation: H x W pixels lie in the plane x = 0 of space, centred at the origin, and are seen from positive x: y is to the
right and z up, as viewers have it. With L = max(H, W), a pixel has side 2 / L, so that the longer side spans [-1, 1].
A field sees (row, column), each linspace(-1, 1, n) over the n pixels' centres, rows from the top (Sitzmann et al.
2020b); the rim of half a pixel lies beyond.
"""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor


def pixel_coordinates(pixels: Int[Tensor, "*batch"], height: int, width: int) -> Float[Tensor, "*batch 2"]:
    """(row, column) in [-1, 1] of pixels given by their index row * W + column; a picture needs two of each."""
    rows_columns = torch.stack((pixels // width, pixels % width), dim=-1).to(torch.float32)
    return 2.0 * rows_columns / rows_columns.new_tensor([height - 1, width - 1]) - 1.0


def half_extents(height: int, width: int) -> tuple[float, float]:
    """Half the picture's width and height in space."""
    longer = max(height, width)
    return width / longer, height / longer


def intersect_picture(
    origins: Float[Tensor, "rays 3"], directions: Float[Tensor, "rays 3"], height: int, width: int
) -> tuple[Bool[Tensor, "rays"], Float[Tensor, "rays"], Float[Tensor, "rays 2"]]:
    """Which rays hit the picture, and where: distances along the rays, and (row, column) as the field sees them.

    From behind, the picture is seen mirrored. Distances and coordinates of rays that miss mean nothing.
    """
    distances = -origins[:, 0] / directions[:, 0]
    right, up = (origins[:, 1:] + distances[:, None] * directions[:, 1:]).unbind(dim=-1)
    half_width, half_height = half_extents(height, width)
    inside = (right.abs() <= half_width) & (up.abs() <= half_height)  # false for a ray in or along the plane
    longer = max(height, width)
    coordinates = torch.stack((-up * longer / (height - 1), right * longer / (width - 1)), dim=-1)
    return inside & (distances > 0.0), distances, coordinates
