"""Points on triangle meshes: on the surface, as dense everywhere, and decided by a seed."""

import pytest
import torch

from resfields_ns.functional.surface_points import points_of_triangles, spread_over_surface

_VERTICES = torch.tensor([[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 3.0]])
_FACES = torch.tensor([[0, 1, 2], [0, 2, 3]])


def test_points_are_inside_their_triangles() -> None:
    triangles, weights = spread_over_surface(_VERTICES, _FACES, 500, seed=0)
    assert (weights >= 0.0).all()
    torch.testing.assert_close(weights.sum(dim=-1), torch.ones(500))
    points = points_of_triangles(_VERTICES, _FACES, triangles, weights)
    for triangle, weight, point in zip(triangles.tolist(), weights, points, strict=True):
        corners = _VERTICES[_FACES[triangle]]
        torch.testing.assert_close(point, sum(w * corner for w, corner in zip(weight, corners, strict=True)))


def test_points_are_as_dense_everywhere() -> None:
    """Means over the triangles are those of a uniform density: the centroids, and areas as shares."""
    triangles, weights = spread_over_surface(_VERTICES, _FACES, 20_000, seed=0)
    assert (triangles == 1).float().mean().item() == pytest.approx(0.75, abs=0.02)
    torch.testing.assert_close(weights.mean(dim=0), torch.full((3,), 1 / 3), atol=0.01, rtol=0)
    torch.testing.assert_close(weights.square().mean(dim=0), torch.full((3,), 1 / 6), atol=0.01, rtol=0)


def test_points_follow_vertices_that_move() -> None:
    moving = torch.stack((_VERTICES, 2.0 * _VERTICES + 1.0))
    spread = spread_over_surface(_VERTICES, _FACES, 50, seed=0)
    first, second = points_of_triangles(moving, _FACES, *spread)
    torch.testing.assert_close(second, 2.0 * first + 1.0)


def test_the_seed_decides_the_points() -> None:
    state = torch.get_rng_state()
    first, again, other = (spread_over_surface(_VERTICES, _FACES, 50, seed)[1] for seed in (0, 0, 1))
    assert torch.equal(first, again) and not torch.equal(first, other)
    assert torch.equal(torch.get_rng_state(), state)
