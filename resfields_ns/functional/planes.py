"""Planes of features: bilinear lookup and smoothness.

Notation: P planes of R x C nodes with F features each. Coordinates (u, v) run along rows and columns, from -1 at the
first node to +1 at the last (torch calls this align_corners); beyond, a plane keeps its border's values. Node ij is the
last before a point, and a, b in [0, 1] are the point's place in the cell behind it:
f(u, v) = (1 - a) [(1 - b) F_ij + b F_i(j+1)] + a [(1 - b) F_(i+1)j + b F_(i+1)(j+1)].
"""

import torch
from jaxtyping import Float
from torch import Tensor


def bilinear(
    planes: Float[Tensor, "planes rows columns features"], coordinates: Float[Tensor, "planes points 2"]
) -> Float[Tensor, "planes points features"]:
    """f at points of each plane; differentiable any number of times, unlike torch's `grid_sample`."""
    (near_near, near_far, far_near, far_far), a, b = _cells(planes, coordinates)
    return torch.lerp(torch.lerp(near_near, near_far, b), torch.lerp(far_near, far_far, b), a)


def bilinear_and_slopes(
    planes: Float[Tensor, "planes rows columns features"], coordinates: Float[Tensor, "planes points 2"]
) -> tuple[Float[Tensor, "planes points features"], Float[Tensor, "planes points 2 features"]]:
    """f and its derivatives by u and v: those inside the cell, and 0 beyond the border."""
    (near_near, near_far, far_near, far_far), a, b = _cells(planes, coordinates)
    near, far = torch.lerp(near_near, near_far, b), torch.lerp(far_near, far_far, b)
    u_inside, v_inside = (coordinates.abs() <= 1.0)[..., None].unbind(dim=-2)
    u_slope = (far - near) * (0.5 * (planes.shape[1] - 1) * u_inside)
    v_slope = torch.lerp(near_far - near_near, far_far - far_near, a) * (0.5 * (planes.shape[2] - 1) * v_inside)
    return torch.lerp(near, far, a), torch.stack((u_slope, v_slope), dim=-2)


def total_variation(planes: Float[Tensor, "planes rows columns features"]) -> Float[Tensor, ""]:
    """mean (F_(i+1)j - F_ij)^2 + mean (F_i(j+1) - F_ij)^2 over planes, nodes and features (Cao & Johnson 2023)."""
    return planes.diff(dim=1).square().mean() + planes.diff(dim=2).square().mean()


def _cells(planes: Tensor, coordinates: Tensor) -> tuple[list[Tensor], Tensor, Tensor]:
    """The four nodes around every point, each [P, N, F], and the point's a and b, each [P, N, 1]."""
    num_planes, num_rows, num_columns, _ = planes.shape
    u, v = coordinates.clamp(-1.0, 1.0).unbind(dim=-1)
    row, a = _cell(u, num_rows)
    column, b = _cell(v, num_columns)
    plane = torch.arange(num_planes, device=planes.device)[:, None]
    nodes = planes.flatten(end_dim=2)
    first = ((plane * num_rows + row) * num_columns + column).flatten()
    corners = [nodes.index_select(0, first + offset) for offset in (0, 1, num_columns, num_columns + 1)]
    return [corner.unflatten(0, (num_planes, -1)) for corner in corners], a[..., None], b[..., None]


def _cell(coordinate: Tensor, num_nodes: int) -> tuple[Tensor, Tensor]:
    """Index of the last node before a coordinate in [-1, 1], and the coordinate's place in [0, 1] behind it."""
    position = (coordinate + 1.0) * (0.5 * (num_nodes - 1))
    index = position.detach().long().clamp(max=num_nodes - 2)
    return index, position - index
