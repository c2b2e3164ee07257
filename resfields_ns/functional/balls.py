"""Rays that look at balls.

Notation: R rays o + s d of unit direction d; N balls of one radius r with centres c. A ray enters a ball at
s = d . (c - o) - sqrt(r^2 - h^2), where h^2 = |c - o|^2 - (d . (c - o))^2 is its distance from the centre, squared.

Rays come in blocks of neighbours; each block has an axis p + s a, and all its o and d lie within e and f of p and a.
A ray that meets a ball does so at s <= |c - p| + r + e, where it is at most e + s f away from the axis: so the axis
passes the centre at most r + e + (|c - p| + r + e) f away. Only balls for which that holds are tried on a block's rays.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

BLOCK = 16  # rays


def nearest_balls(
    origins: Float[Tensor, "rays 3"],
    directions: Float[Tensor, "rays 3"],
    centres: Float[Tensor, "balls 3"],
    radius: float,
) -> tuple[Int[Tensor, "rays"], Float[Tensor, "rays"]]:
    """The ball that every ray enters first, -1 for none, and s there, infinite for none.

    It is fastest where consecutive rays are neighbours. R / 16 x N numbers are held at once.
    """
    num_rays = len(origins)
    filled = torch.arange(-(-num_rays // BLOCK) * BLOCK, device=origins.device).clamp(max=num_rays - 1)
    origins, directions = origins[filled].view(-1, BLOCK, 3), directions[filled].view(-1, BLOCK, 3)
    block, ball = _candidates(origins, directions, centres, radius)
    towards, direction = centres[ball][:, None] - origins[block], directions[block]
    along = (towards * direction).sum(dim=-1)
    inside = radius**2 - (towards - along[..., None] * direction).square().sum(dim=-1)
    distances = along - inside.clamp(min=0.0).sqrt()
    met = (inside >= 0.0) & (distances > 0.0)

    rays = (block[:, None] * BLOCK + torch.arange(BLOCK, device=block.device))[met]
    balls, distances = ball[:, None].expand_as(met)[met], distances[met]
    nearest = distances.new_full((len(filled),), torch.inf).scatter_reduce(0, rays, distances, "amin")
    first = distances == nearest[rays]
    index = balls.new_full((len(filled),), -1).scatter_reduce(0, rays[first], balls[first], "amax")
    return index[:num_rays], nearest[:num_rays]


def _candidates(
    origins: Float[Tensor, "blocks size 3"],
    directions: Float[Tensor, "blocks size 3"],
    centres: Float[Tensor, "balls 3"],
    radius: float,
) -> tuple[Int[Tensor, "pairs"], Int[Tensor, "pairs"]]:
    """Blocks and the balls that their rays may meet."""
    middle, axis = origins.mean(dim=1), F.normalize(directions.mean(dim=1), dim=-1)
    e = (origins - middle[:, None]).norm(dim=-1).amax(dim=1, keepdim=True) + radius
    f = (directions - axis[:, None]).norm(dim=-1).amax(dim=1, keepdim=True)
    distance = torch.cdist(middle, centres)
    along = axis @ centres.T - (axis * middle).sum(dim=-1, keepdim=True)
    passed = (distance.square() - along.square()).clamp(min=0.0).sqrt()
    rounding = 1e-3 * distance
    return (passed <= e + (distance + e) * f + rounding).nonzero(as_tuple=True)  # pyright: ignore[reportReturnType]
