"""Animated GLB files: what is written is what our reader, which follows the specification, reads back."""

import json
from pathlib import Path

import numpy as np
import pytest
import trimesh

from resfields_ns.captures.meshes.colours import BlendedColours, srgb_from_linear
from resfields_ns.captures.meshes.gltf_sequence import GltfSequence
from resfields_ns.export.animated_glb import animate_meshes
from resfields_ns.export.surface import Surface, write_mesh
from resfields_ns.export.tracked_mesh import write_animated_glb

_RANDOM = np.random.default_rng(0)
_FACES = np.array([[0, 1, 2], [2, 3, 0], [3, 4, 1]])
_COLOURS = _RANDOM.random((5, 3))


def _positions(num_frames: int) -> np.ndarray:
    return _RANDOM.normal(size=(num_frames, 5, 3))


@pytest.mark.parametrize("num_frames", [2, 3, 17])
@pytest.mark.parametrize("fps", [24.0, 7.5])
def test_reads_back_as_it_was(num_frames: int, fps: float, tmp_path: Path) -> None:
    positions, path = _positions(num_frames), tmp_path / "new" / "moving.glb"
    write_animated_glb(positions, _FACES, _COLOURS, fps, path)
    sequence = GltfSequence(path, fps=fps)
    assert len(sequence) == num_frames
    for index, expected in enumerate(positions):
        frame = sequence.frame(index)
        np.testing.assert_allclose(frame.vertices, expected, atol=1e-5)
        np.testing.assert_array_equal(frame.faces, _FACES)
        assert isinstance(frame.colours, BlendedColours)
        np.testing.assert_allclose(frame.colours.corners, srgb_from_linear(_COLOURS[_FACES]), atol=1e-6)


def test_moves_linearly_between_frames(tmp_path: Path) -> None:
    positions = _positions(4)
    write_animated_glb(positions, _FACES, _COLOURS, 10.0, tmp_path / "moving.glb")
    halves = GltfSequence(tmp_path / "moving.glb", fps=20.0)
    assert len(halves) == 7
    for index in range(3):
        between = 0.5 * (positions[index] + positions[index + 1])
        np.testing.assert_allclose(halves.frame(2 * index + 1).vertices, between, atol=1e-5)


def test_another_reader_finds_the_first_frame(tmp_path: Path) -> None:
    positions = _positions(3)
    write_animated_glb(positions, _FACES, _COLOURS, 10.0, tmp_path / "moving.glb")
    mesh = trimesh.load(tmp_path / "moving.glb", force="mesh", process=False)
    assert isinstance(mesh, trimesh.Trimesh)
    np.testing.assert_allclose(mesh.vertices, positions[0], atol=1e-6)
    np.testing.assert_array_equal(mesh.faces, _FACES)


def test_the_file_is_one_that_validators_accept(tmp_path: Path) -> None:
    """Chunks and views lie on whole words, and bounds of every accessor are those of its numbers (glTF 2.0, 3.6.2)."""
    positions = _positions(3)
    write_animated_glb(positions, _FACES, _COLOURS, 10.0, tmp_path / "moving.glb")
    data = (tmp_path / "moving.glb").read_bytes()
    assert data[:4] == b"glTF" and int.from_bytes(data[8:12], "little") == len(data) and len(data) % 4 == 0
    length = int.from_bytes(data[12:16], "little")
    content = json.loads(data[20 : 20 + length])
    binary = data[28 + length :]
    assert len(binary) == content["buffers"][0]["byteLength"]
    assert content["asset"]["version"] == "2.0"
    for accessor in content["accessors"]:
        view = content["bufferViews"][accessor["bufferView"]]
        assert view["byteOffset"] % 4 == 0
        dtype = {5125: "<u4", 5126: "<f4"}[accessor["componentType"]]
        numbers = np.frombuffer(binary[view["byteOffset"] :][: view["byteLength"]], dtype)
        rows = numbers.reshape(accessor["count"], -1)
        assert rows.shape[1] == {"SCALAR": 1, "VEC3": 3}[accessor["type"]]
        np.testing.assert_allclose(accessor["min"], rows.min(axis=0), rtol=1e-6)
        np.testing.assert_allclose(accessor["max"], rows.max(axis=0), rtol=1e-6)


def _balls(folder: Path, suffix: str) -> dict[int, Path]:
    """Meshes of frames 2, 5 and 8 with triangles of their own, and none of frame 11."""
    files = {}
    for frame, detail in ((2, 1), (5, 2), (8, 0)):
        ball = trimesh.creation.icosphere(detail, radius=0.1 * frame)
        colours = np.abs(ball.vertices) / np.abs(ball.vertices).max()
        surface = Surface(np.array(ball.vertices, np.float32), np.array(ball.faces), colours.astype(np.float32))
        files[frame] = folder / f"mesh_{frame:06d}.{suffix}"
        write_mesh(surface, files[frame], np.eye(4))
    return files


@pytest.mark.parametrize("suffix", ["ply", "obj", "glb"])
def test_meshes_of_any_triangles_play_one_after_the_other(suffix: str, tmp_path: Path) -> None:
    """At 30 frames a second, three of which pass between the played ones; a frame without a mesh shows nothing."""
    files = _balls(tmp_path, suffix)
    animate_meshes([2, 5, 8, 11], files, 30.0, tmp_path / "animation.glb")
    sequence = GltfSequence(tmp_path / "animation.glb", fps=30.0)
    assert len(sequence) == 13  # 12 / 30 seconds, both ends included
    for index, frame in enumerate([2, 2, 2, 5, 5, 5, 8, 8, 8]):
        mesh, shown = trimesh.load_mesh(files[frame], process=False), sequence.frame(index)
        np.testing.assert_allclose(shown.vertices, mesh.vertices, atol=1e-6)
        np.testing.assert_array_equal(shown.faces, mesh.faces)
        assert isinstance(shown.colours, BlendedColours)
        true = mesh.visual.vertex_colors[:, :3][mesh.faces] / 255.0  # pyright: ignore
        np.testing.assert_allclose(shown.colours.corners, true, atol=2e-4)
    with pytest.raises(ValueError, match="frame 9: expected a mesh, found all of them scaled to nothing"):
        sequence.frame(9)


def test_another_reader_finds_every_mesh_by_its_name(tmp_path: Path) -> None:
    files = _balls(tmp_path, "ply")
    animate_meshes([2, 5, 8], files, 24.0, tmp_path / "animation.glb")
    scene = trimesh.load_scene(tmp_path / "animation.glb", process=False)
    assert list(scene.geometry) == [file.stem for file in files.values()]
    for file in files.values():
        mesh = trimesh.load_mesh(file, process=False)
        np.testing.assert_allclose(scene.geometry[file.stem].bounds, mesh.bounds, atol=1e-6)
    first = trimesh.load_mesh(files[2], process=False)
    np.testing.assert_allclose(scene.bounds, first.bounds, atol=1e-6)  # at rest the first alone is seen
