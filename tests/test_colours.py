"""Colour heads: points do not mix, every parameter learns, and the basis of viewing directions is one for all."""

import pytest
import torch
from torch import Tensor, nn

from resfields_ns.fields.colour import ViewBasisColour
from tests.cases import COLOURS, over


def _colour(make: type[nn.Module]) -> nn.Module:
    torch.manual_seed(0)
    return make(5, 16).double()


def _features(count: int) -> Tensor:
    return torch.randn(count, 5, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def _directions(count: int) -> Tensor:
    directions = torch.randn(count, 3, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    return nn.functional.normalize(directions, dim=-1)


@over("make", COLOURS)
def test_a_point_has_the_same_colour_alone(make: type[nn.Module]) -> None:
    colour, features, directions = _colour(make), _features(6), _directions(6)
    alone = [colour(features[k : k + 1], directions[k : k + 1]) for k in range(6)]
    torch.testing.assert_close(colour(features, directions), torch.cat(alone), atol=1e-14, rtol=1e-14)


@over("make", COLOURS)
def test_gradients_are_finite_and_reach_every_parameter(make: type[nn.Module]) -> None:
    colour, features = _colour(make), _features(50).requires_grad_()
    loss = colour(features, _directions(50)).square().sum()
    for gradient in torch.autograd.grad(loss, [features, *colour.parameters()]):
        assert gradient.isfinite().all()
        assert (gradient != 0.0).any()


@over("make", COLOURS)
def test_no_points_have_no_colours(make: type[nn.Module]) -> None:
    assert _colour(make)(_features(0), _directions(0)).shape == (0, 3)


def test_view_basis_agrees_with_a_slow_loop() -> None:
    colour, features, directions = ViewBasisColour(5, 16).double(), _features(6), _directions(6)
    expected = []
    for feature, direction in zip(features, directions, strict=True):
        k = colour.coefficients(feature).view(9, 3)
        functions = colour.basis(direction)
        logits = k[0]
        for n in range(8):
            logits = logits + k[n + 1] * functions[n]
        expected.append(1.0 / (1.0 + torch.exp(-logits)))
    torch.testing.assert_close(colour(features, directions), torch.stack(expected), atol=1e-14, rtol=1e-14)


def test_view_basis_is_bounded() -> None:
    basis = ViewBasisColour(5, 16).double().basis(_directions(50))
    assert basis.shape == (50, 8)
    assert (basis.abs() <= 1.0).all()


def test_view_basis_is_shared_by_all_points() -> None:
    """Whatever the points, logits over directions are sums of the same eight functions and a constant."""
    colour, features, directions = _colour(ViewBasisColour), _features(30), _directions(40)
    colours = colour(features.repeat_interleave(40, dim=0), directions.repeat(30, 1))
    logits = torch.logit(colours).view(30, 40, 3).transpose(1, 2).flatten(end_dim=1)
    assert torch.linalg.matrix_rank(logits, rtol=1e-10) == 9


def test_view_basis_without_its_coefficients_does_not_depend_on_direction() -> None:
    colour, features, directions = _colour(ViewBasisColour), _features(6), _directions(6)
    last = colour.get_submodule("coefficients.2")
    for name in ("weight", "bias"):
        nn.init.zeros_(last.get_parameter(name)[3:])
    assert torch.equal(colour(features, directions), colour(features, -directions))
    assert (colour(features, directions).std(dim=0) > 0.0).all()


@pytest.mark.parametrize("scale", [1e3, 1e6])
def test_view_basis_keeps_finite_gradients_far_out(scale: float) -> None:
    colour = _colour(ViewBasisColour)
    features = (scale * _features(6)).requires_grad_()
    loss = colour(features, _directions(6)).square().sum()
    assert all(g.isfinite().all() for g in torch.autograd.grad(loss, [features, *colour.parameters()]))
