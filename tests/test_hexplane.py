"""HexPlane: products of complementary planes, which start still and know their gradient."""

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from resfields_ns.fields.conditions import LatentCodeConditionConfig, TimeConditionConfig
from resfields_ns.fields.hexplane import HexPlaneAmbient, HexPlaneConfig
from resfields_ns.fields.point_map import PointMap
from resfields_ns.functional.segments import ConditionedPoints, TimedPoints, TimeSegments
from resfields_ns.layers import ReLUGeometricMLP, ResidualOptions, parameter_groups, part_losses

_SEGMENTS = TimeSegments(torch.tensor([0.0, 0.3, 1.0], dtype=torch.float64), (3, 1, 4))
_CONDITION = 2.0 * _SEGMENTS.times[:, None] - 1.0


def _hexplane() -> HexPlaneAmbient:
    """As after training, where time matters."""
    hexplane = _start()
    torch.nn.init.normal_(hexplane.planes)
    return hexplane


def _start(**options: float) -> HexPlaneAmbient:
    torch.manual_seed(0)
    config = HexPlaneConfig(resolution=6, features=2, **options)  # pyright: ignore[reportArgumentType]
    return config.setup(condition=TimeConditionConfig().setup(num_frames=5)).double()


def _points() -> ConditionedPoints:
    """Inside and beyond the planes."""
    positions = torch.rand(8, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64) * 2.4 - 1.2
    return ConditionedPoints(positions, _SEGMENTS, _CONDITION)


def _slow_features(hexplane: HexPlaneAmbient, points: ConditionedPoints) -> Tensor:
    coordinates = dict(zip("xyz", points.positions.unbind(dim=1), strict=True), t=points.expanded_condition[:, 0])

    def plane(index: int, axes: str) -> Tensor:
        grid = torch.stack([coordinates[axis] for axis in reversed(axes)], dim=-1)
        image = hexplane.planes[index].permute(2, 0, 1)
        values = F.grid_sample(image[None], grid[None, :, None], padding_mode="border", align_corners=True)
        return values[0, :, :, 0].t()

    products = (plane(0, "xy") * plane(3, "zt"), plane(1, "xz") * plane(4, "yt"), plane(2, "yz") * plane(5, "xt"))
    return torch.cat(products, dim=1)


def _eikonal_like(values: Tensor, gradient: Tensor) -> Tensor:
    return (gradient.norm(dim=-1) - 1.0).square().sum() + values.square().sum()


def test_features_are_products_of_complementary_planes() -> None:
    hexplane, points = _hexplane(), _points()
    features = hexplane(points)
    assert features.shape == (8, hexplane.out_dim)
    torch.testing.assert_close(features, _slow_features(hexplane, points), atol=1e-13, rtol=1e-13)


def test_pullback_is_that_of_autograd() -> None:
    """In values and gradients, and in the gradients of a loss on both with respect to the planes."""
    hexplane, points = _hexplane(), _points()
    gradient = torch.randn(8, 6, generator=torch.Generator().manual_seed(2), dtype=torch.float64, requires_grad=True)
    values, pullback = hexplane.with_pullback(points)
    expected_values, expected_pullback = PointMap.with_pullback(hexplane, points)
    mine, theirs = pullback(gradient), expected_pullback(gradient)
    torch.testing.assert_close(values, expected_values, atol=1e-13, rtol=1e-13)
    torch.testing.assert_close(mine, theirs, atol=1e-12, rtol=1e-12)
    inputs = (hexplane.planes, gradient)
    for first, second in zip(
        torch.autograd.grad(_eikonal_like(values, mine), inputs),
        torch.autograd.grad(_eikonal_like(expected_values, theirs), inputs),
        strict=True,
    ):
        assert first.isfinite().all()
        torch.testing.assert_close(first, second, atol=1e-11, rtol=1e-11)


