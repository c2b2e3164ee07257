"""What surfaces supervise with: distances and sides agree with algebra and slow loops, shares and seeds hold."""

import numpy as np
import pytest
import torch
import trimesh

from resfields_ns.captures.meshes.colours import colours_by_normal
from resfields_ns.captures.meshes.mesh_frames import MeshFrame, MeshSequence
from resfields_ns.captures.meshes.mesh_points import inside, sample_surface, signed_distances
from resfields_ns.data.sdf_data import SUPERVISIONS, SamplePool
from resfields_ns.data.supervisions import Occupancy, OrientedPoints, SignedDistances, Supervision
from tests.cases import over

_HALF_SIDES = np.array([0.3, 0.5, 0.2])
_BOX = trimesh.creation.box(2.0 * _HALF_SIDES)
_LIDLESS = trimesh.Trimesh(_BOX.vertices, _BOX.faces[_BOX.face_normals[:, 1] < 0.5], process=False)
_POINTS = np.random.default_rng(0).uniform(-0.8, 0.8, (500, 3))


def _arrays(mesh: trimesh.Trimesh) -> tuple[np.ndarray, np.ndarray]:
    return np.array(mesh.vertices, np.float64), np.array(mesh.faces, np.int64)


def _box_distances(points: np.ndarray) -> np.ndarray:
    outside = np.abs(points) - _HALF_SIDES
    return np.linalg.norm(np.clip(outside, 0.0, None), axis=1) + np.clip(outside.max(axis=1), None, 0.0)


def test_distances_to_a_box_are_those_of_algebra() -> None:
    np.testing.assert_allclose(signed_distances(_POINTS, *_arrays(_BOX)), _box_distances(_POINTS), atol=1e-12)


@pytest.mark.parametrize("change", ["inward", "split", "doubled vertices"])
def test_neither_orientation_nor_shared_vertices_matter(change: str) -> None:
    """Triangles that all look inward, and corners that are not shared (seams of textures), leave the box as it is."""
    vertices, faces = _arrays(_BOX)
    if change == "inward":
        faces = faces[:, ::-1].copy()
    if change == "split":
        vertices, faces = vertices[faces].reshape(-1, 3), np.arange(3 * len(faces)).reshape(-1, 3)
    if change == "doubled vertices":
        vertices, faces = (
            np.concatenate((vertices, vertices)),
            faces + len(vertices) * (np.arange(len(faces)) % 2)[:, None],
        )
    np.testing.assert_allclose(signed_distances(_POINTS, vertices, faces), _box_distances(_POINTS), atol=1e-12)


def test_distances_to_an_open_surface_are_to_its_triangles_and_its_hole_is_closed_about_flat() -> None:
    distances = signed_distances(_POINTS, *_arrays(_LIDLESS))
    nearest = trimesh.proximity.closest_point_naive(_LIDLESS, _POINTS)[1]
    np.testing.assert_allclose(np.abs(distances), nearest, atol=1e-9)
    height = _POINTS[:, 1]
    within = _box_distances(_POINTS) < 0.0
    assert (distances[within & (height < 0.25)] < 0.0).all()
    assert (distances[~within & (height < 0.4)] > 0.0).all()
    assert (distances[height > 0.7] > 0.0).all()


def test_surface_points_lie_on_their_triangles_and_spread_over_the_area() -> None:
    points, normals = sample_surface(*_arrays(_BOX), 6000, np.random.default_rng(0))
    np.testing.assert_allclose(_box_distances(points), 0.0, atol=1e-12)
    axes = np.abs(normals).argmax(axis=1)
    np.testing.assert_allclose(points[np.arange(6000), axes], (normals * _HALF_SIDES)[np.arange(6000), axes])
    areas = np.array([0.5 * 0.2, 0.3 * 0.2, 0.3 * 0.5])
    np.testing.assert_allclose(np.bincount(axes) / 6000, areas / areas.sum(), atol=0.03)


def _draw(supervision: Supervision, count: int = 800, seed: int = 0) -> dict[str, np.ndarray]:
    return supervision.draw(*_arrays(_BOX), count, np.random.default_rng(seed))


