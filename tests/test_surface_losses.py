"""Losses of implicit surfaces: slow references, where they are least, and gradients that are right."""

import math

import pytest
import torch
from torch import Tensor

from resfields_ns.functional.losses import (
    ORIENTED_WEIGHTS,
    absolute_percentage,
    occupancy_cross_entropy,
    oriented_points,
)
from resfields_ns.functional.surface_points import normal_colours, shade


def _random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def _unit(*shape: int, seed: int = 0) -> Tensor:
    return torch.nn.functional.normalize(_random(*shape, seed=seed), dim=-1)


def test_absolute_percentage_agrees_with_a_loop() -> None:
    values, distances = _random(9), _random(9, seed=1)
    pairs = zip(values.tolist(), distances.tolist(), strict=True)
    expected = sum(abs(v - d) / (abs(d) + 0.01) for v, d in pairs) / 9
    assert absolute_percentage(values, distances).item() == pytest.approx(expected, rel=1e-12)


def test_absolute_percentage_of_the_truth_is_zero_and_finite_on_the_surface() -> None:
    distances = torch.cat((_random(5), torch.zeros(5, dtype=torch.float64)))
    assert absolute_percentage(distances, distances).item() == 0.0
    assert absolute_percentage(distances + 0.01, distances).item() <= 1.0


def _siren_loop(values: Tensor, gradients: Tensor, normals: Tensor, on_surface: Tensor) -> dict[str, float]:
    """Eq. 6 of Sitzmann et al. 2020b, a point at a time."""
    sums = dict.fromkeys(("surface", "normal", "empty", "eikonal"), 0.0)
    for value, gradient, normal, on in zip(
        values.tolist(), gradients.tolist(), normals.tolist(), on_surface.tolist(), strict=True
    ):
        length = math.sqrt(sum(c * c for c in gradient))
        sums["eikonal"] += abs(length - 1.0)
        if on:
            sums["surface"] += abs(value)
            sums["normal"] += 1.0 - sum(a * b for a, b in zip(gradient, normal, strict=True)) / length
        else:
            sums["empty"] += math.exp(-100.0 * abs(value))
    return {name: ORIENTED_WEIGHTS[name] * total / len(values) for name, total in sums.items()}


def test_oriented_points_agree_with_a_loop() -> None:
    values, gradients, normals = 0.02 * _random(11), _random(11, 3), _unit(11, 3, seed=1)
    on_surface = torch.arange(11) % 3 == 0
    terms = oriented_points(values, gradients, normals, on_surface)
    expected = _siren_loop(values, gradients, normals, on_surface)
    assert terms.keys() == expected.keys()
    for name, term in terms.items():
        assert term.item() == pytest.approx(expected[name], rel=1e-9)


def test_oriented_points_are_least_for_a_distance() -> None:
    """A field of unit gradients along the normals, zero on the surface and large elsewhere, has no loss."""
    normals, on_surface = _unit(8, 3), torch.arange(8) < 4
    values = torch.where(on_surface, 0.0, 1.0).double()
    terms = oriented_points(values, normals.clone(), normals, on_surface)
    assert sum(term.item() for term in terms.values()) == pytest.approx(0.0, abs=1e-9)


def test_gradients_of_the_losses_agree_with_finite_differences() -> None:
    values, gradients = (0.02 * _random(6)).requires_grad_(), _random(6, 3).requires_grad_()
    normals, on_surface = _unit(6, 3, seed=1), torch.arange(6) < 3
    assert torch.autograd.gradcheck(
        lambda v, g: torch.stack(list(oriented_points(v, g, normals, on_surface).values())).sum(), (values, gradients)
    )
    assert torch.autograd.gradcheck(lambda v: absolute_percentage(v, normals[:, 0]), (values,))
    assert torch.autograd.gradcheck(lambda v: occupancy_cross_entropy(v, on_surface), (values,))


def test_occupancy_cross_entropy_agrees_with_a_loop() -> None:
    values, inside = 3.0 * _random(10), torch.arange(10) % 2 == 0
    total = 0.0
    for value, label in zip(values.tolist(), inside.tolist(), strict=True):
        probability = 1.0 / (1.0 + math.exp(value))  # negative values are inside
        total -= math.log(probability if label else 1.0 - probability)
    assert occupancy_cross_entropy(values, inside).item() == pytest.approx(total / 10, rel=1e-12)


def test_shading_is_bright_towards_the_camera_and_never_leaves_the_range() -> None:
    normals, directions = _unit(500, 3), _unit(500, 3, seed=1)
    colours = shade(normals, directions)
    assert colours.min() >= 0.0 and colours.max() <= 1.0
    assert (shade(normals, -normals) >= colours).all()
    torch.testing.assert_close(shade(normals, -normals), normal_colours(normals))
