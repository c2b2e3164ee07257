"""Mesh sequences in arrays, folders and .anime files: what is written comes back, and mistakes are named."""

import re
import zipfile
from pathlib import Path

import numpy as np
import pytest
import trimesh
from PIL import Image

from resfields_ns.captures.meshes.colours import (
    BlendedColours,
    JoinedColours,
    TexturedColours,
    TintedColours,
    colours_by_normal,
    colours_by_position,
    linear_from_srgb,
    srgb_from_linear,
)
from resfields_ns.captures.meshes.mesh_files import open_mesh_sequence
from resfields_ns.captures.meshes.mesh_frames import MeshFrame

_RANDOM = np.random.default_rng(0)
_FACES = np.array([[0, 1, 2], [2, 3, 0]])
_VERTICES = _RANDOM.normal(size=(3, 4, 3)).astype(np.float32)
_UV = np.array([[0.1, 0.2], [0.9, 0.1], [0.8, 0.9], [0.2, 0.7]], np.float32)
_PICTURE = _RANDOM.integers(0, 256, (5, 4, 3), np.uint8)
_OBJ = """v 0 0 0
v 1 0 0
v 1 1 0
v 0 1 0
vt 0.125 0.9
vt 0.875 0.9
vt 0.875 0.1
vt 0.125 0.1
f 1/1 2/2 3/3 4/4
"""


def _centre_colours(frame: MeshFrame) -> np.ndarray:
    """Colours of the middle of every triangle."""
    count = len(frame.faces)
    return frame.colours.at(np.arange(count), np.full((count, 3), 1.0 / 3.0))


def _corner_colours(frame: MeshFrame) -> dict[tuple[float, ...], np.ndarray]:
    """Colours at the corners, by the corner's position."""
    colours = {}
    for corner in range(3):
        weights = np.tile(np.eye(3)[corner], (len(frame.faces), 1))
        for face, colour in zip(frame.faces, frame.colours.at(np.arange(len(frame.faces)), weights), strict=True):
            colours[tuple(frame.vertices[face[corner]].tolist())] = colour
    return colours


def _save_picture(path: Path, picture: np.ndarray = _PICTURE) -> Path:
    Image.fromarray(picture).save(path)
    return path


def _save_arrays(path: Path, **changed: np.ndarray) -> Path:
    arrays = {"vertices": _VERTICES, "faces": _FACES.astype(np.int32), "uv": _UV} | changed
    np.savez(path, **arrays)  # pyright: ignore[reportArgumentType]
    return path


def _anime(num_frames: int = 3, num_vertices: int = 4, num_triangles: int = 2) -> bytes:
    offsets = _VERTICES[1:] - _VERTICES[0]
    counts = np.array([num_frames, num_vertices, num_triangles], "<i4")
    return b"".join(array.tobytes() for array in (counts, _VERTICES[0], _FACES.astype("<i4"), offsets))


def _expect(*parts: object, source: Path, frame: int | None = None, texture: Path | None = None) -> None:
    """Opening, or reading the frame, fails with one line that holds all `parts` in order."""
    with pytest.raises(ValueError, match=".*".join(re.escape(str(part)) for part in parts)):
        sequence = open_mesh_sequence(source, texture)
        if frame is not None:
            sequence.frame(frame)


# Colours


def test_a_texture_blends_its_four_nearest_pixels_and_repeats() -> None:
    places = _RANDOM.uniform(-2.0, 2.0, (50, 2))
    colours = TexturedColours(np.repeat(places[:, None], 3, axis=1), _PICTURE)
    found = colours.at(np.arange(50), np.full((50, 3), 1.0 / 3.0))
    for (u, v), colour in zip(places, found, strict=True):
        x, y = u * 4 - 0.5, v * 5 - 0.5
        column, row = int(np.floor(x)), int(np.floor(y))
        expected = sum(
            (1 - abs(x - c)) * (1 - abs(y - r)) * _PICTURE[r % 5, c % 4] / 255.0
            for c in (column, column + 1)
            for r in (row, row + 1)
        )
        np.testing.assert_allclose(colour, expected, atol=1e-9)


