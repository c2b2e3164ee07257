"""MLPs: segments do not mix, residuals alone bring time in, and the distance MLP knows its gradient."""

import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from resfields_ns.functional.segments import TimeSegments
from resfields_ns.layers import MLP, GeometricMLP, ReLUGeometricMLP, ResidualOptions, SoftplusGeometricMLP
from resfields_ns.layers.linear import ResidualLinear
from tests.cases import GEOMETRIC_MLPS, MLP_KINDS, MLPS, MLPCase, over

_SIZES = (3, 1, 4, 2)
_TIMES = (0.0, 0.37, 0.4, 1.0)
_PAPER_SIZES = {
    "softplus": partial(SoftplusGeometricMLP, num_hidden=8, skip_layers=(4,)),
    "relu": partial(ReLUGeometricMLP, num_hidden=3, skip_layers=()),
}


def _mlp(case: MLPCase, dtype: torch.dtype = torch.float64) -> MLP:
    torch.manual_seed(0)
    return case.make().to(dtype)


def _points(dtype: torch.dtype = torch.float64) -> tuple[Tensor, TimeSegments]:
    points = torch.randn(sum(_SIZES), 5, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    return points.to(dtype), TimeSegments(torch.tensor(_TIMES, dtype=dtype), _SIZES)


def _slow_mlp(case: MLPCase, mlp: MLP, point: Tensor, time: Tensor) -> Tensor:
    """One point through ordinary layers whose weights were composed before."""
    hidden, segment = point, TimeSegments.single(time[None], 1)
    for index, layer in enumerate(mlp.layers):
        if index in case.skip_layers:
            hidden = torch.cat((hidden, point)) / math.sqrt(2.0)
        hidden = F.linear(hidden, layer.compose(time[None])[0], layer.bias)
        if index < len(mlp.layers) - 1:
            hidden = case.activation(hidden)
        hidden = layer.add_output_residual(hidden[None], segment)[0]
    return hidden


def _slow_outputs(case: MLPCase, mlp: MLP, points: Tensor, segments: TimeSegments) -> Tensor:
    times = segments.expand(segments.times)
    return torch.stack([_slow_mlp(case, mlp, point, time) for point, time in zip(points, times, strict=True)])


@pytest.mark.parametrize("times", [[], [0.5], [0.0, 0.0, 0.3, 1.0, 1.0], [0.7, 0.2, 0.2, 0.7]])
def test_segments_give_every_item_its_own_time(times: list[float]) -> None:
    """In any order, and with samples of an item after each other; runs of equal time are as long as can be."""
    batch = torch.tensor(times)
    segments = TimeSegments.from_times(batch)
    assert torch.equal(segments.expand(segments.times), batch)
    samples = segments.repeat(3)
    assert torch.equal(samples.expand(samples.times), batch.repeat_interleave(3))
    assert (segments.times.diff() != 0.0).all()


@over("case", MLPS)
def test_agrees_with_ordinary_layers_of_composed_weights(case: MLPCase) -> None:
    mlp = _mlp(case)
    points, segments = _points()
    fast, slow = mlp(points, segments), _slow_outputs(case, mlp, points, segments)
    torch.testing.assert_close(fast, slow, atol=1e-12, rtol=1e-12)
    fast_gradients = torch.autograd.grad(fast.square().sum(), list(mlp.parameters()))
    slow_gradients = torch.autograd.grad(slow.square().sum(), list(mlp.parameters()))
    for mine, theirs in zip(fast_gradients, slow_gradients, strict=True):
        torch.testing.assert_close(mine, theirs, atol=1e-11, rtol=1e-11)


@over("case", MLPS)
def test_a_point_has_the_same_output_alone(case: MLPCase) -> None:
    mlp = _mlp(case)
    points, segments = _points()
    times = segments.expand(segments.times)
    alone = [mlp(points[k : k + 1], TimeSegments.single(times[k : k + 1], 1)) for k in range(len(points))]
    torch.testing.assert_close(mlp(points, segments), torch.cat(alone), atol=1e-13, rtol=1e-13)


@over("case", MLPS)
def test_time_matters_exactly_where_there_are_residual_layers(case: MLPCase) -> None:
    mlp = _mlp(case)
    points, segments = _points()
    elsewhen = TimeSegments(1.0 - segments.times, segments.sizes)
    difference = (mlp(points, segments) - mlp(points, elsewhen)).abs().amax(dim=1)
    assert (difference > 1e-4).all() if case.residual_layers else (difference == 0.0).all()


@over("case", MLPS)
def test_no_points_have_no_outputs(case: MLPCase) -> None:
    segments = TimeSegments.from_times(torch.zeros(0))
    assert _mlp(case, torch.float32)(torch.zeros(0, 5), segments).shape == (0, 3)


@over("case", MLPS)
def test_exactly_the_chosen_layers_are_residual(case: MLPCase) -> None:
    residual = [index for index, layer in enumerate(_mlp(case).layers) if isinstance(layer, ResidualLinear)]
    assert residual == list(case.residual_layers)


@over("case", MLP_KINDS)
@pytest.mark.parametrize("index", [4, -1])
def test_a_residual_layer_that_is_no_layer(case: MLPCase, index: int) -> None:
    with pytest.raises(ValueError, match=f"^field.residual-layers: expected 0 to 3, got {index}$"):
        replace(case, residual_layers=(1, index)).make()


@over("case", GEOMETRIC_MLPS)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 1e-4)])
def test_explicit_gradient_is_that_of_autograd(case: MLPCase, dtype: torch.dtype, tolerance: float) -> None:
    """In its values, and in the gradients of a loss on it, where autograd differentiates twice."""
    mlp = _geometric(case, dtype)
    points, segments = _points(dtype)
    output, gradient = mlp.forward_with_gradient(points, segments)
    leaf = points.clone().requires_grad_()
    expected_output = mlp(leaf, segments)
    (expected,) = torch.autograd.grad(expected_output[:, 0].sum(), leaf, create_graph=True)
    torch.testing.assert_close(output, expected_output, atol=tolerance, rtol=tolerance)
    torch.testing.assert_close(gradient, expected, atol=tolerance, rtol=tolerance)

    parameters = list(mlp.parameters())
    mine = torch.autograd.grad(_eikonal_like(output, gradient), parameters)
    theirs = torch.autograd.grad(_eikonal_like(expected_output, expected), parameters, materialize_grads=True)
    for (name, _), first, second in zip(mlp.named_parameters(), mine, theirs, strict=True):
        scale = second.abs().max().item()
        torch.testing.assert_close(first, second, atol=tolerance * max(scale, 1.0), rtol=tolerance, msg=name)


