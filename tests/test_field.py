"""Dynamic fields: the gradient is the number's own, time enters through the parts, residuals can be left out."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from resfields_ns.fields.ambient import MomentAmbientConfig
from resfields_ns.fields.densities import Density, LaplaceDensity, ReLUDensity
from resfields_ns.fields.dynamic_field import COLOURS, ENCODINGS, DynamicField, DynamicFieldConfig
from resfields_ns.functional.segments import TimedPoints, TimeSegments
from resfields_ns.layers import largest_rank, set_progress, show_residuals
from tests.cases import fill_parameters, over
from tests.methods import FIELDS

_SIZES = {"num_layers": 4, "hidden_dim": 24, "skip_layers": (2,), "feature_dim": 5, "rank": 2}
_SMALL = {
    **_SIZES,
    "num_frequencies": 2,
    "ambient": MomentAmbientConfig(num_frequencies=2),
    "residual_layers": (1, 2, 3),
}


def _start(config: DynamicFieldConfig, density: Density | None = None) -> DynamicField:
    torch.manual_seed(0)
    return config.setup(num_frames=5, density=density or LaplaceDensity(0.1)).double()


def _field(**options: Any) -> DynamicField:
    field = _start(DynamicFieldConfig(**(_SMALL | options)))
    fill_parameters(field, scale=0.3)
    return field


def _with_large_encodings(field: DynamicField, progress: float) -> DynamicField:
    """Weights as after training, where encodings have an effect."""
    for layer in field.mlp.layers[:3]:
        weight = layer.get_parameter("weight")
        nn.init.normal_(weight, 0.0, weight.shape[1] ** -0.5)
    set_progress(field, progress)
    return field


def _points() -> TimedPoints:
    positions = torch.rand(8, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64) * 2.0 - 1.0
    return TimedPoints(positions, TimeSegments(torch.tensor([0.0, 0.3, 1.0], dtype=torch.float64), (3, 1, 4)))


def _elsewhen(points: TimedPoints) -> TimedPoints:
    return replace(points, segments=replace(points.segments, times=(points.segments.times + 0.4) / 1.5))


def _assert_gradient_is_numerical(field: DynamicField, step: float, tolerance: float) -> None:
    points = _points()
    _, gradient, _ = field.raw_gradient_and_feature(points)
    for axis, shift in enumerate(step * torch.eye(3, dtype=torch.float64)):
        ahead, behind = (field.raw_and_feature(points.moved(points.positions + sign * shift))[0] for sign in (1, -1))
        numerical = (ahead - behind) / (2 * step)
        torch.testing.assert_close(gradient[:, axis], numerical, atol=tolerance, rtol=10.0 * tolerance)


@pytest.mark.parametrize("progress", [0.0, 0.6, 1.0])
@pytest.mark.parametrize("residual_layers", [(), (1, 2, 3), (0, 1, 2, 3, 4)])
def test_gradient_is_the_numerical_one(residual_layers: tuple[int, ...], progress: float) -> None:
    field = _with_large_encodings(_field(residual_layers=residual_layers), progress)
    _assert_gradient_is_numerical(field, step=1e-6, tolerance=1e-6)


@pytest.mark.parametrize("progress", [0.0, 0.6, 1.0])
def test_both_queries_see_the_same_field(progress: float) -> None:
    field = _with_large_encodings(_field(), progress)
    sdf, feature = field.raw_and_feature(_points())
    sdf_too, _, feature_too = field.raw_gradient_and_feature(_points())
    torch.testing.assert_close(sdf_too, sdf, atol=1e-13, rtol=1e-13)
    torch.testing.assert_close(feature_too, feature, atol=1e-13, rtol=1e-13)


def test_a_point_has_the_same_values_alone() -> None:
    field = _with_large_encodings(_field(), 1.0)
    points = _points()
    together = field.raw_gradient_and_feature(points)
    for k, time in enumerate(points.segments.expand(points.segments.times)):
        alone = field.raw_gradient_and_feature(TimedPoints.at(points.positions[k : k + 1], time))
        for mine, theirs in zip(alone, together, strict=True):
            torch.testing.assert_close(mine[0], theirs[k], atol=1e-12, rtol=1e-12)


def test_residuals_bring_in_time_without_the_encoding_of_time() -> None:
    """At the start time has no weight of its own in the first layers, so that residuals alone make it matter."""
    field = _field()
    moved = field.raw_and_feature(_points())[0] - field.raw_and_feature(_elsewhen(_points()))[0]
    assert (moved.abs() > 1e-4).all()


def test_without_residuals_a_field_starts_still() -> None:
    field = _field(residual_layers=())
    for mine, theirs in zip(field.raw_and_feature(_points()), field.raw_and_feature(_elsewhen(_points())), strict=True):
        assert torch.equal(mine, theirs)


def test_without_residuals_the_encoding_of_time_brings_it_in() -> None:
    field = _with_large_encodings(_field(residual_layers=()), 1.0)
    moved = field.raw_and_feature(_points())[0] - field.raw_and_feature(_elsewhen(_points()))[0]
    assert (moved.abs() > 1e-4).all()


def test_window_progress_reaches_both_encodings() -> None:
    field = _field()
    set_progress(field, 0.5)
    for window in ("encoding.window", "ambient.encoding.window"):
        assert field.get_buffer(window).tolist() == pytest.approx([1.0, 0.0])


def test_no_points_have_no_values() -> None:
    nothing = TimedPoints.from_times(torch.zeros(0, 3, dtype=torch.float64), torch.zeros(0, dtype=torch.float64))
    sdf, gradient, feature = _field().raw_gradient_and_feature(nothing)
    assert (sdf.shape, gradient.shape, feature.shape) == ((0,), (0, 3), (0, 5))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rank": 0}, r"field\.rank: expected at least 1, got 0"),
        ({"coefficient_fraction": 0.0}, r"field\.coefficient-fraction: expected above 0 and at most 1, got 0\.0"),
        ({"coefficient_fraction": 1.1}, r"field\.coefficient-fraction: expected above 0 and at most 1, got 1\.1"),
        ({"residual_layers": (1, 5)}, r"field\.residual-layers: expected 0 to 4, got 5"),
        ({"residual_layers": (-1,)}, r"field\.residual-layers: expected 0 to 4, got -1"),
        ({"skip_layers": (0,)}, r"field\.skip-layers: expected 1 to 3, got 0"),
        ({"skip_layers": (4,)}, r"field\.skip-layers: expected 1 to 3, got 4"),
        ({"hidden_dim": 20}, r"hidden_dim: expected above the 20 inputs, got 20"),
        ({"gaussian_scale": 0.0}, r"field\.gaussian-scale: expected above 0, got 0\.0"),
    ],
)
def test_errors_name_the_option(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}$"):
        _start(DynamicFieldConfig(**(_SMALL | options)))


@over("make", COLOURS)
def test_colours_are_colours(make: type[nn.Module]) -> None:
    torch.manual_seed(0)
    colours = make(5, 16)(torch.randn(50, 5) * 10.0, nn.functional.normalize(torch.randn(50, 3), dim=-1))
    assert colours.shape == (50, 3)
    assert ((colours >= 0.0) & (colours <= 1.0)).all()
    assert (colours.std(dim=0) > 0.0).all()


@pytest.mark.parametrize(("colour", "depends"), [("feature", False), ("view", True), ("view-basis", True)])
def test_colour_depends_on_direction_if_asked(colour: str, depends: bool) -> None:
    field = _field(colour=colour)
    feature = torch.randn(6, 5, dtype=torch.float64)
    directions = nn.functional.normalize(torch.randn(6, 3, dtype=torch.float64), dim=-1)
    same = torch.equal(field.colour(feature, directions), field.colour(feature, -directions))
    assert same != depends


def _method_field(config: DynamicFieldConfig) -> DynamicField:
    """A method's field with every parameter moved, so that all of its parts matter."""
    field = _start(config)
    with torch.no_grad():
        for parameter in field.parameters():
            parameter.add_(0.03 * torch.randn_like(parameter))
    fill_parameters(field, scale=0.1)
    set_progress(field, 0.6)
    return field


