"""Metrics between surfaces: a slow reference, known values, and what must not change them."""

import numpy as np
import pytest
import trimesh

from resfields_ns.captures.meshes.mesh_points import sample_surface
from resfields_ns.pipelines.sequence_pipeline import mean_metrics, missing_surfaces
from resfields_ns.pipelines.surface_metrics import surface_metrics

_RANDOM = np.random.default_rng(0)


def _random_surface(count: int, scale: float) -> tuple[np.ndarray, np.ndarray]:
    normals = _RANDOM.normal(size=(count, 3))
    return scale * _RANDOM.normal(size=(count, 3)), normals / np.linalg.norm(normals, axis=1, keepdims=True)


def _ball(radius: float, seed: int, count: int = 20_000) -> tuple[np.ndarray, np.ndarray]:
    ball = trimesh.creation.icosphere(subdivisions=5, radius=radius)
    return sample_surface(np.array(ball.vertices), np.array(ball.faces), count, np.random.default_rng(seed))


def test_metrics_agree_with_a_loop() -> None:
    first, second = _random_surface(40, 0.02), _random_surface(30, 0.02)
    chamfer, turn, shares = 0.0, 0.0, []
    for (points, normals), (others, other_normals) in [(first, second), (second, first)]:
        near = 0
        for point, normal in zip(points, normals, strict=True):
            lengths = [sum(abs(point - other)) for other in others]
            match = int(np.argmin(lengths))
            chamfer += 1000.0 * lengths[match] / len(points)
            turn += 100.0 * (1.0 - abs(normal @ other_normals[match])) / len(points)
            near += min(np.sqrt(sum((point - other) ** 2)) for other in others) < 0.01
        shares.append(near / len(points))
    found = surface_metrics(*first, *second)
    f_score = 2.0 * shares[0] * shares[1] / (shares[0] + shares[1])
    expected = {"chamfer_l1_x1000": chamfer, "normal_distance_x100": turn, "f_score": f_score}
    assert found == pytest.approx(expected, rel=1e-9) and 0.0 < f_score < 1.0


def test_a_surface_is_like_itself() -> None:
    surface = _random_surface(50, 1.0)
    assert surface_metrics(*surface, *surface) == pytest.approx(
        {"chamfer_l1_x1000": 0.0, "normal_distance_x100": 0.0, "f_score": 1.0}, abs=1e-9
    )


def test_neither_order_nor_orientation_matters() -> None:
    first, second = _random_surface(40, 0.02), _random_surface(30, 0.02)
    expected = surface_metrics(*first, *second)
    assert surface_metrics(*second, *first) == pytest.approx(expected)
    assert surface_metrics(first[0], -first[1], *second) == pytest.approx(expected)


def test_concentric_balls_are_as_far_as_their_radii() -> None:
    """A distance of 0.05 along a direction d is |d|_1 x 0.05 by L1, 1.5 x 0.05 on average over directions, both ways.

    Matches by L1 are a little nearer than those along the direction.
    """
    near, far = surface_metrics(*_ball(0.5, 0), *_ball(0.505, 1)), surface_metrics(*_ball(0.5, 0), *_ball(0.55, 1))
    assert 0.6 * 150.0 < far["chamfer_l1_x1000"] < 150.0
    assert near["f_score"] > 0.7 and far["f_score"] == 0.0
    assert far["normal_distance_x100"] < 5.0


def test_frames_without_a_surface_are_counted_once() -> None:
    frames = [{"frame": number, "chamfer_l1_x1000": value} for number, value in ((0, 3.0), (1, None), (1, None))]
    assert missing_surfaces(frames) == {"frames_without_surface": 1}
    assert mean_metrics(frames) == {"chamfer_l1_x1000": 3.0}
    assert missing_surfaces([{"frame": 0, "psnr": 20.0}]) == {}
