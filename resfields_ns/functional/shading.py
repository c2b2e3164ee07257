"""Colours of surfaces that have none."""

import torch
from jaxtyping import Float
from torch import Tensor

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