@over("config", FIELDS)
def test_gradient_of_every_method_is_the_numerical_one(config: DynamicFieldConfig) -> None:
    _assert_gradient_is_numerical(_method_field(config), step=1e-7, tolerance=1e-5)


@pytest.mark.parametrize("encoding", list(ENCODINGS))
def test_gradient_with_every_encoding_is_the_numerical_one(encoding: Any) -> None:
    _assert_gradient_is_numerical(_method_field(DynamicFieldConfig(encoding=encoding)), step=1e-7, tolerance=1e-5)


@over("config", FIELDS)
def test_values_are_the_same_with_and_without_the_gradient(config: DynamicFieldConfig) -> None:
    field = _method_field(config)
    raw, feature = field.raw_and_feature(_points())
    for raw_too, _, feature_too in (field.raw_gradient_and_feature(_points()), _without_autograd(field)):
        torch.testing.assert_close(raw_too, raw, atol=1e-12, rtol=1e-12)
        torch.testing.assert_close(feature_too, feature, atol=1e-12, rtol=1e-12)


def _without_autograd(field: DynamicField) -> tuple[Tensor, Tensor, Tensor]:
    with torch.no_grad():
        values = field.raw_gradient_and_feature(_points())
    assert not any(value.requires_grad for value in values)
    return values


