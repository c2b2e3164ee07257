"""Warps: they start as the identity, invertible ones invert; and what all maps of points obey, ambient ones too."""

import cmath
import copy
from typing import Any

import pytest
import torch
from nerfstudio.configs.base_config import InstantiateConfig
from torch import Tensor, nn

from resfields_ns.fields.bijective_warp import BijectiveWarp, BijectiveWarpConfig
from resfields_ns.fields.conditions import ConditionConfig, LatentCodeConditionConfig, TimeConditionConfig
from resfields_ns.fields.point_map import PointMap
from resfields_ns.fields.warps import InvertibleWarp, SE3WarpConfig, TranslationWarpConfig, WarpConfig
from resfields_ns.functional.segments import ConditionedPoints, TimedPoints, TimeSegments
from resfields_ns.layers import set_progress
from resfields_ns.layers.encodings import WindowedPositionalEncoding
from resfields_ns.layers.mlp import SkipMLP
from tests.cases import AMBIENTS, WARPS, over, perturb_parameters

_SIZES = (3, 1, 4)
_TIME = TimeConditionConfig()  # all that planes over time take
_POINT_MAPS: dict[str, InstantiateConfig] = {**WARPS, **AMBIENTS}
_CONDITIONED = {name: config for name, config in _POINT_MAPS.items() if name not in ("identity", "none")}
_INVERTIBLE = {name: WARPS[name] for name in ("identity", "bijective")}


def _start(
    config: InstantiateConfig, dtype: torch.dtype = torch.float64, condition: ConditionConfig = _TIME
) -> PointMap:
    torch.manual_seed(0)
    return config.setup(condition=condition.setup(num_frames=len(_SIZES))).to(dtype)


def _trained(config: InstantiateConfig, dtype: torch.dtype = torch.float64) -> PointMap:
    point_map = _start(config, dtype)
    perturb_parameters(point_map)
    return point_map


def _inputs(dtype: torch.dtype = torch.float64) -> ConditionedPoints:
    generator = torch.Generator().manual_seed(1)
    positions = torch.rand(sum(_SIZES), 3, generator=generator, dtype=torch.float64) * 2.0 - 1.0
    condition = torch.rand(len(_SIZES), 1, generator=generator, dtype=torch.float64) * 2.0 - 1.0
    segments = TimeSegments(torch.linspace(0.0, 1.0, len(_SIZES), dtype=dtype), _SIZES)
    return ConditionedPoints(positions.to(dtype), segments, condition.to(dtype))


def _output_gradient(values: Tensor) -> Tensor:
    return torch.randn(values.shape, generator=torch.Generator().manual_seed(2), dtype=torch.float64).to(values)


def _eikonal_like(point_map: PointMap) -> Tensor:
    """A loss on values and on a gradient that has come back to the points."""
    values, pullback = point_map.with_pullback(_inputs())
    gradient = pullback(_output_gradient(values) + values)
    return (gradient.norm(dim=-1) - 1.0).square().sum() + values.square().sum()


@over("config", _POINT_MAPS)
def test_a_point_has_the_same_values_alone(config: InstantiateConfig) -> None:
    point_map = _trained(config)
    points = _inputs()
    alone = [
        point_map(TimedPoints.at(points.positions[k : k + 1], time).conditioned(points.expanded_condition[k : k + 1]))
        for k, time in enumerate(points.segments.expand(points.segments.times))
    ]
    torch.testing.assert_close(point_map(points), torch.cat(alone), atol=1e-13, rtol=1e-13)


@over("config", _CONDITIONED)
def test_a_condition_reaches_its_own_segment_alone(config: InstantiateConfig) -> None:
    point_map = _trained(config)
    points = _inputs()
    times = points.segments.times
    for k in range(len(_SIZES)):
        changed = points.condition.clone()
        changed[k] = changed[k] * 0.5 + 0.1
        difference = point_map(points.conditioned(changed)) - point_map(points)
        own = points.segments.expand(times) == times[k]
        assert (difference[~own] == 0.0).all()
        assert (difference[own].abs().amax(dim=-1) > 1e-6).all()


@over("config", _POINT_MAPS)
def test_pullback_is_the_numerical_one(config: InstantiateConfig) -> None:
    point_map = _trained(config)
    points = _inputs()
    values, pullback = point_map.with_pullback(points)
    assert torch.equal(values, point_map(points))
    step = 1e-6
    slopes = [
        (point_map(points.moved(points.positions + shift)) - point_map(points.moved(points.positions - shift)))
        / (2 * step)
        for shift in step * torch.eye(3, dtype=torch.float64)
    ]
    gradient = _output_gradient(values)
    expected = torch.stack([(gradient * slope).sum(dim=-1) for slope in slopes], dim=-1)
    torch.testing.assert_close(pullback(gradient), expected, atol=1e-6, rtol=1e-6)


