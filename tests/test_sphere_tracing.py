"""Rays meet analytic surfaces where algebra says, by steps of the distance and by equal steps."""

import math
from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import Tensor

from resfields_ns.functional.intersections import march, sphere_trace
from resfields_ns.functional.rays import intersect_box
from tests.cases import over

_BOX = torch.tensor([[-1.0, -1.0, -1.0], [1.0, 1.0, 1.0]], dtype=torch.float64)
_CENTRE = torch.tensor([0.1, -0.2, 0.05], dtype=torch.float64)
_HALF_SIDES = torch.tensor([0.3, 0.5, 0.2], dtype=torch.float64)
_RADIUS = 0.45


def _ball(points: Tensor, rays: Tensor) -> Tensor:
    return (points - _CENTRE).norm(dim=-1) - _RADIUS


def _cuboid(points: Tensor, rays: Tensor) -> Tensor:
    outside = (points - _CENTRE).abs() - _HALF_SIDES
    return outside.clamp(min=0.0).norm(dim=-1) + outside.amax(dim=-1).clamp(max=0.0)


def _meet_ball(origins: Tensor, directions: Tensor) -> Tensor:
    """Distances to the ball, infinite where it is missed."""
    along = ((_CENTRE - origins) * directions).sum(dim=-1)
    inside = _RADIUS**2 - (_CENTRE - origins).square().sum(dim=-1) + along.square()
    return torch.where(inside > 0.0, along - inside.clamp(min=0.0).sqrt(), math.inf)


def _meet_cuboid(origins: Tensor, directions: Tensor) -> Tensor:
    near, far = intersect_box(origins, directions, torch.stack((_CENTRE - _HALF_SIDES, _CENTRE + _HALF_SIDES)))
    return torch.where(near < far, near, math.inf)


SHAPES = {"ball": (_ball, _meet_ball), "cuboid": (_cuboid, _meet_cuboid)}
WALKS: dict[str, Callable[..., tuple[Tensor, Tensor]]] = {
    "sphere_trace": partial(sphere_trace, tolerance=1e-7, max_steps=4000),
    "march": partial(march, step=0.003),
}


def _rays(count: int = 400) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    origins = torch.randn(count, 3, generator=generator, dtype=torch.float64)
    origins = 3.0 * origins / origins.norm(dim=-1, keepdim=True)
    directions = 0.4 * torch.randn(count, 3, generator=generator, dtype=torch.float64) - origins
    directions = directions / directions.norm(dim=-1, keepdim=True)
    return origins, directions, *intersect_box(origins, directions, _BOX)


@over("shape", SHAPES)
@over("walk", WALKS)
def test_rays_meet_the_surface_where_algebra_says(walk: Callable, shape: tuple[Callable, Callable]) -> None:
    origins, directions, near, far = _rays()
    values, meet = shape
    expected = meet(origins, directions)
    rays, distances = walk(values, origins, directions, near, far)
    assert rays.tolist() == sorted(set(rays.tolist()))
    missed = torch.ones(len(origins), dtype=torch.bool)
    missed[rays] = False
    grazing = expected.isfinite() & missed  # what marching steps over, near the outline
    assert expected[missed].isinf().sum() > 20 and len(rays) > 100
    assert grazing.sum() <= (0 if walk is WALKS["sphere_trace"] else 4)
    torch.testing.assert_close(distances, expected[rays], rtol=0, atol=2e-5)


@over("walk", WALKS)
def test_the_order_of_rays_changes_nothing(walk: Callable) -> None:
    origins, directions, near, far = _rays()
    order = torch.randperm(len(origins), generator=torch.Generator().manual_seed(1))
    rays, distances = walk(_ball, origins, directions, near, far)
    shuffled, shuffled_distances = walk(_ball, origins[order], directions[order], near[order], far[order])
    back = order[shuffled].argsort()
    assert torch.equal(order[shuffled][back], rays)
    torch.testing.assert_close(shuffled_distances[back], distances, rtol=0, atol=1e-12)


@pytest.mark.parametrize("factor", [0.3, 1.15])
def test_wrong_distances_still_find_the_surface(factor: float) -> None:
    """Too small ones take more steps, too large ones are caught where a step goes through the surface."""
    origins, directions, near, far = _rays()
    rays, distances = sphere_trace(
        lambda points, rays: factor * _ball(points, rays), origins, directions, near, far, tolerance=1e-6, max_steps=500
    )
    expected = _meet_ball(origins, directions)
    assert len(rays) > 0.95 * expected.isfinite().sum()
    torch.testing.assert_close(distances, expected[rays], rtol=0, atol=2e-4)


@over("walk", WALKS)
def test_a_ray_that_starts_inside_is_there(walk: Callable) -> None:
    origins, directions = _CENTRE[None], torch.tensor([[1.0, 0.0, 0.0]], dtype=torch.float64)
    zero, one = torch.zeros(1, dtype=torch.float64), torch.ones(1, dtype=torch.float64)
    rays, distances = walk(_ball, origins, directions, zero, one)
    assert rays.tolist() == [0] and distances.tolist() == [0.0]


@over("walk", WALKS)
def test_nothing_is_met_where_there_is_nothing(walk: Callable) -> None:
    origins, directions, near, far = _rays(20)
    for values, start, end in [
        (lambda points, rays: torch.ones_like(points[:, 0]), near, far),
        (_ball, far.clamp(min=0.0) + 1.0, far.clamp(min=0.0)),
        (_ball, near[:0], far[:0]),
    ]:
        rays, distances = walk(values, origins[: len(start)], directions[: len(start)], start, end)
        assert rays.shape == distances.shape == (0,)


def test_values_are_asked_for_rays_in_order_and_only_within_reach() -> None:
    origins, directions, near, far = _rays()

    def values(points: Tensor, rays: Tensor) -> Tensor:
        assert (rays.diff() > 0).all()
        distances = (points - origins[rays]).norm(dim=-1)
        assert (distances >= near[rays] - 1e-9).all() and (distances <= far[rays] + 1e-9).all()
        return _cuboid(points, rays)

    sphere_trace(values, origins, directions, near, far)
    march(values, origins, directions, near, far, step=0.05)
