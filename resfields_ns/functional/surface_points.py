"""Points of triangle meshes, and colours of surfaces that have none.

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


AMBIENT = 0.3  # light that reaches every side


def shade(normals: Float[Tensor, "points 3"], directions: Float[Tensor, "points 3"]) -> Float[Tensor, "points 3"]:
    """Colours in [0, 1] of points lit by a lamp at the camera, each tinted by where it looks.

    Args:
        normals: outward, of length one
        directions: of the rays that see the points, of length one
    """
    towards_lamp = -(normals * directions).sum(dim=-1, keepdim=True)
    return normal_colours(normals) * torch.lerp(torch.ones_like(towards_lamp), towards_lamp.clamp(min=0.0), 1 - AMBIENT)


def normal_colours(normals: Float[Tensor, "points 3"]) -> Float[Tensor, "points 3"]:
    """The components of unit normals as red, green and blue in [0, 1]."""
    return 0.5 + 0.5 * normals
