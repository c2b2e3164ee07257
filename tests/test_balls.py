"""Rays that look at balls: as a slow loop sees it, for any rays."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from resfields_ns.functional.intersections import nearest_balls

_RADIUS = 0.15


def _random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def _camera(num_rays: int) -> tuple[Tensor, Tensor]:
    """Rays of one origin through the rows of a picture."""
    side = round(num_rays**0.5)
    across, up = torch.meshgrid(*[torch.linspace(-0.5, 0.5, side, dtype=torch.float64)] * 2, indexing="xy")
    directions = F.normalize(torch.stack((across, up, -torch.ones_like(up)), dim=-1).view(-1, 3), dim=-1)
    return torch.tensor([0.1, 0.0, 2.0], dtype=torch.float64).expand_as(directions), directions


def _scattered(num_rays: int) -> tuple[Tensor, Tensor]:
    """Rays from everywhere to everywhere, some from inside balls."""
    origins = 1.5 * _random(num_rays, 3, seed=1)
    origins[::7] = _centres()[0]
    return origins, F.normalize(_random(num_rays, 3, seed=2) - 0.5 * origins, dim=-1)


def _opposite(num_rays: int) -> tuple[Tensor, Tensor]:
    """Neighbours that look in opposite directions."""
    signs = torch.tensor([1.0, -1.0], dtype=torch.float64).repeat(num_rays // 2)[:, None]
    return 0.1 * _random(num_rays, 3, seed=3), signs * torch.tensor([0.0, 0.6, 0.8], dtype=torch.float64)


def _centres() -> Tensor:
    return 0.7 * _random(40, 3)


@pytest.mark.parametrize("rays", [_camera(400), _camera(9), _scattered(301), _opposite(200)])
def test_nearest_balls_are_those_of_a_slow_loop(rays: tuple[Tensor, Tensor]) -> None:
    origins, directions = rays
    index, distance = nearest_balls(origins, directions, _centres(), _RADIUS)
    met = 0
    for ray, (o, d) in enumerate(zip(origins, directions, strict=True)):
        entered = {}
        for ball, c in enumerate(_centres()):
            along = float(d @ (c - o))
            passed = float((o + along * d - c).norm())
            if passed <= _RADIUS and (s := along - (_RADIUS**2 - passed**2) ** 0.5) > 0.0:
                entered[s] = ball
        assert index[ray] == (entered[min(entered)] if entered else -1)
        assert distance[ray].item() == pytest.approx(min(entered, default=float("inf")))
        met += bool(entered)
    assert 0 < met < len(origins)


def test_single_precision_sees_the_same() -> None:
    origins, directions = _camera(400)
    exact, _ = nearest_balls(origins, directions, _centres(), _RADIUS)
    single, _ = nearest_balls(origins.float(), directions.float(), _centres().float(), _RADIUS)
    assert (exact == single).double().mean() > 0.99


def test_no_rays_and_no_balls() -> None:
    origins, directions = _camera(9)
    index, distance = nearest_balls(origins, directions, _centres()[:0], _RADIUS)
    assert (index == -1).all() and distance.isinf().all()
    assert nearest_balls(origins[:0], directions[:0], _centres(), _RADIUS)[0].shape == (0,)
