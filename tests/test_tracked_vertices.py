"""Vertices tracked through a mesh sequence: one topology, and a split that a seed decides."""

from pathlib import Path

import numpy as np
import pytest
import torch
import trimesh

from resfields_ns.captures.meshes.mesh_files import MeshFolder
from resfields_ns.captures.meshes.mesh_frames import read_tracked_vertices
from resfields_ns.data.sceneflow_data import split_vertices

_VERTICES = np.random.default_rng(0).normal(size=(5, 6, 3))
_FACES = np.array([[0, 1, 2], [2, 3, 4], [3, 4, 5]])


def _write(folder: Path, index: int, vertices: np.ndarray, faces: np.ndarray) -> None:
    trimesh.Trimesh(vertices, faces, process=False).export(folder / f"mesh_{index}.ply")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for index, vertices in enumerate(_VERTICES):
        _write(tmp_path, index, vertices, _FACES)
    return tmp_path


@pytest.mark.parametrize("frames", [[0, 1, 2, 3, 4], [1, 3]])
def test_positions_are_those_of_the_frames(folder: Path, frames: list[int]) -> None:
    tracked = read_tracked_vertices(MeshFolder(folder), frames, str(folder))
    np.testing.assert_allclose(tracked.positions, _VERTICES[frames], atol=1e-6)
    np.testing.assert_array_equal(tracked.faces, _FACES)


@pytest.mark.parametrize(
    ("vertices", "faces", "found"),
    [
        (np.zeros((7, 3)), _FACES, "7 vertices and 3 triangles"),
        (_VERTICES[0], _FACES[:2], "6 vertices and 2 triangles"),
        (_VERTICES[0], _FACES[:, ::-1], "other triangles of as many vertices"),
    ],
)
def test_mixed_topologies_are_refused(folder: Path, vertices: np.ndarray, faces: np.ndarray, found: str) -> None:
    _write(folder, 3, vertices, faces)
    message = (
        "meshes: expected one topology, the 6 vertices and 3 triangles of frame 1 at every frame, "
        f"found {found} at frame 3"
    )
    with pytest.raises(ValueError, match=f"^{message}$"):
        read_tracked_vertices(MeshFolder(folder), [1, 2, 3], "meshes")


@pytest.mark.parametrize(("num_vertices", "share", "num_train"), [(290, 0.8, 232), (5, 0.5, 2), (2, 0.6, 1)])
def test_a_split_holds_every_vertex_once(num_vertices: int, share: float, num_train: int) -> None:
    train, held_out = split_vertices(num_vertices, share, seed=0)
    assert len(train) == num_train
    assert torch.equal(torch.cat((train, held_out)).sort().values, torch.arange(num_vertices))
    assert all(torch.equal(indices, indices.sort().values) for indices in (train, held_out))


def test_the_seed_decides_the_split() -> None:
    state = torch.get_rng_state()
    first, again, other = (split_vertices(50, 0.8, seed)[0] for seed in (3, 3, 4))
    assert torch.equal(first, again) and not torch.equal(first, other)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("share", [0.0, 1.0, 0.01])
def test_a_split_without_a_side_is_refused(share: float) -> None:
    message = "expected a share that leaves vertices to train and to evaluate on, found .* of 10$"
    with pytest.raises(ValueError, match=f"^datamanager.train-share: {message}"):
        split_vertices(10, share, seed=0)
