"""Scene flow: the motion models are what their formulas say, and the field starts as stillness."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import scipy.fft
import torch
import torch.nn.functional as F
from torch import Tensor

from resfields_ns.fields.sceneflow_field import MOTIONS, DCTMotion, Motion, SceneFlowFieldConfig
from resfields_ns.functional.curves import dct_basis
from resfields_ns.functional.motion import Flow, flow_between_frames, l1_error
from resfields_ns.functional.segments import TimedPoints, TimeSegments
from resfields_ns.layers.residual_options import RESIDUALS
from tests.cases import fill_parameters, over

_FRAMES = 6
_TIMES = torch.arange(_FRAMES, dtype=torch.float64) / (_FRAMES - 1)
_SEGMENTS = TimeSegments(_TIMES[[0, 2, 5]], (4, 1, 3))
_SMALL = SceneFlowFieldConfig(num_layers=3, hidden_dim=16, residual_layers=(1, 2), rank=2, num_cosines=4)
_MOTIONS: dict[str, Motion] = {name: make(_SMALL, _FRAMES) for name, make in MOTIONS.items()}


def _random(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def _points() -> TimedPoints:
    return TimedPoints(_random(8, 3), _SEGMENTS)


def _slow_flow(name: str, raw: Tensor, points: Tensor) -> Flow:
    """Point by point, from the formulas."""
    steps = [[], []]
    for numbers, x, time in zip(raw, points, _SEGMENTS.expand(_SEGMENTS.times).tolist(), strict=True):
        frame = round(time * (_FRAMES - 1))
        for direction in (0, 1):
            if name == "offset":
                step = numbers[3 * direction : 3 * direction + 3]
            elif name == "se3":
                (a, b, c), v = numbers[6 * direction :][:3], numbers[6 * direction + 3 :][:3]
                zero = torch.zeros_like(a)
                skew = torch.stack([torch.stack(row) for row in ((zero, -c, b), (c, zero, -a), (-b, a, zero))])
                twist = F.pad(torch.cat((skew, v[:, None]), dim=1), (0, 0, 0, 1))
                step = (torch.matrix_exp(twist) @ F.pad(x, (0, 1), value=1.0))[:3] - x
            else:
                step = torch.zeros(3, dtype=torch.float64)
                for k in range(1, 5):
                    there, here = (
                        np.sqrt(2 / _FRAMES) * np.cos(np.pi * k * (2 * u + 1) / (2 * _FRAMES))
                        for u in (frame + (1, -1)[direction], frame)
                    )
                    step = step + (there - here) * numbers[3 * (k - 1) : 3 * k]
            steps[direction].append(step)
    return Flow(*(torch.stack(column) for column in steps))


@pytest.mark.parametrize("name", list(_MOTIONS))
def test_a_motion_is_its_formula(name: str) -> None:
    motion, points = _MOTIONS[name], _points()
    raw = 0.5 * _random(8, motion.num_outputs)
    flow, expected = motion(raw, points), _slow_flow(name, raw, points.positions)
    torch.testing.assert_close(flow.forward, expected.forward, atol=1e-12, rtol=1e-12)
    torch.testing.assert_close(flow.backward, expected.backward, atol=1e-12, rtol=1e-12)


@over("motion", _MOTIONS)
def test_gradients_of_a_motion_are_the_numerical_ones(motion: Motion) -> None:
    def both(raw: Tensor) -> tuple[Tensor, Tensor]:
        flow = motion(raw, _points())
        return flow.forward, flow.backward

    assert torch.autograd.gradcheck(both, (0.5 * _random(8, motion.num_outputs)).requires_grad_())


@over("motion", _MOTIONS)
def test_no_numbers_are_stillness(motion: Motion) -> None:
    flow = motion(torch.zeros(8, motion.num_outputs, dtype=torch.float64), _points())
    assert not flow.forward.any() and not flow.backward.any()


def test_a_trajectory_of_all_cosines_is_the_inverse_transform() -> None:
    """Coefficients of scipy's transform give a trajectory's flow back, through every frame."""
    trajectory = _random(_FRAMES, 3)
    coefficients = torch.from_numpy(scipy.fft.dct(trajectory.numpy(), axis=0, norm="ortho"))[1:]
    motion = DCTMotion(_FRAMES, _FRAMES - 1)
    points = TimedPoints(trajectory, TimeSegments(_TIMES, (1,) * _FRAMES))
    flow = motion(coefficients.reshape(1, -1).expand(_FRAMES, -1), points)
    torch.testing.assert_close(flow.forward[:-1], trajectory.diff(dim=0), atol=1e-12, rtol=0)
    torch.testing.assert_close(flow.backward[1:], -trajectory.diff(dim=0), atol=1e-12, rtol=0)


@pytest.mark.parametrize("num_functions", [1, 4, _FRAMES - 1])
def test_cosines_are_orthonormal(num_functions: int) -> None:
    basis = dct_basis(torch.arange(_FRAMES, dtype=torch.float64), _FRAMES, num_functions)
    torch.testing.assert_close(basis.T @ basis, torch.eye(num_functions, dtype=torch.float64), atol=1e-12, rtol=0)


def test_flow_between_frames_leads_there_and_back() -> None:
    positions = _random(_FRAMES, 7, 3)
    flow = flow_between_frames(positions)
    torch.testing.assert_close((positions + flow.forward)[:-1], positions[1:])
    torch.testing.assert_close((positions + flow.backward)[1:], positions[:-1])
    assert not flow.forward[-1].any() and not flow.backward[0].any()


def test_l1_error_is_a_slow_loop_over_what_exists() -> None:
    flow, target = _random(5, 3), _random(10, 3)[5:]
    exists = torch.tensor([True, False, True, True, False])
    expected = np.mean([sum(abs(float(a - b)) for a, b in zip(flow[i], target[i], strict=True)) for i in (0, 2, 3)])
    assert l1_error(flow, target, exists).item() == pytest.approx(expected)
    assert l1_error(flow, target, torch.zeros(5, dtype=torch.bool)).item() == 0.0


@pytest.mark.parametrize("motion", list(MOTIONS))
@pytest.mark.parametrize("residual", list(RESIDUALS))
@pytest.mark.parametrize("residual_layers", [(), (1, 2), (0, 1, 2, 3)])
def test_the_field_starts_as_stillness(motion: Any, residual: Any, residual_layers: tuple[int, ...]) -> None:
    config = replace(_SMALL, motion=motion, residual=residual, residual_layers=residual_layers)
    flow = config.setup(num_frames=_FRAMES).double().flow(_points())
    assert not flow.forward.any() and not flow.backward.any()


@pytest.mark.parametrize("motion", list(MOTIONS))
def test_a_point_does_not_know_the_others(motion: Any) -> None:
    field = replace(_SMALL, motion=motion).setup(num_frames=_FRAMES).double()
    fill_parameters(field)
    field.mlp.layers[-1].initialise(torch.nn.init.normal_)
    points = _points()
    together = field.flow(points)
    for index, time in enumerate(_SEGMENTS.expand(_SEGMENTS.times)):
        alone = field.flow(TimedPoints.at(points.positions[index : index + 1], time))
        torch.testing.assert_close(alone.forward[0], together.forward[index], atol=1e-12, rtol=1e-10)
        torch.testing.assert_close(alone.backward[0], together.backward[index], atol=1e-12, rtol=1e-10)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_cosines": 0}, "field.num-cosines: expected at least 1, got 0"),
        ({"num_layers": 0}, "field.num-layers: expected at least 1, got 0"),
        ({"hidden_dim": 0}, "field.hidden-dim: expected at least 1, got 0"),
        ({"num_frequencies": -1}, "field.num-frequencies: expected at least 0, got -1"),
        ({"num_time_frequencies": -1}, "field.num-time-frequencies: expected at least 0, got -1"),
        ({"residual_layers": (9,)}, "field.residual-layers: expected 0 to 8, got 9"),
    ],
)
def test_impossible_sizes_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}$"):
        SceneFlowFieldConfig(**options)


def test_a_single_frame_does_not_flow() -> None:
    with pytest.raises(ValueError, match="^num_frames: expected a sequence of at least 2 frames, got 1$"):
        _SMALL.setup(num_frames=1)