@over("kind", SUPERVISIONS)
def test_samples_are_whole_small_numbers_and_come_again_with_their_seed(kind: type[Supervision]) -> None:
    known, again, other = _draw(kind()), _draw(kind()), _draw(kind(), seed=1)
    for name, values in known.items():
        assert len(values) == 800 and values.dtype in (np.float32, np.bool_)
        np.testing.assert_array_equal(values, again[name])
    assert not np.array_equal(known["points"], other["points"])
    for count in (1, 7, 9):
        assert all(len(values) == count for values in _draw(kind(), count).values())


def test_signed_distances_are_half_on_three_eighths_near_and_an_eighth_anywhere() -> None:
    known = _draw(SignedDistances())
    expected = _box_distances(known["points"].astype(np.float64))
    np.testing.assert_allclose(known["distances"], expected, atol=1e-6)
    assert (known["distances"][:400] == 0.0).all()
    near, anywhere = known["distances"][400:700], known["distances"][700:]
    assert 0.004 < near.std() < 0.015 and np.abs(near).max() < 0.06
    assert anywhere.std() > 0.15 and np.abs(known["points"][700:]).max() <= 1.0


def test_oriented_points_are_half_on_the_surface_with_its_normals() -> None:
    known = _draw(OrientedPoints())
    assert known["on_surface"][:400].all() and not known["on_surface"][400:].any()
    np.testing.assert_allclose(_box_distances(known["points"][:400].astype(np.float64)), 0.0, atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(known["normals"][:400], axis=1), 1.0, atol=1e-6)
    outside = known["points"][:400] + 0.01 * known["normals"][:400]
    np.testing.assert_allclose(_box_distances(outside.astype(np.float64)), 0.01, atol=1e-5)


def test_occupancy_is_the_sign_of_the_distance() -> None:
    known = _draw(Occupancy())
    np.testing.assert_array_equal(known["inside"], inside(known["points"].astype(np.float64), *_arrays(_BOX)))
    decided = np.abs(_box_distances(known["points"])) > 1e-6
    np.testing.assert_array_equal(known["inside"][decided], (_box_distances(known["points"]) < 0.0)[decided])
    assert 0.3 < known["inside"][:400].mean() < 0.6 and known["inside"][400:].mean() < 0.2


class _Boxes(MeshSequence):
    """Boxes of which the middle one has no lid."""

    def __len__(self) -> int:
        return 3

    def frame(self, index: int) -> MeshFrame:
        vertices, faces = _arrays(_LIDLESS if index == 1 else _BOX)
        return MeshFrame(vertices, faces, colours_by_normal(vertices, faces))


@over("kind", SUPERVISIONS)
def test_a_pool_gives_samples_of_the_frames_asked_for_in_their_shares(kind: type[Supervision]) -> None:
    pool = SamplePool(_Boxes(), kind(), 800, seed=5)
    whole = {
        name: torch.from_numpy(values)
        for name, values in kind().draw(*_arrays(_BOX), 800, np.random.default_rng([5, 2])).items()
    }
    assert all(torch.equal(pool.arrays[name][2], values) for name, values in whole.items())
    torch.manual_seed(0)
    points, known = pool.draw(torch.tensor([0, 2]), 16)
    places = [int((whole["points"] == point).all(dim=1).nonzero()[0]) for point in points[16:]]
    assert [place // 50 for place in places] == list(range(16))
    for name, values in known.items():
        assert torch.equal(values[16:], whole[name][places])
    assert not torch.equal(pool.draw(torch.tensor([2]), 16)[0], points[16:])


def test_a_pool_does_not_depend_on_other_random_numbers_nor_change_them() -> None:
    torch.manual_seed(1)
    first = SamplePool(_Boxes(), SignedDistances(), 80, seed=3).arrays["points"]
    drawn = torch.rand(1)
    second = SamplePool(_Boxes(), SignedDistances(), 80, seed=3).arrays["points"]
    torch.manual_seed(1)
    assert torch.equal(drawn, torch.rand(1)) and torch.equal(first, second)


@over("kind", SUPERVISIONS)
def test_open_surfaces_are_told_where_an_inside_is_needed(
    kind: type[Supervision], capsys: pytest.CaptureFixture[str]
) -> None:
    _ = SamplePool(_Boxes(), kind(), 8, seed=0).arrays
    told = "The surface is open at 1 of 3 frames, first at frame 1" in capsys.readouterr().out
    assert told == (kind is not OrientedPoints)
