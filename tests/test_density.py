"""Densities: VolSDF's Laplace integral and the opacity that it gives a wall, and what holds for all."""

import math

import pytest
import torch
from torch import Tensor

from resfields_ns.fields.densities import Density, LaplaceDensity, ReLUDensity
from resfields_ns.functional.volume import compositing_weights, laplace_density, laplace_depth
from tests.cases import DENSITIES, over

_BETAS = [1e-3, 0.01, 0.1, 1.0]


def _beta(beta: float) -> Tensor:
    return torch.tensor(beta, dtype=torch.float64)


def _slow_density(sdf: float, beta: float) -> float:
    """Eq. 2, 3 of VolSDF, case by case."""
    psi = 0.5 * math.exp(-sdf / beta) if sdf >= 0.0 else 1.0 - 0.5 * math.exp(sdf / beta)
    return psi / beta


@pytest.mark.parametrize("beta", _BETAS)
def test_follows_its_equations(beta: float) -> None:
    sdf = torch.linspace(-20.0, 20.0, 401, dtype=torch.float64) * beta
    expected = torch.tensor([_slow_density(value, beta) for value in sdf.tolist()], dtype=torch.float64)
    torch.testing.assert_close(laplace_density(sdf, _beta(beta)), expected, atol=1e-15 / beta, rtol=1e-12)


@pytest.mark.parametrize("beta", _BETAS)
def test_falls_with_distance_and_is_half_on_the_surface(beta: float) -> None:
    sdf = torch.linspace(-15.0, 15.0, 301, dtype=torch.float64) * beta
    density = laplace_density(sdf, _beta(beta))
    assert (density.diff() < 0.0).all()
    assert laplace_density(torch.zeros(1, dtype=torch.float64), _beta(beta)).item() == pytest.approx(0.5 / beta)


@pytest.mark.parametrize("beta", _BETAS)
def test_inside_and_outside_add_up(beta: float) -> None:
    """sigma(s) + sigma(-s) = 1 / beta."""
    sdf = torch.linspace(-20.0, 20.0, 401, dtype=torch.float64) * beta
    total = laplace_density(sdf, _beta(beta)) + laplace_density(-sdf, _beta(beta))
    torch.testing.assert_close(total, torch.full_like(total, 1.0 / beta), atol=0, rtol=1e-14)


@pytest.mark.parametrize("beta", [1e-4, *_BETAS])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_limits(beta: float, dtype: torch.dtype) -> None:
    density = laplace_density(torch.tensor([-1e3, 1e3], dtype=dtype) * beta, torch.tensor(beta, dtype=dtype))
    assert density.tolist() == pytest.approx([1.0 / beta, 0.0], rel=1e-6)


@pytest.mark.parametrize("beta", [0.01, 0.1])
@pytest.mark.parametrize(
    "start, end", [(0.2, -0.1), (-0.3, -0.1), (0.02, 0.5), (0.03, 0.0300001), (0.0, 0.0), (-0.1, 0.3)]
)
def test_depth_of_a_piece_is_the_integral_of_its_density(start: float, end: float, beta: float) -> None:
    sdf = start + (end - start) * (torch.arange(200_000, dtype=torch.float64) + 0.5) / 200_000
    expected = 0.7 * laplace_density(sdf, _beta(beta)).mean()
    ends = torch.tensor([start, end], dtype=torch.float64)
    found = laplace_depth(ends[0], ends[1], torch.full_like(ends[0], 0.7), _beta(beta))
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-12)


def test_gradients_are_the_numerical_ones() -> None:
    sdf = torch.tensor([-0.3, -0.02, 0.01, 0.4], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(laplace_density, (sdf, _beta(0.1).requires_grad_()))


@pytest.mark.parametrize("cosine", [1.0, 0.5, 0.1])
@pytest.mark.parametrize("beta", [0.005, 0.05, 0.3])
def test_opacity_of_a_wall(beta: float, cosine: float) -> None:
    """A ray from distance `before` in front of a plane to `behind` it, met at an angle, against the integral."""
    before, behind, count = 0.7, 0.02, 20_000
    length = (before + behind) / cosine
    positions = (torch.arange(count, dtype=torch.float64) + 0.5) / count * length
    sdf = before - positions * cosine
    deltas = torch.full((1, count), length / count, dtype=torch.float64)
    opacity = compositing_weights(laplace_density(sdf, _beta(beta))[None], deltas).sum().item()
    outside = 0.5 * (1.0 - math.exp(-before / beta))
    inside = behind / beta - 0.5 * (1.0 - math.exp(-behind / beta))
    assert opacity == pytest.approx(1.0 - math.exp(-(outside + inside) / cosine), abs=1e-6)


def test_beta_starts_as_asked_and_stays_positive() -> None:
    density = LaplaceDensity(initial_beta=0.1)
    assert density.beta.item() == pytest.approx(0.1, abs=2 * density.MINIMUM)
    for raw in (0.0, -0.05):
        density.raw_beta.data.fill_(raw)
        assert density.beta.item() >= 0.999 * density.MINIMUM
        assert density(torch.tensor([-1.0, 0.0, 1.0])).isfinite().all()


def test_beta_learns() -> None:
    density = LaplaceDensity(initial_beta=0.1)
    density(torch.tensor([0.05])).sum().backward()
    assert density.raw_beta.grad is not None
    assert density.raw_beta.grad.item() != 0.0


@over("density", DENSITIES)
def test_density_never_rises_outwards(density: Density) -> None:
    levels = torch.linspace(-1.0, 1.0, 201)
    densities = density(density.from_level(levels))
    assert (densities.diff() <= 0.0).all() and (densities >= 0.0).all()
    assert densities[0] > densities[-1]


@over("density", DENSITIES)
@pytest.mark.parametrize(("start", "end"), [(0.2, -0.1), (-0.3, -0.1), (0.02, 0.5), (0.03, 0.0300001), (0.0, 0.0)])
def test_depth_of_a_piece_is_the_integral_along_it(density: Density, start: float, end: float) -> None:
    ends = density.from_level(torch.tensor([start, end], dtype=torch.float64))
    numbers = ends[0] + (ends[1] - ends[0]) * (torch.arange(20_000) + 0.5) / 20_000
    found = density.depth(ends[0], ends[1], torch.full_like(ends[0], 0.7))
    torch.testing.assert_close(found, 0.7 * density(numbers).mean(), rtol=1e-4, atol=1e-7, check_dtype=False)


@over("density", DENSITIES)
def test_the_surface_is_at_level_zero(density: Density) -> None:
    levels = torch.tensor([-0.3, 0.0, 0.2])
    found = density.level(density.from_level(levels))
    assert found[0] < 0.0 < found[2]
    assert found[1].item() == pytest.approx(0.0, abs=1e-6)


@over("density", DENSITIES)
def test_outward_is_the_sign_of_growth(density: Density) -> None:
    inside, outside = density.from_level(torch.tensor([-0.1, 0.1])).tolist()
    assert math.copysign(1.0, outside - inside) == density.outward


def test_scale_is_the_density_of_the_number_one() -> None:
    numbers, levels = torch.tensor([-2.0, 0.0, 1.0, 3.0]), torch.linspace(-0.5, 0.5, 11)
    plain, scaled = ReLUDensity(0.001), ReLUDensity(0.001, scale=50.0)
    torch.testing.assert_close(scaled(numbers), torch.tensor([0.0, 0.0, 50.0, 150.0]))
    torch.testing.assert_close(scaled(scaled.from_level(levels)), plain(plain.from_level(levels)))