def test_blended_colours_are_those_of_the_corners() -> None:
    corners = _RANDOM.uniform(size=(2, 3, 3))
    weights = _RANDOM.dirichlet(np.ones(3), 7)
    triangles = _RANDOM.integers(0, 2, 7)
    expected = [sum(w * c for w, c in zip(weights[i], corners[triangles[i]], strict=True)) for i in range(7)]
    np.testing.assert_allclose(BlendedColours(corners).at(triangles, weights), expected)


def test_joined_parts_keep_their_colours() -> None:
    parts = [BlendedColours(_RANDOM.uniform(size=(count, 3, 3))) for count in (2, 1, 3)]
    joined = JoinedColours([*parts], [2, 1, 3])
    weights = _RANDOM.dirichlet(np.ones(3), 6)
    order = np.array([5, 0, 3, 2, 1, 4])
    own = [(2, 2), (0, 0), (2, 0), (1, 0), (0, 1), (2, 1)]
    expected = [parts[part].at(np.array([t]), w[None])[0] for (part, t), w in zip(own, weights, strict=True)]
    np.testing.assert_allclose(joined.at(order, weights), expected)


def test_srgb_and_light_are_inverse_and_a_tint_multiplies_light() -> None:
    colours = np.linspace(0.0, 1.0, 60).reshape(-1, 3)
    np.testing.assert_allclose(srgb_from_linear(linear_from_srgb(colours)), colours, atol=1e-9)
    base = BlendedColours(np.full((1, 3, 3), 0.8))
    tinted = TintedColours(base, np.broadcast_to([0.5, 1.0, 0.0], (1, 3, 3)))
    light = linear_from_srgb(np.full((1, 3), 0.8)) * [0.5, 1.0, 0.0]
    found = tinted.at(np.array([0]), np.full((1, 3), 1.0 / 3.0))
    np.testing.assert_allclose(found, srgb_from_linear(light), atol=1e-12)


def test_colours_by_normal_and_by_position() -> None:
    sphere = trimesh.creation.icosphere(subdivisions=3)
    frame = MeshFrame(
        sphere.vertices.copy(), sphere.faces.copy(), colours_by_normal(sphere.vertices.copy(), sphere.faces.copy())
    )
    for position, colour in list(_corner_colours(frame).items())[::40]:
        np.testing.assert_allclose(colour, 0.5 + 0.5 * np.array(position), atol=0.01)
    by_position = colours_by_position(np.array([[0.0, 2, 5], [4, 4, 5], [1, 3, 5]]), np.array([[0, 1, 2]]))
    np.testing.assert_allclose(by_position.corners[0], [[0, 0, 0], [1, 1, 0], [0.25, 0.5, 0]])


# Arrays in .npz


def test_arrays_come_back(tmp_path: Path) -> None:
    source = _save_arrays(tmp_path / "mesh.npz", times=np.arange(3.0))
    sequence = open_mesh_sequence(source, _save_picture(tmp_path / "t.png"))
    assert len(sequence) == 3
    for index in range(3):
        frame = sequence.frame(index)
        np.testing.assert_array_equal(frame.vertices, _VERTICES[index].astype(np.float64))
        np.testing.assert_array_equal(frame.faces, _FACES)
        assert isinstance(frame.colours, TexturedColours)
        np.testing.assert_array_equal(frame.colours.corners, _UV[_FACES])
        np.testing.assert_array_equal(frame.colours.picture, _PICTURE)


@pytest.mark.parametrize("names", [["mesh.png", "other.png"], ["other.png"]])
def test_texture_beside_the_arrays(tmp_path: Path, names: list[str]) -> None:
    source = _save_arrays(tmp_path / "mesh.npz")
    for name in names[::-1]:
        _save_picture(tmp_path / name, _PICTURE if name == names[0] else 255 - _PICTURE)
    colours = open_mesh_sequence(source).frame(0).colours
    assert isinstance(colours, TexturedColours)
    np.testing.assert_array_equal(colours.picture, _PICTURE)


