"""A depth camera's noise: whole steps of disparity, errors that grow with the square of depth, lost edges."""

import numpy as np
import pytest

from resfields_ns.captures.meshes.ray_casting import add_depth_noise

_STEP = 0.00285


def _wall(depth: float) -> np.ndarray:
    return np.full((100, 120), depth)


def _noisy(depth: np.ndarray, seed: int = 0) -> np.ndarray:
    return add_depth_noise(depth, _STEP, np.random.default_rng(seed))


def test_readings_are_whole_steps_of_disparity() -> None:
    depth = np.random.default_rng(0).uniform(1.0, 1.04, (100, 120))
    noisy = _noisy(depth)
    assert (noisy > 0.0).all()
    steps = 1.0 / (_STEP * noisy)
    np.testing.assert_allclose(steps, np.round(steps), rtol=1e-9)


@pytest.mark.parametrize("depth", [0.8, 1.6, 3.2])
def test_error_of_a_wall_grows_with_the_square_of_its_depth(depth: float) -> None:
    """Uniform rounding and a noise of a sixth of a step: together sqrt(1 / 12 + 1 / 36) of a step of q z^2."""
    walls = depth * np.linspace(1.0, 1.04, 120) + np.zeros((100, 1))
    error = (_noisy(walls) - walls)[:, 2:-2] / (_STEP * walls[:, 2:-2] ** 2)
    slope = 0.5 * depth * 0.04 / 119 / (_STEP * depth**2)  # of the places half a pixel off
    assert abs(error.mean()) < 0.03
    assert error.std() == pytest.approx(np.sqrt(1 / 12 + 1 / 36 + slope**2), rel=0.1)


def test_one_seed_one_noise() -> None:
    np.testing.assert_array_equal(_noisy(_wall(2.0)), _noisy(_wall(2.0)))
    assert (_noisy(_wall(2.0)) != _noisy(_wall(2.0), seed=1)).any()


def test_half_of_the_readings_beside_an_edge_are_lost_and_no_others() -> None:
    depth = _wall(1.0)
    depth[:, 60:] = 2.0
    lost = _noisy(depth) == 0.0
    assert not lost[:, :59].any() and not lost[:, 61:].any()
    assert lost[:, 59:61].mean() == pytest.approx(0.5, abs=0.12)


def test_nothing_is_read_where_nothing_is() -> None:
    depth = _wall(1.5)
    depth[20:40, 30:70] = 0.0
    noisy = _noisy(depth)
    assert not noisy[20:40, 30:70].any()
    assert (noisy[45:] > 0.0).all()
    assert not _noisy(np.zeros((5, 6))).any()
