"""Points on triangle meshes.

Notation: V vertices and F triangles; a point of a triangle with corners a, b, c is u a + v b + w c, u + v + w = 1.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor


def spread_over_surface(
    vertices: Float[Tensor, "vertices 3"], faces: Int[Tensor, "triangles 3"], count: int, seed: int
) -> tuple[Int[Tensor, "points"], Float[Tensor, "points 3"]]:
    """Random points, uniform over the area: their triangles, and (u, v, w) there."""
    generator = torch.Generator().manual_seed(seed)
    corners = vertices[faces]
    areas = torch.linalg.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]).norm(dim=-1)
    triangles = torch.multinomial(areas, count, replacement=True, generator=generator)
    root, share = torch.rand(2, count, 1, generator=generator)
    root = root.sqrt()
    return triangles, torch.cat((1.0 - root, root * (1.0 - share), root * share), dim=-1)


def points_of_triangles(
    vertices: Float[Tensor, "*batch vertices 3"],
    faces: Int[Tensor, "triangles 3"],
    triangles: Int[Tensor, "points"],
    weights: Float[Tensor, "points 3"],
) -> Float[Tensor, "*batch points 3"]:
    """The points with `weights` (u, v, w) on `triangles`."""
    return (vertices[..., faces[triangles], :] * weights[..., None]).sum(dim=-2)
