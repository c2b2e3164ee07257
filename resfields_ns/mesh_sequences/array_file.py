"""Mesh sequences in a NumPy archive: arrays `vertices` [T, V, 3], `faces` [F, 3] and `uv` [V, 2]."""

import math
import zipfile
from pathlib import Path

import numpy as np

from resfields_ns.mesh_sequences.colours.textured_colours import TexturedColours
from resfields_ns.mesh_sequences.mesh_frame import MeshFrame, check_triangles
from resfields_ns.mesh_sequences.mesh_sequence import MeshSequence
from resfields_ns.mesh_sequences.pictures import SUFFIXES, picture_beside, read_picture


class ArrayFile(MeshSequence):
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
    images = [other for other in path.parent.iterdir() if other.suffix.lower() in SUFFIXES]
    if len(images) != 1:
        raise ValueError(
            f"--texture: expected the texture of {path}, as there is not exactly one image beside it, found none"
        )
    return images[0]


def _read_arrays(path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    try:
        with zipfile.ZipFile(path) as archive:
            vertices = _read_array(archive, path, "vertices", ("T", "V", 3), "f")
            faces = _read_array(archive, path, "faces", ("F", 3), "iu")
            uv = _read_array(archive, path, "uv", ("V", 2), "f")
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, OSError, EOFError) as error:
        raise ValueError(f"{path}: expected a NumPy .npz archive, found a file that cannot be read ({error})") from None
    return vertices, faces, uv


def _read_array(archive: zipfile.ZipFile, path: Path, key: str, shape: tuple[str | int, ...], kinds: str) -> np.ndarray:
    """One array, after its declared shape and type are checked against what is wanted and against the bytes there."""
    member, name = f"{key}.npy", f"{path}: {key}"
    if member not in archive.namelist():
        keys = ", ".join(sorted(Path(found).stem for found in archive.namelist()[:8]))
        raise ValueError(f"{path}: expected the arrays vertices, faces and uv, found {keys or 'none'}")
    with archive.open(member) as stream:
        try:
            version = np.lib.format.read_magic(stream)
            read_header = (
                np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            )
            found_shape, fortran_order, dtype = read_header(stream)
        except ValueError as error:
            raise ValueError(f"{name}: expected a NumPy array, found data that cannot be read ({error})") from None
        fits = len(found_shape) == len(shape) and all(
            isinstance(wanted, str) or wanted == found for wanted, found in zip(shape, found_shape, strict=True)
        )
        if not fits or dtype.kind not in kinds:
            wanted = f"[{', '.join(map(str, shape))}] of {'floats' if kinds == 'f' else 'integers'}"
            raise ValueError(f"{name}: expected {wanted}, found {list(found_shape)} of {dtype}")
        size, found_size = math.prod(found_shape) * dtype.itemsize, archive.getinfo(member).file_size - stream.tell()
        if size != found_size:
            raise ValueError(f"{name}: expected {size} bytes for {list(found_shape)} of {dtype}, found {found_size}")
        return np.frombuffer(stream.read(), dtype).reshape(found_shape, order="F" if fortran_order else "C")
