"""Files of meshes, alone and animated: what is written is what other readers, and our own of glTF, read back."""

import json
import math
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import pygltflib
import pytest
import trimesh

from resfields_ns.captures.camera import Similarity
from resfields_ns.captures.meshes.colours import BlendedColours, TexturedColours, srgb_from_linear
from resfields_ns.captures.meshes.gltf_sequence import GltfSequence
from resfields_ns.captures.meshes.mesh_files import read_mesh_file
from resfields_ns.export.glb import write_animated_glb
from resfields_ns.export.mesh_formats import Units, animate_meshes, place_of, read_mesh, write_mesh
from resfields_ns.export.surface import Surface

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
        surface, shown = read_mesh(files[frame]), sequence.frame(index)
        np.testing.assert_allclose(shown.vertices, surface.vertices, atol=1e-6)
        np.testing.assert_array_equal(shown.faces, surface.faces)
        assert isinstance(shown.colours, BlendedColours)
        np.testing.assert_allclose(shown.colours.corners, surface.colours[surface.faces], atol=2e-4)
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


@pytest.mark.parametrize("suffix", ["ply", "obj", "glb"])
def test_colours_are_those_of_the_surface(suffix: str, tmp_path: Path) -> None:
    """glTF has amounts of light, the others sRGB."""
    colour = np.array([0.5, 0.25, 0.1])
    ball = trimesh.creation.icosphere(1)
    surface = Surface(np.array(ball.vertices), np.array(ball.faces), np.tile(colour, (len(ball.vertices), 1)))
    path = tmp_path / f"ball.{suffix}"
    write_mesh(surface, path, np.eye(4))
    np.testing.assert_allclose(read_mesh(path).colours, surface.colours, atol=1.0 / 255.0)
    content = path.read_bytes()
    if suffix == "glb":
        document = pygltflib.GLTF2.load_from_bytes(content)
        assert document is not None and document.accessors is not None
        accessor = document.accessors[document.meshes[0].primitives[0].attributes.COLOR_0 or 0]
        assert accessor.normalized and accessor.max is not None
        np.testing.assert_allclose(np.array(accessor.max[:3]) / 65535.0, [0.2140, 0.0509, 0.0100], atol=1e-4)


def _textured_ball(detail: int) -> Surface:
    """A ball whose picture is one colour a pair of triangles, and whose vertices are black."""
    ball = trimesh.creation.icosphere(detail)
    pairs = np.arange(len(ball.faces)) // 2
    side = math.ceil(math.sqrt(pairs[-1] + 1))
    picture = _RANDOM.integers(0, 255, (side, side, 3), dtype=np.uint8)
    rows, columns = np.divmod(pairs, side)
    corners = (np.stack([columns, rows], axis=1)[:, None] + [[0.5, 0.5]] * 3) / side
    black = np.zeros((len(ball.vertices), 3))
    return Surface(np.array(ball.vertices), np.array(ball.faces), black, texture=TexturedColours(corners, picture))


@pytest.mark.parametrize("mirror", [False, True])
@pytest.mark.parametrize("suffix", ["obj", "glb"])
def test_textures_are_read_back_by_ours_and_by_trimesh(suffix: str, mirror: bool, tmp_path: Path) -> None:
    """Each triangle has its colour, looks outward, and lies where it is moved to."""
    surface, path = _textured_ball(2), tmp_path / f"mesh_000003.{suffix}"
    place = np.diag([-2.0 if mirror else 2.0, 2.0, 2.0, 1.0])
    write_mesh(surface, path, place)
    assert surface.texture is not None
    expected = surface.texture.at(np.arange(len(surface.faces)), np.full((len(surface.faces), 3), 1.0 / 3.0))
    centres = trimesh.transform_points(surface.vertices, place)[surface.faces].mean(axis=1)
    animate_meshes([3], {3: path}, 10.0, tmp_path / "animation.glb")
    animated = GltfSequence(tmp_path / "animation.glb").frame(0)
    alone = read_mesh(path)
    read = [(alone.vertices, alone.faces, alone.texture), (animated.vertices, animated.faces, animated.colours)]
    if suffix == "obj":
        other = read_mesh_file(path)
        read.append((other.vertices, other.faces, other.colours))
    for vertices, faces, colours in read:
        np.testing.assert_allclose(vertices[faces].mean(axis=1), centres, atol=1e-5)
        assert colours is not None
        found = colours.at(np.arange(len(centres)), np.full((len(centres), 3), 1.0 / 3.0))
        np.testing.assert_allclose(found, expected, atol=2e-3)
        assert trimesh.Trimesh(vertices, faces).volume > 30.0  # 8 * 4 / 3 pi = 33.5
    assert {file.name for file in tmp_path.iterdir() if file.stem == path.stem} == {
        path.name,
        *(["mesh_000003.mtl", "mesh_000003.png"] if suffix == "obj" else []),
    }
    write_mesh(replace(surface, texture=None), path, place)
    assert [file.name for file in tmp_path.iterdir() if file.stem == path.stem] == [path.name]


