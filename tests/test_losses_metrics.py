"""Losses and metrics: known values, slow references, and gradients that stay finite."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from resfields_ns.functional.losses import depth_l1, eikonal, masked_l1, masked_l2, opacity_cross_entropy, sparsity
from resfields_ns.functional.metrics import mask_iou, masked_psnr, psnr
from resfields_ns.pipelines.surface_metrics import chamfer_l1
from tests.cases import over


def _random(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


COLOUR_LOSSES = {"l1": (masked_l1, abs), "l2": (masked_l2, lambda difference: difference**2)}


@over("losses", COLOUR_LOSSES)
def test_colour_losses_agree_with_a_loop(losses: tuple[Callable[..., Tensor], Callable[[float], float]]) -> None:
    loss, of_difference = losses
    rgb, target = _random(9, 3), _random(9, 3, seed=1)
    foreground = torch.tensor([1.0, 0, 0, 1, 1, 0, 1, 0, 0], dtype=torch.float64)
    differences = [
        of_difference(rgb[ray, channel].item() - target[ray, channel].item())
        for ray in range(9)
        for channel in range(3)
        if foreground[ray] == 1.0
    ]
    assert loss(rgb, target, foreground).item() == pytest.approx(sum(differences) / len(differences), rel=1e-12)


@over("losses", COLOUR_LOSSES)
def test_colour_losses_ignore_the_background(losses: tuple[Callable[..., Tensor], Any]) -> None:
    rgb, target, foreground = _random(8, 3).requires_grad_(), _random(8, 3, seed=1), torch.arange(8).double() % 2
    (gradient,) = torch.autograd.grad(losses[0](rgb, target, foreground), rgb)
    assert ((gradient != 0.0).all(dim=1) == (foreground == 1.0)).all()
    assert (gradient[foreground == 0.0] == 0.0).all()


@over("losses", COLOUR_LOSSES)
def test_colour_losses_without_foreground_are_zero(losses: tuple[Callable[..., Tensor], Any]) -> None:
    assert losses[0](_random(5, 3), _random(5, 3, seed=1), torch.zeros(5, dtype=torch.float64)).item() == 0.0


def test_opacity_cross_entropy_agrees_with_a_loop() -> None:
    opacity = torch.cat((_random(6), torch.tensor([0.0, 0.0, 1.0, 1.0], dtype=torch.float64)))
    foreground = torch.tensor([1.0, 0, 1, 0, 0, 1, 0, 1, 0, 1], dtype=torch.float64)
    total = 0.0
    for value, label in zip(opacity.tolist(), foreground.tolist(), strict=True):
        kept = min(max(value, 1e-3), 1.0 - 1e-3)
        total -= math.log(kept) if label == 1.0 else math.log(1.0 - kept)
    assert opacity_cross_entropy(opacity, foreground).item() == pytest.approx(total / 10, rel=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("opacity", [0.0, 1.0])
@pytest.mark.parametrize("label", [0.0, 1.0])
def test_opacity_cross_entropy_of_certainty_is_finite(opacity: float, label: float, dtype: torch.dtype) -> None:
    value = torch.tensor([opacity], dtype=dtype, requires_grad=True)
    loss = opacity_cross_entropy(value, torch.tensor([label], dtype=dtype))
    expected = -math.log(1e-3) if opacity != label else -math.log(1.0 - 1e-3)
    assert loss.item() == pytest.approx(expected, rel=1e-4)
    assert torch.autograd.grad(loss, value)[0].isfinite().all()


def test_opacity_cross_entropy_is_least_for_the_truth() -> None:
    opacity = torch.linspace(0.01, 0.99, 50, dtype=torch.float64)
    for label in (0.0, 1.0):
        losses = torch.stack([opacity_cross_entropy(value[None], torch.tensor([label]).double()) for value in opacity])
        assert (losses.diff().sign() == (1.0 if label == 0.0 else -1.0)).all()


def test_eikonal_of_unit_gradients_is_zero() -> None:
    gradient = torch.nn.functional.normalize(_random(20, 3) - 0.5, dim=-1)
    assert eikonal(gradient).item() == pytest.approx(0.0, abs=1e-28)
    assert eikonal(3.0 * gradient).item() == pytest.approx(4.0, rel=1e-12)


def test_eikonal_agrees_with_a_loop() -> None:
    gradient = _random(7, 3) * 2.0
    total = sum((math.sqrt(sum(c * c for c in row)) - 1.0) ** 2 for row in gradient.tolist())
    assert eikonal(gradient).item() == pytest.approx(total / 7, rel=1e-12)


def test_eikonal_of_no_gradient_has_a_finite_gradient() -> None:
    gradient = torch.zeros(4, 3, requires_grad=True)
    assert torch.autograd.grad(eikonal(gradient), gradient)[0].isfinite().all()


@pytest.mark.parametrize("loss", [masked_l1, opacity_cross_entropy, eikonal])
def test_gradients_are_the_numerical_ones(loss: Callable[..., Tensor]) -> None:
    foreground = torch.tensor([1.0, 0, 1, 1], dtype=torch.float64)
    arguments = {
        masked_l1: (_random(4, 3), _random(4, 3, seed=1), foreground),
        opacity_cross_entropy: (0.1 + 0.8 * _random(4), foreground),
        eikonal: (_random(4, 3) * 2.0,),
    }[loss]
    assert torch.autograd.gradcheck(loss, (arguments[0].requires_grad_(), *arguments[1:]))


@pytest.mark.parametrize(("error", "decibel"), [(1.0, 0.0), (0.1, 20.0), (0.01, 40.0), (0.5, 6.0206)])
def test_psnr_of_a_constant_error(error: float, decibel: float) -> None:
    image = torch.zeros(4, 5, 3, dtype=torch.float64)
    assert psnr(image, image + error) == pytest.approx(decibel, abs=1e-4)


def test_psnr_of_equal_images_is_infinite() -> None:
    image = _random(4, 5, 3)
    assert psnr(image, image) == math.inf


def test_psnr_is_symmetric_and_sees_every_pixel() -> None:
    first, second = _random(4, 5, 3), _random(4, 5, 3, seed=1)
    errors = [(a - b) ** 2 for a, b in zip(first.flatten().tolist(), second.flatten().tolist(), strict=True)]
    assert psnr(first, second) == psnr(second, first)
    assert psnr(first, second) == pytest.approx(-10.0 * math.log10(sum(errors) / len(errors)), rel=1e-12)


def test_masked_psnr_ignores_the_rest() -> None:
    image, target = _random(6, 5, 3), _random(6, 5, 3, seed=1)
    mask = _random(6, 5, seed=2) < 0.5
    expected = psnr(image[mask][None], target[mask][None])
    assert masked_psnr(image, target, mask) == pytest.approx(expected, rel=1e-12)
    assert masked_psnr(torch.where(mask[..., None], image, 7.0), target, mask) == masked_psnr(image, target, mask)


def test_masked_psnr_of_the_whole_image_is_psnr() -> None:
    image, target = _random(6, 5, 3), _random(6, 5, 3, seed=1)
    assert masked_psnr(image, target, torch.ones(6, 5, dtype=torch.bool)) == pytest.approx(psnr(image, target))


def test_masked_psnr_of_an_empty_mask_is_nan() -> None:
    image = _random(6, 5, 3)
    assert math.isnan(masked_psnr(image, image, torch.zeros(6, 5, dtype=torch.bool)))


def test_mask_iou_agrees_with_a_loop() -> None:
    accumulation, mask = _random(9, 7), _random(9, 7, seed=1) < 0.4
    pixels = list(zip((accumulation > 0.5).flatten().tolist(), mask.flatten().tolist(), strict=True))
    both, either = sum(a and b for a, b in pixels), sum(a or b for a, b in pixels)
    assert mask_iou(accumulation, mask) == pytest.approx(both / either, rel=1e-6)
    assert mask_iou(mask.double(), mask) == 1.0
    assert mask_iou((~mask).double(), mask) == 0.0
    assert math.isnan(mask_iou(torch.zeros(9, 7), torch.zeros(9, 7, dtype=torch.bool)))


def _slow_chamfer(first: Tensor, second: Tensor) -> float:
    def one_way(a: Tensor, b: Tensor) -> float:
        nearest = [min(sum(abs(p - q) for p, q in zip(x, y, strict=True)) for y in b.tolist()) for x in a.tolist()]
        return sum(nearest) / len(nearest)

    return one_way(first, second) + one_way(second, first)


def test_chamfer_agrees_with_brute_force() -> None:
    first, second = _random(40, 3), _random(55, 3, seed=1)
    assert chamfer_l1(first, second) == pytest.approx(_slow_chamfer(first, second), rel=1e-12)


def test_chamfer_of_equal_points_in_any_order_is_zero() -> None:
    points = _random(30, 3)
    assert chamfer_l1(points, points.flip(0)) == 0.0


def test_chamfer_is_symmetric() -> None:
    first, second = _random(30, 3), _random(20, 3, seed=1)
    assert chamfer_l1(first, second) == pytest.approx(chamfer_l1(second, first), rel=1e-12)


def test_chamfer_measures_a_shift_by_its_l1_length() -> None:
    grid = torch.cartesian_prod(*[torch.arange(3.0)] * 3)
    shift = torch.tensor([0.1, -0.2, 0.05])
    assert chamfer_l1(grid, grid + shift) == pytest.approx(2 * 0.35, rel=1e-5)


def test_depth_l1_agrees_with_a_loop_over_valid_rays() -> None:
    depth, target = _random(9), _random(9, seed=1)
    valid = torch.tensor([1, 0, 0, 1, 1, 0, 1, 0, 0], dtype=torch.bool)
    differences = [abs(depth[ray].item() - target[ray].item()) for ray in valid.nonzero().flatten().tolist()]
    assert depth_l1(depth, target, valid).item() == pytest.approx(sum(differences) / 4, rel=1e-12)
    assert depth_l1(depth, target, torch.zeros_like(valid)).item() == 0.0


def test_sparsity_agrees_with_a_loop_and_falls_with_distance() -> None:
    on_rays, anywhere = _random(7) * 0.01 - 0.005, _random(5, seed=1) * 0.1 - 0.05
    on_rays_mean = sum(math.exp(-1000.0 * abs(sdf)) for sdf in on_rays.tolist()) / 7
    anywhere_mean = sum(math.exp(-100.0 * abs(sdf)) for sdf in anywhere.tolist()) / 5
    assert sparsity(on_rays, anywhere).item() == pytest.approx(0.5 * (on_rays_mean + anywhere_mean), rel=1e-12)
    assert sparsity(2.0 * on_rays, 2.0 * anywhere) < sparsity(on_rays, anywhere)
    assert sparsity(-on_rays, -anywhere) == sparsity(on_rays, anywhere)
