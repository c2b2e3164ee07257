"""HexPlane: products of complementary planes, which start still and know their gradient."""

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from resfields_ns.fields.hexplane import HexPlaneAmbient, HexPlaneConfig
from resfields_ns.fields.point_map import PointMap
from resfields_ns.functional.segments import TimeSegments
from resfields_ns.layers import ReLUGeometricMLP, ResidualOptions

_SEGMENTS = TimeSegments(torch.tensor([0.0, 0.3, 1.0], dtype=torch.float64), (3, 1, 4))
_CONDITION = 2.0 * _SEGMENTS.times[:, None] - 1.0


def _hexplane() -> HexPlaneAmbient:
    """As after training, where time matters."""
    torch.manual_seed(0)
    hexplane = HexPlaneConfig(resolution=6, features=2).setup(condition_dim=1).double()
    torch.nn.init.normal_(hexplane.planes)
    return hexplane


def _points() -> Tensor:
    """Inside and beyond the planes."""
    return torch.rand(8, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64) * 2.4 - 1.2


def _slow_features(hexplane: HexPlaneAmbient, points: Tensor) -> Tensor:
    coordinates = dict(zip("xyz", points.unbind(dim=1), strict=True), t=_SEGMENTS.expand(_CONDITION)[:, 0])

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
    features = hexplane(points, _CONDITION, _SEGMENTS)
    assert features.shape == (8, hexplane.out_dim)
    torch.testing.assert_close(features, _slow_features(hexplane, points), atol=1e-13, rtol=1e-13)


def test_pullback_is_that_of_autograd() -> None:
    """In values and gradients, and in the gradients of a loss on both with respect to the planes."""
    hexplane, points = _hexplane(), _points()
    gradient = torch.randn(8, 6, generator=torch.Generator().manual_seed(2), dtype=torch.float64, requires_grad=True)
    values, pullback = hexplane.with_pullback(points, _CONDITION, _SEGMENTS)
    expected_values, expected_pullback = PointMap.with_pullback(hexplane, points, _CONDITION, _SEGMENTS)
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
    _, pullback = hexplane.with_pullback(points, _CONDITION, _SEGMENTS)
    step = 1e-6
    for axis, shift in enumerate(step * torch.eye(3, dtype=torch.float64)):
        ahead, behind = (hexplane(points + sign * shift, _CONDITION, _SEGMENTS) for sign in (1, -1))
        numerical = ((ahead - behind) / (2 * step) * gradient).sum(dim=1)
        torch.testing.assert_close(pullback(gradient)[:, axis], numerical, atol=1e-8, rtol=1e-8)


def test_gradients_reach_points_that_were_moved_before() -> None:
    """Second-order gradients in the points included."""
    hexplane, points = _hexplane(), _points().requires_grad_()

    def pulled_back(points: Tensor) -> tuple[Tensor, Tensor]:
        values, pullback = hexplane.with_pullback(points, _CONDITION, _SEGMENTS)
        return values, pullback(values)

    assert torch.autograd.gradcheck(pulled_back, points)


def test_a_point_has_the_same_features_alone() -> None:
    hexplane, points = _hexplane(), _points()
    times, conditions = _SEGMENTS.expand(_SEGMENTS.times), _SEGMENTS.expand(_CONDITION)
    together = hexplane(points, _CONDITION, _SEGMENTS)
    for k in range(len(points)):
        alone = hexplane(points[k : k + 1], conditions[k : k + 1], TimeSegments.single(times[k : k + 1], 1))
        torch.testing.assert_close(alone[0], together[k], atol=1e-14, rtol=1e-14)


def test_starts_still_and_visible() -> None:
    """Features do not depend on time, and none is zero, so that the MLP's weights on them can leave zero."""
    torch.manual_seed(0)
    hexplane = HexPlaneConfig(resolution=6, features=2).setup(condition_dim=1).double()
    points = _points()
    features = hexplane(points, _CONDITION, _SEGMENTS)
    torch.testing.assert_close(features, hexplane(points, -_CONDITION, _SEGMENTS), atol=1e-15, rtol=0)
    assert (features >= 0.1 - 1e-6).all() and (features <= 0.5 + 1e-6).all()
    assert (features.std(dim=0) > 0.0).all()


def test_a_field_starts_as_a_sphere_whatever_the_planes_hold() -> None:
    hexplane, points = _hexplane(), _points()
    mlp = ReLUGeometricMLP(3, 9, 64, 3, 5, (), 0.5, ResidualOptions(()).layer_maker(5)).double()
    inputs = torch.cat((points, hexplane(points, _CONDITION, _SEGMENTS)), dim=1)
    assert torch.equal(mlp(inputs, _SEGMENTS), mlp(F.pad(points, (0, 6)), _SEGMENTS))


def test_a_moment_that_is_no_frame_lies_between_its_neighbours() -> None:
    hexplane, point = _hexplane(), _points()[:1]
    nodes = torch.linspace(-1.0, 1.0, 6, dtype=torch.float64)

    def at(time: Tensor) -> Tensor:
        return hexplane(point, time.view(1, 1), TimeSegments.single(time.view(1), 1))

    torch.testing.assert_close(at(0.7 * nodes[2] + 0.3 * nodes[3]), 0.7 * at(nodes[2]) + 0.3 * at(nodes[3]))


def test_total_variation_sees_every_plane() -> None:
    hexplane = _hexplane()
    (gradient,) = torch.autograd.grad(hexplane.total_variation(), hexplane.planes)
    assert (gradient != 0.0).all()
    torch.nn.init.ones_(hexplane.planes)
    assert hexplane.total_variation().item() == 0.0


def test_no_points_have_no_features() -> None:
    hexplane = _hexplane()
    segments = TimeSegments.from_times(torch.zeros(0, dtype=torch.float64))
    points, condition = torch.zeros(0, 3, dtype=torch.float64), torch.zeros(0, 1, dtype=torch.float64)
    values, pullback = hexplane.with_pullback(points, condition, segments)
    assert hexplane(points, condition, segments).shape == values.shape == (0, 6)
    assert pullback(values).shape == (0, 3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"resolution": 1}, r"ambient\.resolution: expected at least 2, got 1"),
        ({"features": 0}, r"ambient\.features: expected at least 1, got 0"),
    ],
)
def test_errors_name_the_option(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}$"):
        HexPlaneConfig(**options)


def test_a_code_is_no_time() -> None:
    message = r"condition: expected the time \(1 number\) for planes over time, got 64 numbers"
    with pytest.raises(ValueError, match=f"^{message}$"):
        HexPlaneConfig(resolution=2).setup(condition_dim=64)