@over("config", FIELDS)
def test_an_eikonal_loss_reaches_every_part(config: DynamicFieldConfig) -> None:
    field = _method_field(config)
    raw, gradient, feature = field.raw_gradient_and_feature(_points())
    colours = field.colour(feature, torch.ones(8, 3, dtype=torch.float64))
    density = field.density(raw)
    ((gradient.norm(dim=-1) - 1.0).square().mean() + density.mean() + colours.mean()).backward()
    for name, parameter in field.named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all(), name


@over("config", FIELDS)
def test_without_its_residuals_a_method_is_its_baseline(config: DynamicFieldConfig) -> None:
    """Bit for bit, where the two share their other parameters."""
    field, plain = _method_field(config).eval(), _start(replace(config, residual_layers=()))
    missing, unexpected = plain.load_state_dict(field.state_dict(), strict=False)
    assert not missing and all(name.endswith(("table", "basis")) for name in unexpected)
    show_residuals(field, 0.0, config.rank)
    for shown, baseline in zip(
        field.raw_gradient_and_feature(_points()), plain.raw_gradient_and_feature(_points()), strict=True
    ):
        assert torch.equal(shown, baseline)


@over("config", FIELDS)
def test_a_field_is_continuous_over_time(config: DynamicFieldConfig) -> None:
    """Between frames as at them: codes, coefficients and planes interpolate."""
    field = _method_field(config)
    positions = _points().positions
    for time in (0.25, 0.4, 0.5):
        near, there = (field.raw_and_feature(TimedPoints.at(positions, value))[0] for value in (time + 1e-4, time))
        torch.testing.assert_close(near, there, atol=0.05, rtol=0)
        assert not torch.equal(near, there)


def test_shown_residuals_do_not_touch_training() -> None:
    field = _method_field(DynamicFieldConfig())
    whole = field.raw_and_feature(_points())[0]
    show_residuals(field, 0.5, 3)
    assert torch.equal(field.raw_and_feature(_points())[0], whole)
    assert not torch.equal(field.eval().raw_and_feature(_points())[0], whole)
    show_residuals(field, 1.0, largest_rank(field))
    assert torch.equal(field.raw_and_feature(_points())[0], whole)


@over("config", FIELDS)
def test_a_field_of_a_density_starts_dense_inside(config: DynamicFieldConfig) -> None:
    points = TimedPoints.at(torch.tensor([[0.05, 0.0, 0.02], [0.9, 0.9, 0.9]], dtype=torch.float64), 0.0)
    distance, density = (
        _start(config, kind).raw_and_feature(points)[0] for kind in (LaplaceDensity(0.1), ReLUDensity(0.001))
    )
    torch.testing.assert_close(density, -distance)
    assert density[0] > 0.0 > density[1]