def test_arrays_without_a_texture(tmp_path: Path) -> None:
    source = _save_arrays(tmp_path / "mesh.npz")
    _expect("--texture: expected the texture of", source, "found none", source=source)
    for name in ("a.png", "b.png"):
        _save_picture(tmp_path / name)
    _expect("--texture: expected the texture of", source, source=source)
    _expect(tmp_path / "no.png", "expected a texture image", source=source, texture=tmp_path / "no.png")


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"vertices": _VERTICES[0]}, "vertices: expected [T, V, 3] of floats, found [4, 3] of float32"),
        ({"vertices": _VERTICES[:0]}, "vertices: expected one frame or more, found none"),
        ({"vertices": np.array([["a"]])}, "vertices: expected [T, V, 3] of floats, found [1, 1] of <U1"),
        ({"faces": _FACES.astype(np.float32)}, "faces: expected [F, 3] of integers, found [2, 3] of float32"),
        ({"faces": _FACES + 1}, "expected triangles of 4 vertices, found vertex 4"),
        ({"faces": _FACES - 1}, "expected triangles of 4 vertices, found vertex -1"),
        ({"faces": _FACES[:0]}, "expected triangles, found none"),
        ({"uv": _UV[:3]}, "uv: expected one row for each of 4 vertices, found 3"),
        ({"uv": _UV * np.nan}, "uv: expected finite numbers, found nan"),
    ],
)
def test_arrays_that_do_not_fit(tmp_path: Path, changed: dict[str, np.ndarray], message: str) -> None:
    _save_picture(tmp_path / "mesh.png")
    source = _save_arrays(tmp_path / "mesh.npz", **changed)
    _expect(source, message, source=source)


def test_arrays_with_a_wild_frame(tmp_path: Path) -> None:
    _save_picture(tmp_path / "mesh.png")
    vertices = _VERTICES.copy()
    vertices[2, 1, 0] = np.inf
    source = _save_arrays(tmp_path / "mesh.npz", vertices=vertices)
    _expect(source, "frame 2: expected finite vertices, found inf", source=source, frame=2)


def test_archive_that_is_none_lacks_arrays_or_is_cut_short(tmp_path: Path) -> None:
    source = tmp_path / "mesh.npz"
    source.write_bytes(b"no archive")
    _expect(source, "expected a NumPy .npz archive, found a file that cannot be read", source=source)
    np.savez(source, vertices=_VERTICES)
    _expect(source, "expected the arrays vertices, faces and uv, found vertices", source=source)
    _save_arrays(source)
    source.write_bytes(source.read_bytes()[:-40])
    _expect(source, "expected a NumPy .npz archive", source=source)


def test_array_that_declares_more_than_there_is(tmp_path: Path) -> None:
    np.save(tmp_path / "vertices.npy", _VERTICES)
    source = tmp_path / "mesh.npz"
    with zipfile.ZipFile(source, "w") as archive:
        archive.writestr("vertices.npy", (tmp_path / "vertices.npy").read_bytes().replace(b"(3, 4, 3)", b"(9, 4, 3)"))
    _expect(source, "vertices: expected 432 bytes for [9, 4, 3] of float32, found 144", source=source)


# .anime


def test_anime_comes_back_with_frame_0_and_colours_that_move_along(tmp_path: Path) -> None:
    source = tmp_path / "a.anime"
    source.write_bytes(_anime())
    sequence = open_mesh_sequence(source)
    assert len(sequence) == 3
    for index in range(3):
        frame = sequence.frame(index)
        np.testing.assert_allclose(frame.vertices, _VERTICES[index], atol=1e-6)
        np.testing.assert_array_equal(frame.faces, _FACES)
        np.testing.assert_array_equal(_centre_colours(frame), _centre_colours(sequence.frame(0)))


def test_anime_of_another_size(tmp_path: Path) -> None:
    source = tmp_path / "a.anime"
    size = 4 * (3 + 3 * 4 + 3 * 2 + 3 * 2 * 4)
    for data in (_anime()[:-1], _anime() + b"\0"):
        source.write_bytes(data)
        _expect(source, f"expected {size} bytes for 3 frames of 4 vertices", f"found {len(data)}", source=source)
    source.write_bytes(b"short")
    _expect(source, "expected an .anime file of 12 bytes or more, found 5", source=source)
    source.write_bytes(_anime(num_frames=-3))
    _expect(source, "expected one or more frames, vertices and triangles, found -3, 4 and 2", source=source)


# Folders