@over("config", _CONDITIONED)
def test_pulled_back_gradients_can_be_differentiated(config: InstantiateConfig) -> None:
    point_map = _trained(config)
    points = _inputs()
    gradient = _output_gradient(point_map(points))

    def pulled_back(positions: Tensor, condition: Tensor, gradient: Tensor) -> Tensor:
        values, pullback = point_map.with_pullback(points.moved(positions).conditioned(condition))
        return pullback(gradient) + values.sum(dim=-1, keepdim=True)

    leaves = tuple(leaf.requires_grad_() for leaf in (points.positions, points.condition, gradient))
    assert torch.autograd.gradcheck(pulled_back, leaves, atol=1e-4)


@over("config", _POINT_MAPS)
def test_parameters_learn_from_pulled_back_gradients(config: InstantiateConfig) -> None:
    """The derivative of such a loss along a random direction is the numerical one."""
    point_map = _trained(config)
    parameters = list(point_map.parameters())
    if not parameters:
        return
    gradients = torch.autograd.grad(_eikonal_like(point_map), parameters, materialize_grads=True)
    directions = [torch.randn_like(parameter) for parameter in parameters]
    expected = sum((g * d).sum() for g, d in zip(gradients, directions, strict=True))
    step, losses = 1e-6, []
    for sign in (1.0, -1.0):
        moved = copy.deepcopy(point_map)
        with torch.no_grad():
            for parameter, direction in zip(moved.parameters(), directions, strict=True):
                parameter.add_(sign * step * direction)
        losses.append(_eikonal_like(moved))
    torch.testing.assert_close((losses[0] - losses[1]) / (2 * step), expected, atol=1e-5, rtol=1e-5)


@over("config", _POINT_MAPS)
def test_gradients_are_finite_at_the_start(config: InstantiateConfig) -> None:
    point_map = _start(config)
    parameters = list(point_map.parameters())
    if not parameters:
        return
    gradients = torch.autograd.grad(_eikonal_like(point_map), parameters, materialize_grads=True)
    assert all(gradient.isfinite().all() for gradient in gradients)
    assert any((gradient != 0.0).any() for gradient in gradients)


@over("config", _POINT_MAPS)
def test_pullback_while_no_gradients_are_recorded(config: InstantiateConfig) -> None:
    point_map = _trained(config)
    points = _inputs()
    values, pullback = point_map.with_pullback(points)
    gradient = _output_gradient(values)
    with torch.no_grad():
        shown_values, shown_pullback = point_map.with_pullback(points)
        shown = shown_pullback(gradient)
    assert not shown_values.requires_grad
    assert not shown.requires_grad
    assert torch.equal(shown_values, values)
    assert torch.equal(shown, pullback(gradient))


@over("config", _POINT_MAPS)
def test_no_points_have_no_values(config: InstantiateConfig) -> None:
    nothing = TimedPoints.from_times(torch.zeros(0, 3), torch.zeros(0)).conditioned(torch.zeros(0, 1))
    values, pullback = _trained(config, torch.float32).with_pullback(nothing)
    assert values.shape[0] == 0
    assert pullback(values).shape == (0, 3)


@over("config", _POINT_MAPS)
@pytest.mark.parametrize("progress", [0.0, 0.4, 1.0])
def test_every_encoding_follows_the_schedule(config: InstantiateConfig, progress: float) -> None:
    point_map = _start(config)
    set_progress(point_map, progress)
    for encoding in point_map.modules():
        if isinstance(encoding, WindowedPositionalEncoding):
            expected = WindowedPositionalEncoding(encoding.in_dim, len(encoding.window))
            expected.set_progress(progress)
            torch.testing.assert_close(encoding.window, expected.window.double())


@over("config", {name: WARPS[name] for name in WARPS if name != "identity"})
def test_every_number_of_a_code_matters(config: WarpConfig) -> None:
    warp = _start(config, condition=LatentCodeConditionConfig(dim=3))
    perturb_parameters(warp)
    points, codes = _inputs(), torch.zeros(len(_SIZES), 3, dtype=torch.float64)
    for shift in torch.eye(3, dtype=torch.float64):
        assert (warp(points.conditioned(codes + shift)) != warp(points.conditioned(codes))).any(dim=-1).all()


