"""Alpha compositing: the chances of ending in each sample, as a ray walks from one to the next."""

import math

import pytest
import torch
from torch import Tensor

from resfields_ns.functional.volume import composite, compositing_weights, without_background


def _rays(dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    density = torch.rand(6, 20, generator=generator, dtype=torch.float64) * 8.0
    density[1] = 0.0
    density[2, 5:] = 1e4
    deltas = torch.rand(6, 20, generator=generator, dtype=torch.float64) * 0.1
    return density.to(dtype), deltas.to(dtype)


def _slow_weights(density: Tensor, deltas: Tensor) -> Tensor:
    rows = []
    for sigmas, lengths in zip(density.double().tolist(), deltas.double().tolist(), strict=True):
        transmittance, row = 1.0, []
        for sigma, length in zip(sigmas, lengths, strict=True):
            opacity = 1.0 - math.exp(-sigma * length)
            row.append(transmittance * opacity)
            transmittance *= 1.0 - opacity
        rows.append(row)
    return torch.tensor(rows, dtype=torch.float64)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 1e-5)])
def test_agrees_with_a_walk_along_the_ray(dtype: torch.dtype, tolerance: float) -> None:
    density, deltas = _rays(dtype)
    weights = compositing_weights(density, deltas)
    torch.testing.assert_close(weights.double(), _slow_weights(density, deltas), atol=tolerance, rtol=0)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 1e-5)])
def test_a_ray_ends_in_a_sample_or_passes(dtype: torch.dtype, tolerance: float) -> None:
    density, deltas = _rays(dtype)
    weights = compositing_weights(density, deltas)
    passed = torch.exp(-(density.double() * deltas.double()).sum(dim=-1))
    assert (weights >= 0.0).all()
    torch.testing.assert_close(weights.double().sum(dim=-1) + passed, torch.ones_like(passed), atol=tolerance, rtol=0)


def test_empty_space_takes_nothing() -> None:
    weights = compositing_weights(torch.zeros(3, 8), torch.rand(3, 8))
    assert torch.equal(weights, torch.zeros(3, 8))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_an_opaque_first_sample_takes_all(dtype: torch.dtype) -> None:
    density = torch.ones(1, 8, dtype=dtype)
    density[0, 0] = 1e6
    expected = torch.eye(8, dtype=dtype)[:1]
    assert torch.equal(compositing_weights(density, torch.ones_like(density)), expected)


def test_samples_of_no_length_take_nothing() -> None:
    density, deltas = _rays()
    deltas[:, ::2] = 0.0
    weights = compositing_weights(density, deltas)
    assert (weights[:, ::2] == 0.0).all()
    torch.testing.assert_close(weights[:, 1::2], compositing_weights(density[:, 1::2], deltas[:, 1::2]))


def test_splitting_a_sample_changes_nothing() -> None:
    density, deltas = _rays()
    halves = compositing_weights(density.repeat_interleave(2, dim=1), deltas.repeat_interleave(2, dim=1) / 2)
    whole = compositing_weights(density, deltas)
    torch.testing.assert_close(halves.unflatten(1, (-1, 2)).sum(dim=-1), whole, atol=1e-12, rtol=0)


def test_rays_do_not_see_each_other() -> None:
    density, deltas = _rays()
    order = torch.randperm(len(density), generator=torch.Generator().manual_seed(1))
    weights = compositing_weights(density, deltas)
    assert torch.equal(compositing_weights(density[order], deltas[order]), weights[order])


def test_composite_agrees_with_a_loop() -> None:
    weights = compositing_weights(*_rays())
    values = torch.rand(*weights.shape, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    expected = torch.zeros(len(weights), 3, dtype=torch.float64)
    for ray in range(weights.shape[0]):
        for sample in range(weights.shape[1]):
            expected[ray] += weights[ray, sample] * values[ray, sample]
    torch.testing.assert_close(composite(weights, values), expected, atol=1e-14, rtol=0)


def test_one_colour_everywhere_is_that_colour_times_opacity() -> None:
    weights = compositing_weights(*_rays())
    colour = torch.tensor([0.2, 0.5, 0.9], dtype=torch.float64)
    mixed = composite(weights, colour.expand(*weights.shape, 3))
    torch.testing.assert_close(mixed, weights.sum(dim=-1, keepdim=True) * colour, atol=1e-14, rtol=0)


def test_gradients_are_the_numerical_ones() -> None:
    generator = torch.Generator().manual_seed(2)
    density = torch.rand(3, 6, generator=generator, dtype=torch.float64, requires_grad=True)
    deltas = torch.rand(3, 6, generator=generator, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(compositing_weights, (density, deltas))


@pytest.mark.parametrize("background", [0.0, 0.25, 1.0])
def test_colours_without_their_background_lie_over_it_as_before(background: float) -> None:
    generator = torch.Generator().manual_seed(1)
    colours, opacity = torch.rand(5, 7, 3, generator=generator), torch.rand(5, 7, 1, generator=generator)
    opacity[0] = 0.0
    opacity[1] = 1.0
    seen = colours * opacity + background * (1.0 - opacity)
    found = without_background(seen, opacity, background)
    torch.testing.assert_close(found[..., 3:], opacity)
    torch.testing.assert_close(found[..., :3] * opacity + background * (1.0 - opacity), seen)
    torch.testing.assert_close(found[1:, ..., :3], colours[1:], atol=1e-3, rtol=1e-3)