def test_ply_folder_in_order_of_numbers_with_topology_of_each_frame(tmp_path: Path) -> None:
    meshes = {
        2: trimesh.creation.box(),
        10: trimesh.creation.icosphere(subdivisions=1),
        1: trimesh.creation.cylinder(1.0, 1.0, sections=5),
    }
    colours = {number: _RANDOM.integers(0, 256, (len(mesh.vertices), 3), np.uint8) for number, mesh in meshes.items()}
    for number, mesh in meshes.items():
        coloured = trimesh.Trimesh(mesh.vertices, mesh.faces, vertex_colors=colours[number], process=False)
        coloured.export(tmp_path / f"mesh_{number}.ply")
    sequence = open_mesh_sequence(tmp_path)
    assert len(sequence) == 3
    for index, number in enumerate([1, 2, 10]):
        frame, mesh = sequence.frame(index), meshes[number]
        np.testing.assert_allclose(frame.vertices, mesh.vertices, atol=1e-6)
        np.testing.assert_array_equal(frame.faces, mesh.faces)
        expected = colours[number][mesh.faces].mean(axis=1) / 255.0
        np.testing.assert_allclose(_centre_colours(frame), expected, atol=1e-6)


def test_ply_with_colours_of_faces_or_none(tmp_path: Path) -> None:
    mesh = trimesh.creation.box()
    mesh.export(tmp_path / "b.ply")
    colours = _RANDOM.integers(0, 256, (12, 3), np.uint8)
    trimesh.Trimesh(mesh.vertices, mesh.faces, face_colors=colours, process=False).export(tmp_path / "a.ply")
    sequence = open_mesh_sequence(tmp_path)
    np.testing.assert_allclose(_centre_colours(sequence.frame(0)), colours / 255.0, atol=1e-6)
    by_normal = colours_by_normal(sequence.frame(1).vertices, sequence.frame(1).faces)
    np.testing.assert_allclose(_centre_colours(sequence.frame(1)), by_normal.corners.mean(axis=1))


def _obj_folder(folder: Path) -> None:
    """Two frames, the same mesh with textures that differ."""
    for index in range(2):
        (folder / f"walk_{index}.obj").write_text(f"mtllib walk_{index}.mtl\nusemtl skin\n{_OBJ}")
        (folder / f"walk_{index}.mtl").write_text(f"newmtl skin\nmap_Kd texture_{index}.png\n")
        _save_picture(folder / f"texture_{index}.png", _PICTURE if index == 0 else 255 - _PICTURE)


def _check_obj_colours(frame: MeshFrame, picture: np.ndarray) -> None:
    """v of an OBJ is measured from the bottom: the first corner sees the top left pixel of the 5 x 4 picture."""
    colours = _corner_colours(frame)
    expected = {(0, 0, 0): (0, 0), (1, 0, 0): (0, 3), (1, 1, 0): (4, 3), (0, 1, 0): (4, 0)}
    assert colours.keys() == expected.keys()
    for position, pixel in expected.items():
        np.testing.assert_allclose(colours[position], picture[pixel] / 255.0, atol=1e-6)


def test_obj_folder_with_a_texture_a_frame(tmp_path: Path) -> None:
    _obj_folder(tmp_path)
    sequence = open_mesh_sequence(tmp_path)
    assert len(sequence) == 2
    _check_obj_colours(sequence.frame(0), _PICTURE)
    _check_obj_colours(sequence.frame(1), 255 - _PICTURE)


def test_obj_texture_beside_the_file_or_given(tmp_path: Path) -> None:
    (tmp_path / "walk.obj").write_text(_OBJ)
    _save_picture(tmp_path / "walk.png")
    _check_obj_colours(open_mesh_sequence(tmp_path).frame(0), _PICTURE)
    given = _save_picture(tmp_path / "given.png", 255 - _PICTURE)
    _check_obj_colours(open_mesh_sequence(tmp_path, given).frame(0), 255 - _PICTURE)