@over("config", WARPS)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_warps_start_exactly_as_the_identity(config: WarpConfig, dtype: torch.dtype) -> None:
    points = _inputs(dtype)
    assert torch.equal(_start(config, dtype)(points), points.positions)


@over("config", _INVERTIBLE)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 1e-5)])
def test_inverse_inverts(config: WarpConfig, dtype: torch.dtype, tolerance: float) -> None:
    warp = _trained(config, dtype)
    assert isinstance(warp, InvertibleWarp)
    points = _inputs(dtype)
    there, back = points.moved(warp(points)), points.moved(warp.inverse(points))
    torch.testing.assert_close(warp.inverse(there), points.positions, atol=tolerance, rtol=0)
    torch.testing.assert_close(warp(back), points.positions, atol=tolerance, rtol=0)


def test_bijective_warp_shifts_one_coordinate_and_moves_the_others_rigidly() -> None:
    """Along z, y and x, one point at a time."""
    warp = _trained(BijectiveWarpConfig(hidden_dim=8, num_frequencies=0))
    assert isinstance(warp, BijectiveWarp)
    points, expected = _inputs(), []
    for point, code in zip(points.positions.tolist(), points.expanded_condition, strict=True):
        for axis, block in zip((2, 1, 0), warp.blocks, strict=True):
            first, second = (other for other in range(3) if other != axis)
            block_code = (code + block.code(code)).tolist()
            point[axis] -= block.shift(code.new_tensor([point[first], point[second], *block_code])).item()
            angle, *offset = block.motion(code.new_tensor([point[axis], *block_code])).tolist()
            moved = complex(point[first] - offset[0], point[second] - offset[1]) * cmath.exp(-1j * angle)
            point[first], point[second] = moved.real, moved.imag
        expected.append(point)
    torch.testing.assert_close(warp(points), torch.tensor(expected, dtype=torch.float64), atol=1e-13, rtol=1e-13)


def test_bijective_warp_keeps_volumes() -> None:
    """Its steps are shears and rotations."""
    warp = _trained(WARPS["bijective"])
    points = _inputs()
    values, pullback = warp.with_pullback(points)
    rows = [pullback(row.expand_as(values)) for row in torch.eye(3, dtype=torch.float64)]
    assert (values - points.positions).abs().max() > 0.1
    volumes = torch.linalg.det(torch.stack(rows, dim=1))
    torch.testing.assert_close(volumes, torch.ones_like(volumes))


def test_se3_warp_of_one_twist_is_rigid() -> None:
    warp = _start(WARPS["se3"])
    nn.init.constant_(warp.get_parameter("rotation.2.bias"), 0.7)
    nn.init.constant_(warp.get_parameter("translation.2.bias"), -0.2)
    points = _inputs()
    moved, positions = warp(points), points.positions
    assert ((moved - positions).norm(dim=-1) > 0.1).all()
    torch.testing.assert_close(torch.cdist(moved, moved), torch.cdist(positions, positions))


def test_skip_mlp_agrees_with_plain_layers() -> None:
    torch.manual_seed(0)
    mlp = SkipMLP(in_dim=5, hidden_dim=8, num_layers=4, skip_layer=2).double()
    x = torch.randn(6, 5, dtype=torch.float64)
    expected = []
    for point in x:
        hidden = point
        for index, layer in enumerate(mlp.layers):
            seen = [*point.tolist(), *hidden.tolist()] if index == 2 else hidden.tolist()
            hidden = (layer.weight @ torch.tensor(seen, dtype=torch.float64) + layer.bias).clamp(min=0.0)
        expected.append(hidden)
    torch.testing.assert_close(mlp(x), torch.stack(expected), atol=1e-13, rtol=1e-13)


@pytest.mark.parametrize("config", [TranslationWarpConfig, SE3WarpConfig, BijectiveWarpConfig])
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"hidden_dim": 0}, "warp.hidden-dim: expected at least 1, got 0"),
        ({"num_frequencies": -1}, "warp.num-frequencies: expected at least 0, got -1"),
    ],
)
def test_sizes_that_no_warp_can_have(config: type[WarpConfig], options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}$"):
        config(**options)


@pytest.mark.parametrize("config", [TranslationWarpConfig, SE3WarpConfig])
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_layers": 1}, "warp.num-layers: expected at least 2, got 1"),
        ({"num_layers": 4, "skip_layer": 4}, "warp.skip-layer: expected 1 to 3, got 4"),
        ({"num_layers": 4, "skip_layer": 0}, "warp.skip-layer: expected 1 to 3, got 0"),
    ],
)
def test_skips_that_do_not_fit(config: type[WarpConfig], options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}$"):
        config(**options)
