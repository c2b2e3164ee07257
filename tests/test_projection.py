"""Decomposing projection matrices: composing gives them back, and what a pinhole cannot hold is refused."""

import numpy as np
import pytest

from resfields_ns.captures.camera import check_same_similarity, decompose_projection, similarity_scale

_INTRINSICS = np.array([[210.0, 0.0, 63.0], [0.0, 190.0, 70.0], [0.0, 0.0, 1.0]])
_OPENGL = np.diag([1.0, -1.0, -1.0])


def _rotation(seed: int) -> np.ndarray:
    q = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))[0]
    return q * np.sign(np.linalg.det(q))


@pytest.mark.parametrize("factor", [1.0, -1.0, 1e-4, -3e5])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_gives_back_the_camera_whatever_the_factor(seed: int, factor: float) -> None:
    rotation, centre = _rotation(seed), np.array([0.3, -2.0, 1.5])
    projection = factor * _INTRINSICS @ np.column_stack([rotation, -rotation @ centre])
    camera = decompose_projection(projection, "here")
    np.testing.assert_allclose([camera.fx, camera.fy, camera.cx, camera.cy], [210, 190, 63, 70], rtol=1e-9)
    np.testing.assert_allclose(camera.camera_to_world[:, 3], centre, atol=1e-9)
    np.testing.assert_allclose(camera.camera_to_world[:, :3], rotation.T @ _OPENGL, atol=1e-9)


def test_refuses_skew() -> None:
    intrinsics = _INTRINSICS + np.array([[0.0, 0.5, 0.0], [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]])
    with pytest.raises(ValueError, match="here: expected a camera without skew, found a skew of 0.5 pixels"):
        decompose_projection(np.column_stack([intrinsics, np.ones(3)]), "here")


@pytest.mark.parametrize("rank", [0, 1, 2])
def test_refuses_a_singular_matrix(rank: int) -> None:
    projection = np.zeros((3, 4))
    projection[:rank, :rank] = np.eye(rank)
    with pytest.raises(ValueError, match="here: expected an invertible projection matrix, found a singular one"):
        decompose_projection(projection, "here")


def test_scale_of_a_similarity() -> None:
    matrix = np.eye(4)
    matrix[:3, :3] = 0.37 * _rotation(3)
    matrix[:3, 3] = [5.0, -2.0, 9.0]
    assert similarity_scale(matrix, "here") == pytest.approx(0.37, rel=1e-12)


@pytest.mark.parametrize(
    "matrix",
    [np.diag([1.0, 1.0, 1.001, 1.0]), np.diag([-1.0, 1.0, 1.0, 1.0]), np.zeros((4, 4)), np.eye(4) + np.eye(4, k=-3)],
    ids=["uneven", "mirror", "zero", "perspective"],
)
def test_refuses_what_is_no_similarity(matrix: np.ndarray) -> None:
    with pytest.raises(ValueError, match="here: expected one uniform scale with a translation, found"):
        similarity_scale(matrix, "here")


def test_similarities_must_agree() -> None:
    other = np.eye(4)
    other[0, 3] = 1e-3
    check_same_similarity(np.eye(4) * (1 + 1e-7), np.eye(4), "here")
    with pytest.raises(ValueError, match="here: expected the normalisation that all cameras and frames share"):
        check_same_similarity(other, np.eye(4), "here")
