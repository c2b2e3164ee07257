"""Rigid motions of twists: the matrix exponential, smooth through no rotation, undone by the opposite twist."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from resfields_ns.functional.motion import apply_twist

_ANGLES = [0.0, 1e-9, 1e-4, 0.3, 1.0 - 1e-9, 1.0 + 1e-9, 2.0, math.pi - 1e-4, math.pi, 3.0 * math.pi]


def _inputs(angle: float, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor, Tensor]:
    """A few rotations by an angle, translations and points."""
    generator = torch.Generator().manual_seed(0)
    axes, translations, points = torch.randn(3, 4, 3, generator=generator, dtype=torch.float64)
    return (angle * F.normalize(axes, dim=-1)).to(dtype), translations.to(dtype), points.to(dtype)


def _slow(rotation: Tensor, translation: Tensor, points: Tensor) -> Tensor:
    """Through the exponential of the twist's matrix, one point at a time."""
    moved = []
    for (a, b, c), v, x in zip(rotation, translation, points, strict=True):
        zero = torch.zeros_like(a)
        skew = torch.stack([torch.stack(row) for row in ((zero, -c, b), (c, zero, -a), (-b, a, zero))])
        twist = F.pad(torch.cat((skew, v[:, None]), dim=1), (0, 0, 0, 1))
        moved.append((torch.linalg.matrix_exp(twist) @ F.pad(x, (0, 1), value=1.0))[:3])
    return torch.stack(moved)


@pytest.mark.parametrize("angle", _ANGLES)
def test_is_the_matrix_exponential(angle: float) -> None:
    inputs = _inputs(angle)
    torch.testing.assert_close(apply_twist(*inputs), _slow(*inputs), atol=1e-13, rtol=1e-13)


@pytest.mark.parametrize("angle", _ANGLES)
def test_single_precision_is_kept(angle: float) -> None:
    inputs = _inputs(angle, torch.float32)
    exact = _slow(*(tensor.double() for tensor in inputs))
    torch.testing.assert_close(apply_twist(*inputs).double(), exact, atol=5e-6, rtol=0)


@pytest.mark.parametrize("angle", _ANGLES)
def test_gradients_are_those_of_the_matrix_exponential(angle: float) -> None:
    leaves = [tensor.requires_grad_() for tensor in _inputs(angle)]
    mine = torch.autograd.grad(apply_twist(*leaves).sin().sum(), leaves)
    theirs = torch.autograd.grad(_slow(*leaves).sin().sum(), leaves)
    for first, second in zip(mine, theirs, strict=True):
        torch.testing.assert_close(first, second, atol=1e-12, rtol=1e-12)


@pytest.mark.parametrize("angle", _ANGLES)
def test_gradients_are_the_numerical_ones(angle: float) -> None:
    leaves = [tensor.requires_grad_() for tensor in _inputs(angle)]
    assert torch.autograd.gradcheck(apply_twist, leaves, atol=1e-7, rtol=1e-6)
    assert torch.autograd.gradgradcheck(apply_twist, leaves, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("angle", _ANGLES)
def test_opposite_twist_undoes_it(angle: float) -> None:
    rotation, translation, points = _inputs(angle)
    there = apply_twist(rotation, translation, points)
    torch.testing.assert_close(apply_twist(-rotation, -translation, there), points, atol=1e-13, rtol=1e-13)


def test_zero_twist_is_exactly_the_identity() -> None:
    _, _, points = _inputs(0.0)
    assert torch.equal(apply_twist(torch.zeros_like(points), torch.zeros_like(points), points), points)


def test_no_points() -> None:
    nothing = torch.zeros(0, 3)
    assert apply_twist(nothing, nothing, nothing).shape == (0, 3)