def test_an_obj_with_a_texture_keeps_its_vertices(tmp_path: Path) -> None:
    write_mesh(_textured_ball(1), tmp_path / "ball.obj", np.eye(4))
    lines = (tmp_path / "ball.obj").read_text().splitlines()
    kinds = Counter(line.split()[0] for line in lines)
    assert kinds == {"mtllib": 1, "usemtl": 1, "v": 42, "vn": 42, "vt": 240, "f": 80}
    assert "map_Kd ball.png" in (tmp_path / "ball.mtl").read_text()


def test_usd_shows_every_mesh_while_it_lasts(tmp_path: Path) -> None:
    """OpenUSD reads back what is shown at every frame: those between the played ones too, and nothing where none is."""
    from pxr import Usd, UsdGeom

    files = _balls(tmp_path, "ply")
    length = animate_meshes([2, 5, 8, 11], files, 30.0, tmp_path / "animation.usdc")
    stage = Usd.Stage.Open(str(tmp_path / "animation.usdc"))  # pyright: ignore
    assert length == 0.4 and stage.GetEndTimeCode() == 11 and stage.GetTimeCodesPerSecond() == 30.0
    mesh = UsdGeom.Mesh(stage.GetDefaultPrim())  # pyright: ignore
    for time, frame in zip(range(12), [2, 2, 2, 5, 5, 5, 8, 8, 8, 11, 11, 11], strict=True):
        points = np.array(mesh.GetPointsAttr().Get(time)).reshape(-1, 3)
        faces = np.array(mesh.GetFaceVertexIndicesAttr().Get(time)).reshape(-1, 3)
        assert mesh.GetFaceVertexCountsAttr().Get(time) == [3] * len(faces)
        if frame == 11:
            assert len(points) == len(faces) == 0
            continue
        surface = read_mesh(files[frame])
        np.testing.assert_allclose(points, surface.vertices, atol=1e-6)
        np.testing.assert_array_equal(faces, surface.faces)
        colours = np.array(mesh.GetDisplayColorAttr().Get(time))
        np.testing.assert_allclose(srgb_from_linear(colours), surface.colours, atol=1e-4)
        outward = np.array(mesh.GetNormalsAttr().Get(time)) * surface.vertices
        assert (outward.sum(axis=1) > 0.0).all()
    once = animate_meshes([2], files, 30.0, tmp_path / "short.usdc")
    assert once == pytest.approx(1.0 / 30.0)


def test_usd_holds_a_mesh_that_lasts_once(tmp_path: Path) -> None:
    files = _balls(tmp_path, "ply")
    sizes = []
    for name, frames in (("few", [2, 5]), ("many", [2, 5 + 100])):
        animate_meshes(frames, {frames[0]: files[2], frames[1]: files[5]}, 30.0, tmp_path / f"{name}.usdc")
        sizes.append((tmp_path / f"{name}.usdc").stat().st_size)
    assert (sizes[1] - sizes[0]) / 200 < 150  # bytes a frame, where a mesh has thousands


_TURNED: list[tuple[Units, Literal["y", "z"], list[float], list[float]]] = [
    ("world", "y", [1.0, 2.0, 3.0], [2.0, 4.0, 6.0]),
    ("world", "z", [1.0, 3.0, -2.0], [2.0, 6.0, 4.0]),
    ("normalised", "z", [0.0, 0.0, 0.0], [1.0, 3.0, 2.0]),
]


@pytest.mark.parametrize(("units", "up", "middle", "sides"), _TURNED)
def test_a_world_whose_z_axis_points_up_is_turned(
    units: Units, up: Literal["y", "z"], middle: list[float], sides: list[float], tmp_path: Path
) -> None:
    """So that y does, as glTF and OpenUSD have it; faces look outward as before."""
    box = trimesh.creation.box((1.0, 2.0, 3.0))
    surface = Surface(np.array(box.vertices), np.array(box.faces), np.full((8, 3), 0.5))
    world = Similarity.of(2.0, np.array([1.0, 2.0, 3.0]))
    write_mesh(surface, tmp_path / "box.glb", place_of(world, units, up))
    placed = read_mesh(tmp_path / "box.glb")
    lower, upper = placed.vertices.min(axis=0), placed.vertices.max(axis=0)
    np.testing.assert_allclose([0.5 * (lower + upper), upper - lower], [middle, sides], atol=1e-6)
    assert trimesh.Trimesh(placed.vertices, placed.faces).volume > 0.0
