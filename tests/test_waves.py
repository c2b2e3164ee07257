"""Waves: derivatives are those of differences, known solutions solve the equations, references converge."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from resfields_ns.captures.clips.wave_references import (
    SIDE,
    HelmholtzReference,
    MembraneReference,
    grid_points,
    move_membrane,
    solve_helmholtz,
)
from resfields_ns.data.wave_data import WaveBatches, WaveDataManagerConfig
from resfields_ns.dataparsers.plane_waves import HelmholtzDataParserConfig
from resfields_ns.fields.siren_field import SirenField, SirenFieldConfig
from resfields_ns.fields.value_field import PlaneWave
from resfields_ns.functional.jets import Jet
from resfields_ns.functional.segments import TimedPoints, TimeSegments
from resfields_ns.functional.wave_equations import HelmholtzEquation, Membrane, wave_colours
from resfields_ns.models.wave_model import WaveModelConfig
from tests.methods import METHODS, tiny_config, trained

MEMBRANE = Membrane(speed=1.3, seconds=0.8, pulse_width=0.2)
HELMHOLTZ = HelmholtzEquation(wave_number=8.0, source_width=0.15, layer=0.3, absorption=5.0)
EQUATIONS = {"membrane": MEMBRANE, "helmholtz": HELMHOLTZ}
NUM_FRAMES = 6


def _field(equation: Any, **options: Any) -> SirenField:
    torch.manual_seed(0)
    config = SirenFieldConfig(hidden_dim=12, num_layers=2, residual_layers=(0, 1, 2), coefficients="spline")
    field = replace(config, **options).setup(num_frames=NUM_FRAMES, quantity=PlaneWave(equation, SIDE)).double()
    with torch.no_grad():
        for layer in field.mlp.layers:
            if hasattr(layer, "coefficients"):
                layer.coefficients.table.mul_(100.0)
    return field


def _points() -> TimedPoints:
    """Points at three moments that are none of frames."""
    positions = 1.8 * torch.rand(15, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(1)) - 0.9
    return TimedPoints(positions, TimeSegments(torch.tensor([0.13, 0.41, 0.77], dtype=torch.float64), (4, 5, 6)))


def _moved(points: TimedPoints, direction: int, step: float) -> TimedPoints:
    """By a step in time (0), or along a coordinate."""
    segments, offset = points.segments, torch.zeros(3, dtype=torch.float64)
    offset[direction] = step
    return TimedPoints(points.positions + offset[1:], TimeSegments(segments.times + offset[0], segments.sizes))


@pytest.mark.parametrize("residual_layers", [(), (1,), (0, 1, 2)])
@pytest.mark.parametrize("with_time", [True, False])
def test_jets_are_what_differences_approach(residual_layers: tuple[int, ...], with_time: bool) -> None:
    field, points, step = _field(HELMHOLTZ, residual_layers=residual_layers), _points(), 1e-5
    jet, values = field.jet(points, with_time), field.values(points)
    assert torch.allclose(jet.values, values, atol=1e-12)
    for index, direction in enumerate(range(3) if with_time else (1, 2)):
        behind, before = (field.values(_moved(points, direction, sign * step)) for sign in (1.0, -1.0))
        first, second = (behind - before) / (2.0 * step), (behind - 2.0 * values + before) / step**2
        for found, expected in ((jet.first(index), first), (jet.second(index), second)):
            assert (found - expected).abs().max() < 1e-4 * expected.abs().max()


def test_jets_can_be_trained_on() -> None:
    """Gradients by every parameter, those of time-dependent weights included, are those of differences."""
    field, points = _field(MEMBRANE, hidden_dim=4), _points()

    def loss() -> torch.Tensor:
        jet = field.jet(points, True)
        return 1e-6 * (jet.second(0).square().sum() + jet.second(1).square().sum())

    loss().backward()
    for name, parameter in field.named_parameters():
        place, step = (0,) * parameter.dim(), 1e-6
        with torch.no_grad():
            parameter[place] += step
            above = loss()
            parameter[place] -= 2.0 * step
            difference = (above - loss()) / (2.0 * step)
            parameter[place] += step
        assert parameter.grad is not None
        assert parameter.grad[place].item() == pytest.approx(difference.item(), rel=1e-3, abs=1e-6), name


def test_without_residual_weights_the_jet_is_the_plain_networks() -> None:
    """Coefficients of zero, as the plain network has none."""
    field, points = _field(MEMBRANE), _points()
    plain = _field(MEMBRANE, residual_layers=())
    plain.load_state_dict({k: v for k, v in field.state_dict().items() if k in plain.state_dict()})
    for layer in field.mlp.layers:
        layer.coefficients.table.data.zero_()  # pyright: ignore
    assert torch.allclose(field.jet(points, True).rows, plain.jet(points, True).rows, atol=1e-12)


@pytest.mark.parametrize("angle", [0.0, 0.7])
def test_a_plane_wave_solves_the_wave_equation(angle: float) -> None:
    """u = sin(k . x - c T |k| tau), its second derivatives written down."""
    k = 7.0 * torch.tensor([np.cos(angle), np.sin(angle)], dtype=torch.float64)
    points = _points()
    phase = points.positions @ k - MEMBRANE.speed * MEMBRANE.seconds * 7.0 * points.segments.expand(
        points.segments.times
    )
    accelerations = -((MEMBRANE.speed * MEMBRANE.seconds * 7.0) ** 2) * phase.sin()
    assert MEMBRANE.residual(accelerations, -49.0 * phase.sin()).abs().max() < 1e-12
    assert MEMBRANE.residual(1.1 * accelerations, -49.0 * phase.sin()).abs().max() > 0.01


def test_a_plane_wave_solves_the_helmholtz_equation_far_from_the_source() -> None:
    """exp(-i k x) has no residual but the source, where there is no layer; in the layer, x is stretched."""
    equation = replace(HELMHOLTZ, source_width=0.02)
    x = torch.tensor([0.3, 0.55, -0.6, 0.85, 0.99], dtype=torch.float64)
    k = equation.wave_number
    depth = (x.abs() - 0.7).clamp(min=0.0)
    stretched = torch.complex(x, -x.sign() * equation.absorption * depth**3 / (3.0 * equation.layer**2))
    u = torch.exp(-1j * k * stretched)
    e_x, slope = equation.stretch(x)
    first, second = -1j * k * e_x * u, (-(k**2) * e_x**2 - 1j * k * slope) * u
    zero = torch.zeros_like(u)
    rows = torch.stack([torch.view_as_real(part) for part in (u, first, zero, second, zero)], dim=1)
    points = torch.stack((x, torch.full_like(x, 0.2)), dim=1)
    residuals = equation.residuals(Jet(rows), points, x)
    assert residuals.abs().max() < 1e-9
    assert equation.compared(points).tolist() == [True, True, True, False, False]
    assert u[0].abs() == pytest.approx(1.0) and u[-1].abs() < 0.1  # the wave that goes outward ends in the layer


def test_the_start_is_what_is_given_whatever_the_network_says() -> None:
    field, points = _field(MEMBRANE), _points().positions
    quantity = field.quantity
    assert isinstance(quantity, PlaneWave)
    pulse = torch.exp(-points.square().sum(dim=1, keepdim=True) / (2.0 * 0.2**2))
    at_start, shortly = (quantity.solution(field, TimedPoints.at(points, time)) for time in (0.0, 1e-6))
    assert torch.allclose(at_start, pulse, atol=1e-12)
    assert (shortly - at_start).abs().max() < 1e-8  # at rest


@pytest.mark.parametrize("name", EQUATIONS)
def test_residuals_are_those_of_the_solution_by_differences(name: str) -> None:
    """Of the membrane: s^2 (u_tt / c^2 - u_xx - u_yy); of Helmholtz' equation, outside of the layer, u's own."""
    equation, step = EQUATIONS[name], 1e-4
    field, points = _field(equation, hidden_dim=6), _points()
    points = points.moved(0.6 * points.positions)
    quantity, times = field.quantity, points.segments.expand(points.segments.times)
    assert isinstance(quantity, PlaneWave)
    with torch.no_grad():
        for layer in field.mlp.layers:
            layer.weight.mul_(0.3)
            layer.basis.mul_(0.1)  # pyright: ignore
    found = equation.residuals(field.jet(points, equation.with_time), points.positions, times)
    middle = quantity.solution(field, points)
    t, x, y = (
        (
            quantity.solution(field, _moved(points, direction, step))
            - 2.0 * middle
            + quantity.solution(field, _moved(points, direction, -step))
        )
        / step**2
        for direction in range(3)
    )
    pulse = torch.exp(-points.positions.square().sum(dim=1) / (2.0 * 0.15**2))
    if name == "membrane":
        expected = 0.2**2 * (t / (1.3 * 0.8) ** 2 - x - y)
    else:
        expected = (x + y) / 64.0 + middle + torch.stack((pulse, torch.zeros_like(pulse)), dim=1)
    assert (found - expected).abs().max() < 1e-3 * expected.abs().max()


def _orders(error: Any) -> list[float]:
    errors = [error(n) for n in (17, 33, 65)]
    return [float(np.log2(coarse / fine)) for coarse, fine in zip(errors, errors[1:], strict=False)]


def _mode(n: int) -> np.ndarray:
    return np.cos(0.5 * np.pi * grid_points(n)).prod(axis=-1)


def test_the_membrane_by_differences_converges_at_second_order() -> None:
    """To its lowest mode, which is known."""
    moments = np.cos(1.3 * np.pi / np.sqrt(2.0) * np.linspace(0.0, 2.0, 5))[:, None, None]
    orders = _orders(lambda n: np.abs(move_membrane(_mode(n), 1.3, 2.0, 5) - moments * _mode(n)).max())
    assert all(1.8 < order < 2.3 for order in orders)


def test_helmholtz_by_differences_converges_at_second_order() -> None:
    """To a made-up solution without a layer, and its source."""
    equation = replace(HELMHOLTZ, wave_number=5.0, absorption=0.0)

    def error(n: int) -> float:
        source = (-(25.0 - 0.5 * np.pi**2) * _mode(n)).astype(np.complex128)
        return float(np.abs(solve_helmholtz(equation, source) - _mode(n)).max())

    assert all(1.8 < order < 2.3 for order in _orders(error))


def test_outgoing_waves_end_in_the_layer() -> None:
    """Outside of source and layer, the reference is the Green's function of free space, times the source's strength."""
    from scipy.special import hankel2

    k, s = HELMHOLTZ.wave_number, HELMHOLTZ.source_width
    found = HelmholtzReference(HELMHOLTZ).frames[0]
    points = grid_points(SIDE)
    radius = np.linalg.norm(points, axis=-1)
    far = (radius > 0.6) & HELMHOLTZ.compared(torch.from_numpy(points.reshape(-1, 2))).numpy().reshape(SIDE, SIDE)
    expected = -0.25j * hankel2(0, k * radius[far]) * k**2 * 2.0 * np.pi * s**2 * np.exp(-0.5 * (s * k) ** 2)
    difference = found[far] @ np.array([1.0, 1.0j]) - expected
    assert np.linalg.norm(difference) < 0.01 * np.linalg.norm(expected)


def test_the_reference_membrane_starts_as_the_pulse_and_stays_held() -> None:
    frames = MembraneReference(MEMBRANE, 4).frames
    assert frames.shape == (4, SIDE, SIDE, 1)
    pulse = np.exp(-(grid_points(SIDE) ** 2).sum(axis=-1) / (2.0 * 0.2**2))
    assert np.abs(frames[0, 1:-1, 1:-1, 0] - pulse[1:-1, 1:-1]).max() < 1e-6
    assert not frames[:, 0].any() and not frames[:, :, -1].any()


def test_points_lie_in_the_square_and_at_its_border() -> None:
    batches = WaveBatches(5, source=0.1)
    points, known = batches.draw(batches.frames, 80)
    assert points.abs().max() <= 1.0 and known["border"].float().mean() == 0.125
    assert torch.equal((points.abs() == 1.0).any(dim=1), known["border"])
    assert (points.norm(dim=1) < 0.6).float().mean() > 0.375
    moments = torch.stack([batches.moments(batches.frames) for _ in range(50)])
    assert (moments.diff(dim=1) >= 0.0).all() and moments.min() >= 0.0 and moments.max() <= 4.0
    assert (moments - batches.frames).abs().max() > 0.4


def test_colours_tell_signs() -> None:
    blue, white, red = wave_colours(torch.tensor([-2.0, 0.0, 1.0]))
    assert blue[2] > blue[0] and red[0] > red[2] and torch.equal(white, torch.ones(3))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"coefficients": "linear"}, "coefficients: expected spline, as the equation needs second .*, got linear"),
        ({"residual": "cp"}, "residual: expected low-rank, as .*, got cp"),
        ({"weight_chunks": 2}, "weight-chunks: expected 1, as .*, got 2"),
    ],
)
def test_weights_without_second_derivatives_are_refused(options: dict[str, Any], message: str) -> None:
    field = replace(WaveModelConfig().field, **options)
    with pytest.raises(ValueError, match=f"^--pipeline.model.field.{message}"):
        WaveModelConfig(field=field)
    WaveModelConfig(field=replace(field, residual_layers=()))


def test_the_helmholtz_equation_is_learnt_and_compared_outside_of_the_layer(tmp_path: Path) -> None:
    config = tiny_config(METHODS["helmholtz"], tmp_path, tmp_path)
    dataparser = HelmholtzDataParserConfig(wave_number=4.0, source_width=0.3)
    assert isinstance(config.pipeline.datamanager, WaveDataManagerConfig)
    config.pipeline.datamanager.dataparser = dataparser
    pipeline: Any = trained(config).pipeline
    metrics = pipeline.get_average_eval_image_metrics()
    assert metrics["facts"]["frames"] == [0] and metrics["facts"]["wave_number"] == 4.0
    reference = pipeline.model.frame(0) - torch.from_numpy(dataparser.reference.frames[0])
    inside = reference[20:-20, 20:-20]  # the layer has 19 grid points
    squared_error = metrics["per_frame"][0]["squared_error"]
    assert squared_error == pytest.approx(inside.square().sum().item(), rel=1e-3)
