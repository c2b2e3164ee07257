"""Mesh sequences in files and folders of any format.

DeformingThings4D's `.anime`: headerless, little-endian. int32 nf, nv, nt; float32 [nv, 3] vertices of frame 0; int32
[nt, 3] faces; float32 [nf - 1, nv, 3] offsets of the later frames from frame 0.
"""

import re
import zipfile
from pathlib import Path

import numpy as np
import trimesh
from trimesh.visual import ColorVisuals, TextureVisuals

from resfields_ns.captures.array_files import Header, open_archive, read_member
from resfields_ns.captures.meshes.colours import (
    SUFFIXES,
    BlendedColours,
    SurfaceColours,
    TexturedColours,
    colours_by_normal,
    colours_by_position,
    picture_beside,
    read_picture,
)
from resfields_ns.captures.meshes.gltf_sequence import GltfSequence
from resfields_ns.captures.meshes.mesh_frames import MeshFrame, MeshSequence, check_triangles, join_frames
from resfields_ns.captures.meshes.mesh_loading import load_mesh
from resfields_ns.captures.untrusted import blamed, check_file
from resfields_ns.files import is_hidden, list_folder

_COUNTS_SIZE = 12  # bytes


class AnimeFile(MeshSequence):
    """A moving surface without colours: a point keeps the colour of its place in the box of frame 0."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.vertices, self.offsets, self.faces = _read(path)
        check_triangles(self.vertices, self.faces, f"{path}: frame 0")
        self.colours = colours_by_position(self.vertices, self.faces)

    def __len__(self) -> int:
        return len(self.offsets) + 1

    def frame(self, index: int) -> MeshFrame:
        vertices = self.vertices if index == 0 else self.vertices + self.offsets[index - 1]
        check_triangles(vertices, self.faces, f"{self.path}: frame {index}")
        return MeshFrame(vertices, self.faces, self.colours)


def _read(path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Vertices of frame 0, offsets of the others (as they lie in the file), and faces."""
    check_file(path, "an .anime file")
    size = path.stat().st_size
    if size < _COUNTS_SIZE:
        raise ValueError(f"{path}: expected an .anime file of {_COUNTS_SIZE} bytes or more, found {size}")
    num_frames, num_vertices, num_triangles = (int(n) for n in np.fromfile(path, "<i4", 3))
    if min(num_frames, num_vertices, num_triangles) < 1:
        counts = f"{num_frames}, {num_vertices} and {num_triangles}"
        raise ValueError(f"{path}: expected one or more frames, vertices and triangles, found {counts}")
    expected = _COUNTS_SIZE + 4 * 3 * (num_vertices + num_triangles + (num_frames - 1) * num_vertices)
    if size != expected:
        raise ValueError(
            f"{path}: expected {expected} bytes for {num_frames} frames of {num_vertices} vertices and "
            f"{num_triangles} triangles, found {size}"
        )
    with path.open("rb") as file:
        file.seek(_COUNTS_SIZE)
        vertices = np.fromfile(file, "<f4", num_vertices * 3).reshape(-1, 3)
        faces = np.fromfile(file, "<i4", num_triangles * 3).reshape(-1, 3)
        offsets = np.fromfile(file, "<f4").reshape(-1, num_vertices, 3)
    return vertices.astype(np.float64), offsets, faces.astype(np.int64)


class MeshArchive(MeshSequence):
    """Vertices that move, and a texture; v is measured from the image's top."""

    def __init__(self, path: Path, texture: Path | None = None) -> None:
        """Read the arrays; without `texture` it is the image of the file's name, or the only image beside it."""
        self.path = path
        self.vertices, faces, uv = _read_arrays(path)
        self.faces = faces.astype(np.int64)
        num_vertices = self.vertices.shape[1]
        if len(uv) != num_vertices:
            raise ValueError(f"{path}: uv: expected one row for each of {num_vertices} vertices, found {len(uv)}")
        if len(self.vertices) == 0:
            raise ValueError(f"{path}: vertices: expected one frame or more, found none")
        if not np.isfinite(uv).all():
            raise ValueError(f"{path}: uv: expected finite numbers, found {uv[~np.isfinite(uv)][0]}")
        check_triangles(self.vertices[0].astype(np.float64), self.faces, str(path))
        texture = texture or _find_texture(path)
        self.colours = TexturedColours(uv.astype(np.float64)[self.faces], read_picture(texture, str(texture)))

    def __len__(self) -> int:
        return len(self.vertices)

    def frame(self, index: int) -> MeshFrame:
        vertices = self.vertices[index].astype(np.float64)
        check_triangles(vertices, self.faces, f"{self.path}: frame {index}")
        return MeshFrame(vertices, self.faces, self.colours)


