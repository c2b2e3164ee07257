"""The sharp softplus and its slope: torch's functions in value and derivative, finite everywhere."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from resfields_ns.functional.softplus import softplus_and_slope

_SHARPNESSES = [1.0, 10.0, 100.0]
_EPSILON = {torch.float64: 1e-15, torch.float32: 5e-7}


def _grid(sharpness: float, dtype: torch.dtype) -> Tensor:
    """From far below the bend to far above it, beyond where the exponential underflows."""
    return torch.linspace(-120.0, 120.0, 4801, dtype=dtype) / sharpness


@pytest.mark.parametrize("sharpness", _SHARPNESSES)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_agrees_with_torch(sharpness: float, dtype: torch.dtype) -> None:
    z = _grid(sharpness, dtype)
    value, slope = softplus_and_slope(z, sharpness)
    exact = F.softplus(z.double(), beta=sharpness, threshold=1000)
    tolerance = _EPSILON[dtype]
    torch.testing.assert_close(value.double(), exact, atol=tolerance / sharpness, rtol=tolerance)
    torch.testing.assert_close(slope.double(), (z.double() * sharpness).sigmoid(), atol=tolerance, rtol=50 * tolerance)


@pytest.mark.parametrize("sharpness", _SHARPNESSES)
def test_gradients_agree_with_torch(sharpness: float) -> None:
    """First and second derivatives of a function of both outputs."""
    z = _grid(sharpness, torch.float64).requires_grad_()

    def derivatives(value: Tensor, slope: Tensor) -> tuple[Tensor, Tensor]:
        (first,) = torch.autograd.grad((value.sin() + slope.square()).sum(), z, create_graph=True)
        return first, torch.autograd.grad(first.square().sum(), z)[0]

    mine = derivatives(*softplus_and_slope(z, sharpness))
    theirs = derivatives(F.softplus(z, beta=sharpness, threshold=1000), (z * sharpness).sigmoid())
    for first, second in zip(mine, theirs, strict=True):
        torch.testing.assert_close(first, second, atol=1e-12 * sharpness**3, rtol=1e-11)


@pytest.mark.parametrize("sharpness", _SHARPNESSES)
def test_gradients_are_the_numerical_ones(sharpness: float) -> None:
    z = torch.linspace(-3.0, 3.0, 13, dtype=torch.float64) / sharpness
    assert torch.autograd.gradcheck(lambda z: softplus_and_slope(z, sharpness), z.requires_grad_(), atol=1e-4)
    assert torch.autograd.gradgradcheck(lambda z: softplus_and_slope(z, sharpness), z, atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_does_not_overflow(dtype: torch.dtype) -> None:
    z = torch.tensor([-1e3, 1e3], dtype=dtype, requires_grad=True)
    value, slope = softplus_and_slope(z, 100.0)
    assert value.tolist() == [0.0, 1e3]
    assert slope.tolist() == [0.0, 1.0]
    (gradient,) = torch.autograd.grad((value + slope).sum(), z)
    assert gradient.tolist() == [0.0, 1.0]


def test_does_not_change_its_input() -> None:
    z = torch.linspace(-1.0, 1.0, 9)
    before = z.clone()
    softplus_and_slope(z, 100.0)
    assert torch.equal(z, before)
