"""Rays in the scene box: where they meet it, where to sample them, and the box as a grid of cells.

Notation: R rays with origins o and unit directions d; a point of a ray is o + s d, s its distance; S samples a ray.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

from resfields_ns.functional.shares import random_rows


def intersect_box(
    origins: Float[Tensor, "rays 3"], directions: Float[Tensor, "rays 3"], box: Float[Tensor, "2 3"]
) -> tuple[Float[Tensor, "rays"], Float[Tensor, "rays"]]:
    """Distances at which rays enter and leave an axis-aligned box; a ray misses it where near >= far."""
    inverse = 1.0 / torch.where(directions == 0.0, torch.full_like(directions, 1e-12), directions)
    crossings = (box[:, None] - origins) * inverse
    near = crossings.amin(dim=0).amax(dim=-1).clamp(min=0.0)
    far = crossings.amax(dim=0).amin(dim=-1)
    return near, far


def distance_past_box(
    origins: Float[Tensor, "rays 3"], directions: Float[Tensor, "rays 3"], box: Float[Tensor, "2 3"]
) -> Float[Tensor, "rays"]:
    """Distances at which rays leave an axis-aligned box, or, where they miss it, come nearest to its centre."""
    near, far = intersect_box(origins, directions, box)
    nearest = ((box.mean(dim=0) - origins) * directions).sum(dim=-1).clamp(min=0.0)
    return torch.where(near < far, far, nearest)


def distance_behind_box(origins: Float[Tensor, "rays 3"], box: Float[Tensor, "2 3"]) -> Float[Tensor, "rays 1"]:
    """A distance from each origin at which every ray has left the axis-aligned box: the depth of what is behind."""
    return (origins - box.mean(dim=0)).norm(dim=-1, keepdim=True) + (box[1] - box[0]).norm() / 2


def stratum_positions(
    num_rays: int, num_samples: int, jitter: bool, device: torch.device
) -> Float[Tensor, "rays samples"]:
    """One position in [0, 1] in each of equal strata: random if `jitter`, else the middle."""
    strata = torch.arange(num_samples, device=device).expand(num_rays, -1)
    within = random_rows(num_rays, num_samples, device) if jitter else 0.5
    return (strata + within) / num_samples


def occupied_positions(
    positions: Float[Tensor, "rays samples"], occupied: Bool[Tensor, "rays bins"]
) -> Float[Tensor, "rays samples"]:
    """Squeeze positions in [0, 1] of a ray into its occupied bins, in order and in proportion.

    The inverse of the share of the ray's occupied length that lies before a position. Every ray needs an occupied bin.
    """
    filled = occupied.cumsum(dim=-1)
    target = positions * filled[:, -1:]
    whole = torch.minimum(target.floor().long(), filled[:, -1:] - 1)
    bins = torch.searchsorted(filled, whole + 1)
    return (bins + (target - whole)) / occupied.shape[1]


def sample_edges(shares: Float[Tensor, "rays samples"]) -> Float[Tensor, "rays edges"]:
    """Borders between samples in order along a ray, in [0, 1]: the middles between neighbours, closed by 0 and 1."""
    middles = 0.5 * (shares[:, 1:] + shares[:, :-1])
    return F.pad(F.pad(middles, (1, 0), value=0.0), (0, 1), value=1.0)


def invert_piecewise(
    edges: Float[Tensor, "rays edges"], weights: Float[Tensor, "rays bins"], positions: Float[Tensor, "rays samples"]
) -> Float[Tensor, "rays samples"]:
    """Distances at which the cumulative weight of a piecewise constant distribution reaches positions in [0, 1].

    Importance sampling of NeRF (Mildenhall et al. 2020, 5.2). Weights need not sum to one, but must be positive.
    """
    cumulative = F.pad(weights.cumsum(dim=-1), (1, 0))
    cumulative = cumulative / cumulative[:, -1:]
    upper = torch.searchsorted(cumulative, positions, right=True).clamp(1, weights.shape[1])
    lower_share, upper_share = cumulative.gather(1, upper - 1), cumulative.gather(1, upper)
    lower_edge, upper_edge = edges.gather(1, upper - 1), edges.gather(1, upper)
    within = ((positions - lower_share) / (upper_share - lower_share)).clamp(0.0, 1.0)
    return lower_edge + within * (upper_edge - lower_edge)


def between_samples(
    samples: Float[Tensor, "rays samples"], places: Float[Tensor, "rays places"]
) -> tuple[Int[Tensor, "rays places"], Int[Tensor, "rays places"], Float[Tensor, "rays places"]]:
    """The samples before and behind places, and how much of the way from one to the other lies before each.

    Samples are in order; a place beyond the ends has the first or the last on both sides.
    """
    behind = torch.searchsorted(samples, places)
    before, behind = (behind - 1).clamp(min=0), behind.clamp(max=samples.shape[1] - 1)
    start, end = samples.gather(1, before), samples.gather(1, behind)
    return before, behind, ((places - start) / (end - start).clamp(min=1e-9)).clamp(0.0, 1.0)


def cell_centres(
    cells: Int[Tensor, "cells"], counts: tuple[int, ...], box: Float[Tensor, "2 3"]
) -> Float[Tensor, "cells 3"]:
    """Centres of cells given by their flat index in a grid of `counts` cells along x, y and z."""
    index = torch.stack(torch.unravel_index(cells, counts), dim=-1).to(box)
    return box[0] + (index + 0.5) / torch.tensor(counts).to(box) * (box[1] - box[0])