def _find_texture(path: Path) -> Path:
    of_same_name = picture_beside(path)
    if of_same_name is not None:
        return of_same_name
    images = list_folder(path.parent, SUFFIXES)
    if len(images) != 1:
        raise ValueError(
            f"--texture: expected the texture of {path}, as there is not exactly one image beside it, found none"
        )
    return images[0]


def _read_arrays(path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    with open_archive(path) as archive:
        vertices = _read_array(archive, path, "vertices", ("T", "V", 3), "f")
        faces = _read_array(archive, path, "faces", ("F", 3), "iu")
        uv = _read_array(archive, path, "uv", ("V", 2), "f")
    return vertices, faces, uv


def _read_array(archive: zipfile.ZipFile, path: Path, key: str, shape: tuple[str | int, ...], kinds: str) -> np.ndarray:
    """One array, after its declared shape and type are checked against what is wanted."""
    if f"{key}.npy" not in archive.namelist():
        keys = ", ".join(sorted(Path(found).stem for found in archive.namelist()[:8]))
        raise ValueError(f"{path}: expected the arrays vertices, faces and uv, found {keys or 'none'}")

    def check(header: Header, name: str) -> None:
        found, dtype = header
        fits = len(found) == len(shape) and all(
            isinstance(wanted, str) or wanted == length for wanted, length in zip(shape, found, strict=True)
        )
        if not fits or dtype.kind not in kinds:
            wanted = f"[{', '.join(map(str, shape))}] of {'floats' if kinds == 'f' else 'integers'}"
            raise ValueError(f"{name}: expected {wanted}, found {list(found)} of {dtype}")

    return read_member(archive, path, key, check)


def read_mesh_file(path: Path, texture: Path | None = None) -> MeshFrame:
    """Read a mesh with a texture, colours of vertices or faces, or none: then it is coloured by its normals.

    A texture is the image `texture`, or the one that the material names, or the one of the same name beside the file.
    Raises ValueError if the file is broken or its texture is missing.
    """
    loaded = load_mesh(path)
    parts = list(loaded.geometry.values()) if isinstance(loaded, trimesh.Scene) else [loaded]
    meshes = [part for part in parts if isinstance(part, trimesh.Trimesh)]
    if not meshes or len(meshes) < len(parts):
        raise ValueError(f"{path}: expected triangles, found none")
    return join_frames([_read_part(part, path, texture) for part in meshes])


def _read_part(part: trimesh.Trimesh, path: Path, texture: Path | None) -> MeshFrame:
    vertices, faces = np.array(part.vertices, np.float64), np.array(part.faces, np.int64)
    check_triangles(vertices, faces, str(path))
    return MeshFrame(vertices, faces, _colours(part.visual, vertices, faces, path, texture))


def _colours(
    visual: ColorVisuals | TextureVisuals | None,
    vertices: np.ndarray,
    faces: np.ndarray,
    path: Path,
    texture: Path | None,
) -> SurfaceColours:
    if isinstance(visual, TextureVisuals) and visual.uv is not None:
        return _textured(visual, faces, path, texture)
    if path.suffix.lower() == ".obj" and re.search(rb"^vt\s", path.read_bytes(), re.MULTILINE):
        raise ValueError(f"{path}: expected texture coordinates at every corner of its faces, found corners without")
    if texture is not None:
        raise ValueError(f"--texture: expected none, as {path} has no texture coordinates, found {texture}")
    if isinstance(visual, TextureVisuals):
        return BlendedColours(np.broadcast_to(visual.material.main_color[:3] / 255.0, (len(faces), 3, 3)))
    if isinstance(visual, ColorVisuals) and visual.kind == "vertex":
        return BlendedColours(np.array(visual.vertex_colors)[:, :3][faces] / 255.0)
    if isinstance(visual, ColorVisuals) and visual.kind == "face":
        return BlendedColours(np.repeat(np.array(visual.face_colors)[:, None, :3], 3, axis=1) / 255.0)
    return colours_by_normal(vertices, faces)


def _textured(visual: TextureVisuals, faces: np.ndarray, path: Path, texture: Path | None) -> TexturedColours:
    of_material = getattr(visual.material, "image", None)
    beside = picture_beside(path)
    if texture is not None:
        picture = read_picture(texture, str(texture))
    elif of_material is not None and "file_path" in of_material.info:  # trimesh has a stand-in, which lacks this
        with blamed(f"{path}: texture {of_material.info['file_path']}", "a picture"):
            picture = np.array(of_material.convert("RGB"))
    elif beside is not None:
        picture = read_picture(beside, str(beside))
    else:
        raise ValueError(
            f"{path}: expected its texture: an image that its material names, or {path.stem}.png or .jpg beside it, "
            "found none"
        )
    corners = np.array(visual.uv, np.float64)[faces]
    if not np.isfinite(corners).all():
        raise ValueError(f"{path}: expected finite texture coordinates, found {corners[~np.isfinite(corners)][0]}")
    return TexturedColours(corners * [1.0, -1.0] + [0.0, 1.0], picture)


_SUFFIXES = (".obj", ".ply")


class MeshFolder(MeshSequence):
    """Meshes of one kind, ordered by the numbers in their names; each may have triangles of its own.

    A single file is a sequence of one frame.
    """

    def __init__(self, folder: Path, texture: Path | None = None) -> None:
        """Find the files; `texture` is one texture for all of them, in place of their own."""
        self.files = [folder] if folder.is_file() else list_folder(folder, _SUFFIXES)
        kinds = sorted({path.suffix.lower() for path in self.files})
        if len(kinds) != 1:
            raise ValueError(f"{folder}: expected ply or obj files, found {' and '.join(kinds) or 'neither'}")
        self.texture = texture

    def __len__(self) -> int:
        return len(self.files)

    def frame(self, index: int) -> MeshFrame:
        return read_mesh_file(self.files[index], self.texture)


_OF_MESHES = (*_SUFFIXES, "")  # of a folder
_WHOLE = (".npz", ".anime", ".glb", ".gltf")  # of files with a sequence
_BESIDE = (*SUFFIXES, ".bin", ".mtl")  # textures, buffers and materials


def open_mesh_sequence(
    source: Path, texture: Path | None = None, fps: float | None = None, animation: str | None = None
) -> MeshSequence:
    """Open a folder of PLY or OBJ files, one such file, or a .npz, .anime, .glb or .gltf file.

    Raises ValueError if the source is none of these or is broken, or an option has no meaning for it.
    """
    if not source.exists():
        raise ValueError(f"{source}: expected a mesh sequence, found no such file or folder")
    suffix = "" if source.is_dir() else source.suffix.lower()
    if suffix not in (*_OF_MESHES, *_WHOLE):
        expected = "a folder, or a file in .ply, .obj, .npz, .anime, .glb or .gltf"
        raise ValueError(f"{source}: expected {expected}, found {source.name}")
    if texture is not None and suffix not in (*_OF_MESHES, ".npz"):
        raise ValueError(f"--texture: expected with a .npz file or with meshes, found with {source}")
    for option, value in [("--fps", fps), ("--animation", animation)]:
        if value is not None and suffix not in (".glb", ".gltf"):
            raise ValueError(f"{option}: expected with a .glb or .gltf file, found with {source}")
    if suffix in _OF_MESHES:
        return MeshFolder(source, texture)
    if suffix == ".npz":
        return MeshArchive(source, texture)
    if suffix == ".anime":
        return AnimeFile(source)
    return GltfSequence(source, fps, animation)


def open_chain(source: Path) -> list[MeshSequence] | None:
    """The sequences of a folder that holds folders, or files with whole sequences, and no mesh of its own.

    None for what is one sequence. Raises ValueError if one of them is broken.
    """
    found = list_folder(source)
    sequences = [path for path in found if path.is_dir() or path.suffix.lower() in _WHOLE]
    if not sequences or any(path.suffix.lower() in _SUFFIXES for path in found):
        return None
    return [open_mesh_sequence(path) for path in sequences]


def source_files(source: Path, texture: Path | None = None) -> list[Path]:
    """The files that a sequence can be made of: all of a folder, or a file with the textures and buffers beside it."""
    if source.is_dir():
        files = [path for path in source.rglob("*") if path.is_file() and not is_hidden(path)]
    else:
        files = [path for path in list_folder(source.parent) if path == source or path.suffix.lower() in _BESIDE]
    return sorted(files) + ([] if texture is None else [texture])
