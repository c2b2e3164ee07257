"""Rays that look at balls.

Notation: R rays o + s d of unit direction d; N balls of one radius r with centres c. A ray passes c at the distance
h, h^2 = |c - o|^2 - (d . (c - o))^2, and enters the ball at s = d . (c - o) - sqrt(r^2 - h^2).
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor


def nearest_balls(
    origins: Float[Tensor, "rays 3"],
    directions: Float[Tensor, "rays 3"],
    centres: Float[Tensor, "balls 3"],
    radius: float,
) -> tuple[Int[Tensor, "rays"], Float[Tensor, "rays"]]:
    """The ball that every ray meets first, and s there; balls around or behind an origin are not seen.

    A ray that meets none has an infinite s, and its ball means nothing. R x N numbers are held at once.
    """
    middle = centres.mean(dim=0)  # small numbers lose fewer digits
    origins, centres = origins - middle, centres - middle
    along = directions @ centres.T - (directions * origins).sum(dim=-1, keepdim=True)
    squared = centres.square().sum(dim=-1) - 2.0 * origins @ centres.T + origins.square().sum(dim=-1, keepdim=True)
    inside = radius**2 - (squared - along.square())
    distances = torch.where(inside >= 0.0, along - inside.clamp(min=0.0).sqrt(), torch.inf)
    nearest = torch.where(distances > 0.0, distances, torch.inf).min(dim=-1)
    return nearest.indices, nearest.values
