"""Moments: frames are the distinct times of training images, and other times lie between them."""

import numpy as np
import pytest
import torch

from resfields_ns.captures.time_stamps import Moments
from resfields_ns.timeline import times_from_frames

_UNEVEN = np.array([11.0, 3.0, 5.0, 7.0, 5.0])


def test_training_times_are_the_frames() -> None:
    moments = Moments.choose(_UNEVEN, "::")
    assert moments.frame_times.tolist() == [3.0, 5.0, 7.0, 11.0]
    assert moments.positions(_UNEVEN).tolist() == [3.0, 0.0, 1.0, 2.0, 1.0]
    assert moments.chosen(_UNEVEN).all() and moments.covered(_UNEVEN).all()


@pytest.mark.parametrize("num_frames", [2, 7, 150])
def test_even_times_from_0_to_1_stay_as_they_are(num_frames: int) -> None:
    frames = torch.arange(num_frames)
    moments = Moments.choose(times_from_frames(frames, num_frames).double().numpy(), "::")
    between = np.linspace(0.0, 1.0, 41)
    np.testing.assert_allclose(moments.positions(between) / (num_frames - 1), between, atol=1e-6)


def test_other_times_lie_between_frames() -> None:
    moments = Moments.choose(_UNEVEN, "::")
    times = np.array([4.0, 8.0, 10.0])
    assert moments.positions(times).tolist() == [0.5, 2.25, 2.75]
    assert not moments.chosen(times).any()


def test_half_a_frame_outside_is_covered() -> None:
    moments = Moments.choose(_UNEVEN, "::")
    times = np.array([1.9, 2.0, 13.0, 13.1])
    assert moments.covered(times).tolist() == [False, True, True, False]
    assert moments.positions(times).tolist() == [0.0, 0.0, 3.0, 3.0]


def test_chosen_frames() -> None:
    moments = Moments.choose(_UNEVEN, "1:4:2")
    assert moments.frame_times.tolist() == [5.0, 11.0]
    assert moments.chosen(_UNEVEN).tolist() == [True, False, True, False, True]
    assert moments.positions(np.array([5.0, 7.0, 11.0])).tolist() == [0.0, 0.5, 1.0]
    assert moments.covered(np.array([2.9, 3.1, 7.0, 14.9, 15.1])).tolist() == [False, True, True, True, False]


@pytest.mark.parametrize("times", [[4.0], [4.0, 4.0]])
def test_one_moment(times: list[float]) -> None:
    moments = Moments.choose(np.array(times), "::")
    others = np.array([3.0, 4.0, 5.0])
    assert moments.covered(others).tolist() == moments.chosen(others).tolist() == [False, True, False]
    assert moments.positions(np.array(times)).tolist() == [0.0] * len(times)


def test_one_chosen_frame() -> None:
    moments = Moments.choose(_UNEVEN, "2")
    assert moments.covered(np.array([5.9, 6.1, 7.0, 8.9, 9.1])).tolist() == [False, True, True, True, False]
    assert moments.positions(np.array([7.0, 8.9])).tolist() == [0.0, 0.0]