@over("case", GEOMETRIC_MLPS)
def test_explicit_gradient_is_the_numerical_one(case: MLPCase) -> None:
    mlp = _geometric(case)
    points, segments = _points()
    step = 1e-6
    shifts = step * torch.eye(5, dtype=torch.float64)
    numerical = [(mlp(points + shift, segments) - mlp(points - shift, segments))[:, 0] / (2 * step) for shift in shifts]
    _, gradient = mlp.forward_with_gradient(points, segments)
    torch.testing.assert_close(gradient, torch.stack(numerical, dim=-1), atol=1e-6, rtol=1e-6)


@over("case", GEOMETRIC_MLPS)
def test_inside_out_the_distance_has_the_other_sign(case: MLPCase) -> None:
    """At every time, whatever the kind of the last layer; the feature stays as it is."""
    mlp = _geometric(case)
    expected, gradient = mlp.forward_with_gradient(*_points())
    mlp.turn_inside_out()
    turned, turned_gradient = mlp.forward_with_gradient(*_points())
    torch.testing.assert_close(turned, expected * torch.tensor([-1.0, 1.0, 1.0]), atol=1e-13, rtol=1e-13)
    torch.testing.assert_close(turned_gradient, -gradient, atol=1e-13, rtol=1e-13)


@pytest.mark.parametrize("radius", [0.3, 0.5])
@pytest.mark.parametrize(("size", "tolerance"), [("softplus", 0.3), ("relu", 0.2)])
def test_starts_as_a_sphere(size: str, tolerance: float, radius: float) -> None:
    """Within the spread of random weights; at the centre Softplus adds up to something."""
    points, errors = _ball_points(), []
    for seed in range(8):
        inputs = torch.cat((points, torch.randn(len(points), 52)), dim=-1)
        mlp = _paper_mlp(_PAPER_SIZES[size], radius, seed)
        sdf = mlp(inputs, TimeSegments.single(torch.zeros(1), len(points)))[:, 0]
        errors.append(sdf - (points.norm(dim=-1) - radius))
    error = torch.stack(errors)
    assert (error.square().mean(dim=1).sqrt() < tolerance).all()
    assert (error.mean(dim=0).abs() < 0.25).all()
    assert abs(error[:, points.norm(dim=-1) > 0.3].mean().item()) < 0.05


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"skip_layers": (1, 0)}, "skip_layers: expected 1 to 2, got 0"),
        ({"skip_layers": (3,)}, "skip_layers: expected 1 to 2, got 3"),
        ({"hidden_dim": 5}, "hidden_dim: expected above the 5 inputs, got 5"),
    ],
)
def test_sizes_that_do_not_fit(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}$"):
        MLP_KINDS["geometric_softplus_skip_1"].make(**options)


