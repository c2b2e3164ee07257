"""A picture that hangs in space.

Notation: H x W pixels lie in the plane z = 0, centred at the origin, x to the right and y up; with L = max(H, W), a
pixel has side 2 / L, so that the longer side spans [-1, 1]. A field sees (y, x), each linspace(-1, 1, n) over the n
pixels' centres, y downwards (Sitzmann et al. 2020b); the rim of half a pixel lies beyond.
"""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor


def pixel_coordinates(pixels: Int[Tensor, "*batch"], height: int, width: int) -> Float[Tensor, "*batch 2"]:
    """(y, x) in [-1, 1] of pixels given by their index row * W + column; a picture needs two rows and two columns."""
    rows_columns = torch.stack((pixels // width, pixels % width), dim=-1).to(torch.float32)
    return 2.0 * rows_columns / rows_columns.new_tensor([height - 1, width - 1]) - 1.0


def half_extents(height: int, width: int) -> tuple[float, float]:
    """Half the picture's width and height in space."""
    longer = max(height, width)
    return width / longer, height / longer


def intersect_picture(
    origins: Float[Tensor, "rays 3"], directions: Float[Tensor, "rays 3"], height: int, width: int
) -> tuple[Bool[Tensor, "rays"], Float[Tensor, "rays"], Float[Tensor, "rays 2"]]:
    """Which rays hit the picture, and where: distances along the rays, and (y, x) as the field sees them.

    From behind, the picture is seen mirrored. Distances and (y, x) of rays that miss mean nothing.
    """
    distances = -origins[:, 2] / directions[:, 2]
    x, y = (origins[:, :2] + distances[:, None] * directions[:, :2]).unbind(dim=-1)
    half_width, half_height = half_extents(height, width)
    inside = (x.abs() <= half_width) & (y.abs() <= half_height)  # false for a ray in or along the plane
    longer = max(height, width)
    coordinates = torch.stack((-y * longer / (height - 1), x * longer / (width - 1)), dim=-1)
    return inside & (distances > 0.0), distances, coordinates
