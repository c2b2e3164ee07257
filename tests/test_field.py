"""The dynamic SDF field: its gradient is the distance's own, and time enters through the residuals."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from resfields_ns.fields.sdf_field import DynamicSDFField, DynamicSDFFieldConfig
from resfields_ns.functional.segments import TimeSegments
from tests.cases import COLOURS, fill_parameters, over

_SIZES = {"num_layers": 4, "hidden_dim": 24, "skip_layer": 2, "feature_dim": 5, "rank": 2}
_SMALL = {**_SIZES, "num_frequencies": 2, "num_time_frequencies": 2, "residual_layers": (1, 2, 3)}


def _field(**options: Any) -> DynamicSDFField:
    torch.manual_seed(0)
    field = DynamicSDFFieldConfig(**(_SMALL | options)).setup(num_frames=5).double()
    fill_parameters(field, scale=0.3)
    return field


def _with_large_encodings(field: DynamicSDFField, progress: float) -> DynamicSDFField:
    """Weights as after training, where encodings have an effect."""
    for layer in field.sdf_mlp.layers[:3]:
        weight = layer.get_parameter("weight")
        nn.init.normal_(weight, 0.0, weight.shape[1] ** -0.5)
    field.set_window_progress(progress)
    return field


def _points() -> tuple[Tensor, TimeSegments]:
    points = torch.rand(8, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64) * 2.0 - 1.0
    return points, TimeSegments(torch.tensor([0.0, 0.3, 1.0], dtype=torch.float64), (3, 1, 4))


def _elsewhen(segments: TimeSegments) -> TimeSegments:
    return TimeSegments((segments.times + 0.4) / 1.5, segments.sizes)


@pytest.mark.parametrize("progress", [0.0, 0.6, 1.0])
@pytest.mark.parametrize("residual_layers", [(), (1, 2, 3), (0, 1, 2, 3, 4)])
def test_gradient_is_the_numerical_one(residual_layers: tuple[int, ...], progress: float) -> None:
    field = _with_large_encodings(_field(residual_layers=residual_layers), progress)
    points, segments = _points()
    _, gradient, _ = field.sdf_gradient_and_feature(points, segments)
    step = 1e-6
    for axis, shift in enumerate(step * torch.eye(3, dtype=torch.float64)):
        ahead, behind = (field.sdf_and_feature(points + sign * shift, segments)[0] for sign in (1, -1))
        torch.testing.assert_close(gradient[:, axis], (ahead - behind) / (2 * step), atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("progress", [0.0, 0.6, 1.0])
def test_both_queries_see_the_same_field(progress: float) -> None:
    field = _with_large_encodings(_field(), progress)
    points, segments = _points()
    sdf, feature = field.sdf_and_feature(points, segments)
    sdf_too, _, feature_too = field.sdf_gradient_and_feature(points, segments)
    torch.testing.assert_close(sdf_too, sdf, atol=1e-13, rtol=1e-13)
    torch.testing.assert_close(feature_too, feature, atol=1e-13, rtol=1e-13)


def test_a_point_has_the_same_values_alone() -> None:
    field = _with_large_encodings(_field(), 1.0)
    points, segments = _points()
    times = segments.expand(segments.times)
    together = field.sdf_gradient_and_feature(points, segments)
    for k in range(len(points)):
        alone = field.sdf_gradient_and_feature(points[k : k + 1], TimeSegments.single(times[k : k + 1], 1))
        for mine, theirs in zip(alone, together, strict=True):
            torch.testing.assert_close(mine[0], theirs[k], atol=1e-12, rtol=1e-12)


def test_residuals_bring_in_time_without_the_encoding_of_time() -> None:
    """At the start time has no weight of its own in the first layers, so that residuals alone make it matter."""
    points, segments = _points()
    field = _field()
    moved = field.sdf_and_feature(points, segments)[0] - field.sdf_and_feature(points, _elsewhen(segments))[0]
    assert (moved.abs() > 1e-4).all()


def test_without_residuals_a_field_starts_still() -> None:
    points, segments = _points()
    field = _field(residual_layers=())
    for mine, theirs in zip(
        field.sdf_and_feature(points, segments), field.sdf_and_feature(points, _elsewhen(segments)), strict=True
    ):
        assert torch.equal(mine, theirs)


def test_without_residuals_the_encoding_of_time_brings_it_in() -> None:
    points, segments = _points()
    field = _with_large_encodings(_field(residual_layers=()), 1.0)
    moved = field.sdf_and_feature(points, segments)[0] - field.sdf_and_feature(points, _elsewhen(segments))[0]
    assert (moved.abs() > 1e-4).all()


def test_window_progress_reaches_both_encodings() -> None:
    field = _field()
    field.set_window_progress(0.5)
    assert field.point_encoding.window.tolist() == pytest.approx([1.0, 0.0])
    assert field.time_encoding.window.tolist() == pytest.approx([1.0, 0.0])


def test_no_points_have_no_values() -> None:
    segments = TimeSegments.from_times(torch.zeros(0, dtype=torch.float64))
    sdf, gradient, feature = _field().sdf_gradient_and_feature(torch.zeros(0, 3, dtype=torch.float64), segments)
    assert (sdf.shape, gradient.shape, feature.shape) == ((0,), (0, 3), (0, 5))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rank": 0}, r"field\.rank: expected at least 1, got 0"),
        ({"coefficient_fraction": 0.0}, r"field\.coefficient-fraction: expected \(0, 1\], got 0\.0"),
        ({"coefficient_fraction": 1.1}, r"field\.coefficient-fraction: expected \(0, 1\], got 1\.1"),
        ({"residual_layers": (1, 5)}, r"field\.residual-layers: expected 0 to 4, got 5"),
        ({"residual_layers": (-1,)}, r"field\.residual-layers: expected 0 to 4, got -1"),
        ({"skip_layer": 0}, r"field\.skip-layer: expected 1 to 3, got 0"),
        ({"skip_layer": 4}, r"field\.skip-layer: expected 1 to 3, got 4"),
        ({"hidden_dim": 20}, r"field\.hidden-dim: expected above the 20 inputs, got 20"),
    ],
)
def test_errors_name_the_option(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}$"):
        DynamicSDFFieldConfig(**(_SMALL | options))


@over("make", COLOURS)
def test_colours_are_colours(make: type[nn.Module]) -> None:
    torch.manual_seed(0)
    colours = make(5, 16)(torch.randn(50, 5) * 10.0, nn.functional.normalize(torch.randn(50, 3), dim=-1))
    assert colours.shape == (50, 3)
    assert ((colours >= 0.0) & (colours <= 1.0)).all()
    assert (colours.std(dim=0) > 0.0).all()


@pytest.mark.parametrize("view_dependent", [True, False])
def test_colour_depends_on_direction_if_asked(view_dependent: bool) -> None:
    field = _field(view_dependent=view_dependent)
    feature = torch.randn(6, 5, dtype=torch.float64)
    directions = nn.functional.normalize(torch.randn(6, 3, dtype=torch.float64), dim=-1)
    same = torch.equal(field.colour(feature, directions), field.colour(feature, -directions))
    assert same != view_dependent