def test_pullback_is_the_numerical_one() -> None:
    hexplane, points = _hexplane(), _points()
    gradient = torch.randn(8, 6, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    _, pullback = hexplane.with_pullback(points)
    step = 1e-6
    for axis, shift in enumerate(step * torch.eye(3, dtype=torch.float64)):
        ahead, behind = (hexplane(points.moved(points.positions + sign * shift)) for sign in (1, -1))
        numerical = ((ahead - behind) / (2 * step) * gradient).sum(dim=1)
        torch.testing.assert_close(pullback(gradient)[:, axis], numerical, atol=1e-8, rtol=1e-8)


def test_gradients_reach_points_that_were_moved_before() -> None:
    """Second-order gradients in the points included."""
    hexplane, points = _hexplane(), _points()

    def pulled_back(positions: Tensor) -> tuple[Tensor, Tensor]:
        values, pullback = hexplane.with_pullback(points.moved(positions))
        return values, pullback(values)

    assert torch.autograd.gradcheck(pulled_back, points.positions.requires_grad_())


def test_a_point_has_the_same_features_alone() -> None:
    hexplane, points = _hexplane(), _points()
    together = hexplane(points)
    for k, time in enumerate(_SEGMENTS.expand(_SEGMENTS.times)):
        point = TimedPoints.at(points.positions[k : k + 1], time)
        alone = hexplane(point.conditioned(points.expanded_condition[k : k + 1]))
        torch.testing.assert_close(alone[0], together[k], atol=1e-14, rtol=1e-14)


def test_starts_still_and_visible() -> None:
    """Features do not depend on time, and none is zero, so that the MLP's weights on them can leave zero."""
    hexplane, points = _start(), _points()
    features = hexplane(points)
    torch.testing.assert_close(features, hexplane(points.conditioned(-_CONDITION)), atol=1e-15, rtol=0)
    assert (features >= 0.1 - 1e-6).all() and (features <= 0.5 + 1e-6).all()
    assert (features.std(dim=0) > 0.0).all()


def test_a_field_starts_as_a_sphere_whatever_the_planes_hold() -> None:
    hexplane, points = _hexplane(), _points()
    mlp = ReLUGeometricMLP(3, 9, 64, 3, 5, (), 0.5, ResidualOptions(()).layer_maker(5)).double()
    inputs = torch.cat((points.positions, hexplane(points)), dim=1)
    assert torch.equal(mlp(inputs, _SEGMENTS), mlp(F.pad(points.positions, (0, 6)), _SEGMENTS))


def test_a_moment_that_is_no_frame_lies_between_its_neighbours() -> None:
    hexplane, point = _hexplane(), _points().positions[:1]
    nodes = torch.linspace(-1.0, 1.0, 6, dtype=torch.float64)

    def at(time: Tensor) -> Tensor:
        return hexplane(TimedPoints.at(point, time).conditioned(time.view(1, 1)))

    torch.testing.assert_close(at(0.7 * nodes[2] + 0.3 * nodes[3]), 0.7 * at(nodes[2]) + 0.3 * at(nodes[3]))


def test_total_variation_sees_every_plane() -> None:
    hexplane = _hexplane()
    (gradient,) = torch.autograd.grad(part_losses(hexplane)["total_variation"], hexplane.planes)
    assert (gradient != 0.0).all()
    torch.nn.init.ones_(hexplane.planes)
    assert part_losses(hexplane)["total_variation"].item() == 0.0


def test_total_variation_is_weighted() -> None:
    half, whole = (part_losses(_start(total_variation_weight=weight)) for weight in (0.5, 1.0))
    torch.testing.assert_close(2.0 * half["total_variation"], whole["total_variation"])
    assert part_losses(_start(total_variation_weight=0.0)) == {}


def test_planes_are_trained_apart() -> None:
    hexplane = _hexplane()
    groups = parameter_groups(torch.nn.ModuleList([torch.nn.Linear(2, 2), hexplane]), rest="field")
    assert list(groups) == ["field", "planes"]
    assert [tuple(parameter.shape) for parameter in groups["field"]] == [(2, 2), (2,)]
    assert len(groups["planes"]) == 1 and groups["planes"][0] is hexplane.planes


def test_no_points_have_no_features() -> None:
    hexplane = _hexplane()
    zeros = torch.zeros(0, 3, dtype=torch.float64)
    points = TimedPoints.from_times(zeros, zeros[:, 0]).conditioned(zeros[:, :1])
    values, pullback = hexplane.with_pullback(points)
    assert hexplane(points).shape == values.shape == (0, 6)
    assert pullback(values).shape == (0, 3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"resolution": 1}, r"ambient\.resolution: expected at least 2, got 1"),
        ({"features": 0}, r"ambient\.features: expected at least 1, got 0"),
        (
            {"total_variation_weight": -1.0},
            r"ambient\.total-variation-weight: expected at least 0, got -1\.0",
        ),
    ],
)
def test_errors_name_the_option(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}$"):
        HexPlaneConfig(**options)


def test_a_code_is_no_time() -> None:
    message = r"field\.condition: expected the time for planes over time, got a LatentCodeCondition"
    with pytest.raises(ValueError, match=f"^{message}$"):
        HexPlaneConfig(resolution=2).setup(condition=LatentCodeConditionConfig(dim=1).setup(num_frames=5))