def test_without_a_skip_the_hidden_layers_may_be_narrower_than_the_input() -> None:
    mlp = MLP_KINDS["geometric_softplus_no_skip"].make(hidden_dim=4)
    points, segments = _points(torch.float32)
    assert mlp(points, segments).shape == (len(points), 3)


def test_relu_starts_linear_along_rays() -> None:
    """f(s x) + radius = s (f(x) + radius): the centre is exactly a radius inside, and only the angle brings error."""
    mlp = _paper_mlp(_PAPER_SIZES["relu"], 0.5, seed=0).double()
    inputs = torch.cat((_ball_points(), torch.zeros(500, 52)), dim=-1).double()
    segments = TimeSegments.single(torch.zeros(1, dtype=torch.float64), len(inputs))
    once, thrice = (mlp(scale * inputs, segments)[:, 0] + 0.5 for scale in (1.0, 3.0))
    torch.testing.assert_close(thrice, 3.0 * once, atol=1e-12, rtol=1e-12)


@over("make", _PAPER_SIZES)
def test_encodings_start_without_effect(make: Callable[..., GeometricMLP]) -> None:
    mlp, points = _paper_mlp(make, 0.5, seed=0), _ball_points()
    segments = TimeSegments.single(torch.zeros(1), len(points))
    first, second = (mlp(torch.cat((points, torch.randn(len(points), 52)), dim=-1), segments) for _ in range(2))
    assert torch.equal(first, second)


def _geometric(case: MLPCase, dtype: torch.dtype = torch.float64) -> GeometricMLP:
    mlp = _mlp(case, dtype)
    assert isinstance(mlp, GeometricMLP)
    return mlp


def _eikonal_like(output: Tensor, gradient: Tensor) -> Tensor:
    return (gradient.norm(dim=-1) - 1.0).square().sum() + output.square().sum()


def _ball_points() -> Tensor:
    generator = torch.Generator().manual_seed(2)
    directions = F.normalize(torch.randn(500, 3, generator=generator), dim=-1)
    return directions * torch.rand(500, 1, generator=generator)


def _paper_mlp(make: Callable[..., GeometricMLP], radius: float, seed: int) -> GeometricMLP:
    torch.manual_seed(seed)
    make_layers = ResidualOptions(residual_layers=(1, 2)).layer_maker(num_frames=5)
    mlp = make(num_coordinates=3, in_dim=55, hidden_dim=128, out_dim=129, radius=radius, make_layers=make_layers)
    for name, parameter in mlp.named_parameters():
        if name.endswith("table"):
            nn.init.zeros_(parameter)
    return mlp