def test_obj_with_two_materials(tmp_path: Path) -> None:
    other = "v 0 0 1\nv 1 0 1\nv 1 1 1\n"
    faces = "usemtl b\nf 5/1 6/2 7/3\n"
    (tmp_path / "a.obj").write_text(f"mtllib a.mtl\nusemtl a\n{_OBJ}{other}{faces}")
    (tmp_path / "a.mtl").write_text("newmtl a\nmap_Kd a_texture.png\nnewmtl b\nmap_Kd b_texture.png\n")
    _save_picture(tmp_path / "a_texture.png")
    _save_picture(tmp_path / "b_texture.png", 255 - _PICTURE)
    frame = open_mesh_sequence(tmp_path).frame(0)
    assert len(frame.faces) == 3
    colours = _corner_colours(frame)
    np.testing.assert_allclose(colours[0, 0, 0], _PICTURE[0, 0] / 255.0, atol=1e-6)
    np.testing.assert_allclose(colours[0, 0, 1], 1.0 - _PICTURE[0, 0] / 255.0, atol=1e-6)


def test_obj_with_colours_of_vertices(tmp_path: Path) -> None:
    (tmp_path / "a.obj").write_text("v 0 0 0 1 0 0\nv 1 0 0 0 1 0\nv 0 1 0 0 0 1\nf 1 2 3\n")
    colours = _corner_colours(open_mesh_sequence(tmp_path).frame(0))
    np.testing.assert_allclose(colours[1, 0, 0], [0, 1, 0], atol=1e-6)


def test_obj_without_its_texture(tmp_path: Path) -> None:
    _obj_folder(tmp_path)
    (tmp_path / "texture_1.png").unlink()
    _expect(tmp_path / "walk_1.obj", "expected its texture", "found none", source=tmp_path, frame=1)
    (tmp_path / "walk_1.mtl").unlink()
    _expect(tmp_path / "walk_1.obj", "expected its texture", "walk_1.png", "found none", source=tmp_path, frame=1)


def test_obj_that_is_broken(tmp_path: Path) -> None:
    path = tmp_path / "a.obj"
    path.write_text(_OBJ.replace("3/3", "9/3"))
    _expect(path, "expected a mesh, found a file that cannot be read", source=tmp_path, frame=0)
    path.write_text(_OBJ.replace("3/3", "3/9"))
    _expect(path, "expected texture coordinates at every corner", source=tmp_path, frame=0)
    path.write_text("v 0 0 0\nv nan 0 0\nv 0 1 0\nf 1 2 3\n")
    _expect(path, "expected finite vertices, found nan", source=tmp_path, frame=0)
    path.write_text("")
    _expect(path, "expected", source=tmp_path, frame=0)


def test_ply_that_is_broken_or_has_no_triangles(tmp_path: Path) -> None:
    path = tmp_path / "a.ply"
    trimesh.PointCloud(_VERTICES[0]).export(path)
    _expect(path, "expected triangles, found none", source=tmp_path, frame=0)
    trimesh.creation.box().export(path)
    path.write_bytes(path.read_bytes()[:-20])
    _expect(path, "expected a mesh, found a file that cannot be read", source=tmp_path, frame=0)


def test_texture_for_meshes_without_coordinates(tmp_path: Path) -> None:
    trimesh.creation.box().export(tmp_path / "a.ply")
    texture = _save_picture(tmp_path / "t.png")
    _expect("--texture: expected none", "a.ply", "found", texture, source=tmp_path, frame=0, texture=texture)


def test_source_of_another_kind(tmp_path: Path) -> None:
    _expect(tmp_path / "no", "expected a mesh sequence, found no such file or folder", source=tmp_path / "no")
    (tmp_path / "a.fbx").write_text("")
    _expect("expected a folder, or a file in .ply, .obj, .npz, .anime, .glb or .gltf", source=tmp_path / "a.fbx")
    _expect(tmp_path, "expected ply or obj files, found neither", source=tmp_path)
    (tmp_path / "a.obj").write_text(_OBJ)
    (tmp_path / "a.ply").write_text("")
    _expect(tmp_path, "expected ply or obj files, found .obj and .ply", source=tmp_path)


def test_options_of_another_kind_of_source(tmp_path: Path) -> None:
    anime = tmp_path / "a.anime"
    anime.write_bytes(_anime())
    _expect("--texture: expected with a .npz file or with meshes", source=anime, texture=tmp_path)
    with pytest.raises(ValueError, match=r"--fps: expected with a .glb or .gltf file, found with .*a\.anime"):
        open_mesh_sequence(anime, fps=10.0)
    with pytest.raises(ValueError, match=r"--animation: expected with a .glb or .gltf file"):
        open_mesh_sequence(anime, animation="Walk")
