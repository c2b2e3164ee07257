"""Where rays meet an implicit surface.

Notation: R rays with origins o and unit directions d; a point of a ray is o + s d, s its distance, near <= s <= far.
A field gives a number at points of known rays: negative inside, zero on the surface.
"""

from collections.abc import Callable

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

Values = Callable[[Float[Tensor, "points 3"], Int[Tensor, "points"]], Float[Tensor, "points"]]
"""Numbers at points, given the rays that they are on; the rays come in order, each once."""

NUM_BISECTIONS = 16  # a crossing is found to 1/65536 of the step that crossed it


def sphere_trace(
    distance: Values,
    origins: Float[Tensor, "rays 3"],
    directions: Float[Tensor, "rays 3"],
    near: Float[Tensor, "rays"],
    far: Float[Tensor, "rays"],
    tolerance: float = 1e-4,
    max_steps: int = 128,
) -> tuple[Int[Tensor, "hits"], Float[Tensor, "hits"]]:
    """Step along rays by the distance to the surface (Hart 1996): the rays that meet it, in order, and where.

    A ray has arrived where the distance is at most `tolerance`. Where a step goes through the surface, for a network's
    distances can be too large, the crossing is found by bisection. A ray that starts inside meets the surface at once,
    one whose near is beyond its far meets nothing.
    """
    return _walk(distance, origins, directions, near, far, lambda values: values, tolerance, max_steps)


def march(
    values: Values,
    origins: Float[Tensor, "rays 3"],
    directions: Float[Tensor, "rays 3"],
    near: Float[Tensor, "rays"],
    far: Float[Tensor, "rays"],
    step: float,
) -> tuple[Int[Tensor, "hits"], Float[Tensor, "hits"]]:
    """As `sphere_trace`, in equal steps, for numbers that are no distances. Parts thinner than a step may be missed."""
    longest = float((far - near).clamp(min=0.0).amax()) if len(near) > 0 else 0.0
    max_steps = int(longest / step) + 2
    return _walk(values, origins, directions, near, far, lambda numbers: torch.full_like(numbers, step), 0.0, max_steps)


def _walk(
    values: Values,
    origins: Float[Tensor, "rays 3"],
    directions: Float[Tensor, "rays 3"],
    near: Float[Tensor, "rays"],
    far: Float[Tensor, "rays"],
    step: Callable[[Float[Tensor, "points"]], Float[Tensor, "points"]],
    tolerance: float,
    max_steps: int,
) -> tuple[Int[Tensor, "hits"], Float[Tensor, "hits"]]:
    def numbers_at(distances: Float[Tensor, "some"], rays: Int[Tensor, "some"]) -> Float[Tensor, "some"]:
        return values(origins[rays] + distances[:, None] * directions[rays], rays)

    rays = (near <= far).nonzero()[:, 0]
    distances = before = near[rays]
    arrivals: list[tuple[Int[Tensor, "some"], Float[Tensor, "some"], Float[Tensor, "some"], Bool[Tensor, "some"]]] = []
    for _ in range(max_steps):
        if len(rays) == 0:
            break
        numbers = numbers_at(distances, rays)
        there = numbers <= tolerance
        arrivals.append((rays[there], before[there], distances[there], numbers[there] < 0.0))
        moving = ~there & (distances < far[rays])
        rays, before = rays[moving], distances[moving]
        distances = torch.minimum(before + step(numbers[moving]), far[rays])
    if not arrivals:
        return rays, distances
    rays, before, distances, inside = (torch.cat(parts) for parts in zip(*arrivals, strict=True))
    order = rays.argsort()
    rays, before, distances, inside = rays[order], before[order], distances[order], inside[order]
    crossed = rays[inside]
    distances[inside] = _bisect(lambda middle: numbers_at(middle, crossed), before[inside], distances[inside])
    return rays, distances


def _bisect(
    values: Callable[[Float[Tensor, "some"]], Float[Tensor, "some"]],
    outside: Float[Tensor, "some"],
    inside: Float[Tensor, "some"],
) -> Float[Tensor, "some"]:
    """Distances between `outside` and `inside` at which values change their sign."""
    for _ in range(NUM_BISECTIONS):
        middle = 0.5 * (outside + inside)
        beyond = values(middle) < 0.0
        inside, outside = torch.where(beyond, middle, inside), torch.where(beyond, outside, middle)
    return inside
