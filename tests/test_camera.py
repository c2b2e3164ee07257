"""The camera: projections compose and decompose, rays and pixels are inverse, and what it cannot hold is refused."""

import numpy as np
import pytest

from resfields_ns.captures.camera import (
    Camera,
    CropWindow,
    Lens,
    Similarity,
    check_rotation,
    check_same_similarity,
    decompose_projection,
)

_INTRINSICS = np.array([[210.0, 0.0, 63.0], [0.0, 190.0, 70.0], [0.0, 0.0, 1.0]])


def _rotation(seed: int) -> np.ndarray:
    q = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))[0]
    return q * np.sign(np.linalg.det(q))


@pytest.mark.parametrize("factor", [1.0, -1.0, 1e-4, -3e5])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_gives_back_the_camera_whatever_the_factor(seed: int, factor: float) -> None:
    rotation, centre = _rotation(seed), np.array([0.3, -2.0, 1.5])
    projection = factor * _INTRINSICS @ np.column_stack([rotation, -rotation @ centre])
    camera = decompose_projection(projection, (128, 130), "here")
    np.testing.assert_allclose([camera.fx, camera.fy, camera.cx, camera.cy], [210, 190, 63, 70], rtol=1e-9)
    np.testing.assert_allclose(camera.centre, centre, atol=1e-9)
    np.testing.assert_allclose(camera.pose[:, :3], rotation.T, atol=1e-9)
    np.testing.assert_allclose(factor * camera.projection[:3], projection, rtol=1e-9, atol=1e-9 * abs(factor))


def test_refuses_skew() -> None:
    intrinsics = _INTRINSICS + np.array([[0.0, 0.5, 0.0], [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]])
    with pytest.raises(ValueError, match="here: expected a camera without skew, found a skew of 0.5 pixels"):
        decompose_projection(np.column_stack([intrinsics, np.ones(3)]), (128, 130), "here")


@pytest.mark.parametrize("rank", [0, 1, 2])
def test_refuses_a_singular_matrix(rank: int) -> None:
    projection = np.zeros((3, 4))
    projection[:rank, :rank] = np.eye(rank)
    with pytest.raises(ValueError, match="here: expected an invertible projection matrix, found a singular one"):
        decompose_projection(projection, (128, 130), "here")


def test_scale_of_a_similarity() -> None:
    matrix = np.eye(4)
    matrix[:3, :3] = 0.37 * _rotation(3)
    matrix[:3, 3] = [5.0, -2.0, 9.0]
    assert Similarity(matrix).check("here").scale == pytest.approx(0.37, rel=1e-12)


@pytest.mark.parametrize(
    "matrix",
    [np.diag([1.0, 1.0, 1.001, 1.0]), np.diag([-1.0, 1.0, 1.0, 1.0]), np.zeros((4, 4)), np.eye(4) + np.eye(4, k=-3)],
    ids=["uneven", "mirror", "zero", "perspective"],
)
def test_refuses_what_is_no_similarity(matrix: np.ndarray) -> None:
    with pytest.raises(ValueError, match="here: expected one uniform scale with a translation, found"):
        Similarity(matrix).check("here")


@pytest.mark.parametrize("entry", [1.01, -1.0, 1e300, np.inf, np.nan])
def test_refuses_what_is_no_rotation(entry: float) -> None:
    check_rotation(np.eye(3), "R")
    with pytest.raises(ValueError, match=r"R: expected a rotation, found \[\["):
        check_rotation(np.diag([1.0, entry, 1.0]), "R")


def test_similarities_must_agree() -> None:
    other = np.eye(4)
    other[0, 3] = 1e-3
    check_same_similarity(Similarity(np.eye(4) * (1 + 1e-7)), Similarity(np.eye(4)), "here")
    with pytest.raises(ValueError, match="here: expected the normalisation that all cameras and frames share"):
        check_same_similarity(Similarity(other), Similarity(np.eye(4)), "here")


def test_a_similarity_leads_back_and_moves_cameras_with_points() -> None:
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = 0.37 * _rotation(3), [5.0, -2.0, 9.0]
    similarity, points = Similarity(matrix), np.random.default_rng(0).normal(size=(20, 3))
    np.testing.assert_allclose(similarity.inverse(similarity(points)), points, atol=1e-12)
    camera = Camera(100, 80, 90.0, 95.0, 48.0, 41.0, Lens(k1=0.05), np.column_stack([_rotation(1), [0.1, 0.2, -9.0]]))
    moved = camera.moved(similarity).project(similarity(points))
    for before, after in zip(camera.project(points), moved, strict=True):
        np.testing.assert_allclose(before, after, atol=1e-9)


def test_resizing_and_cropping_follow_the_pixels() -> None:
    camera = Camera(100, 80, 90.0, 95.0, 48.0, 41.0, Lens(k1=0.05, p1=0.01))
    points = np.random.default_rng(0).uniform([-0.4, -0.3, 1.0], [0.4, 0.3, 3.0], size=(20, 3))
    pixels = camera.project(points)[0]
    np.testing.assert_allclose(camera.resized((50, 20)).project(points)[0], pixels * [0.5, 0.25], atol=1e-9)
    window = CropWindow(left=7, top=5, width=60, height=40)
    np.testing.assert_allclose(camera.cropped(window).project(points)[0], pixels - [7, 5], atol=1e-9)


@pytest.mark.parametrize("lens", [Lens(), Lens(k1=0.1, k2=0.02, k4=0.03, p1=0.01, p2=-0.02)])
def test_depth_along_z_and_along_the_ray_are_of_one_point(lens: Lens) -> None:
    camera = Camera(12, 8, 9.0, 9.5, 6.2, 4.1, lens, np.column_stack([_rotation(2), [1.0, 2.0, 3.0]]))
    depth = np.random.default_rng(0).integers(500, 4000, size=(8, 12))
    points = camera.points(depth, 1e-3)
    np.testing.assert_allclose(camera.to_camera(points)[..., 2], 1e-3 * depth, atol=1e-9)
    along_rays = 1e-3 * depth * camera.ray_lengths()
    np.testing.assert_allclose(np.linalg.norm(points - camera.centre, axis=-1), along_rays, atol=1e-9)
    np.testing.assert_allclose(camera.project(points.reshape(-1, 3))[0], camera.pixel_grid().reshape(-1, 2), atol=1e-6)
