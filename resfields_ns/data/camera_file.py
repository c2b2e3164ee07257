"""Reading NeuS's `cameras_sphere.npz`: matrices `world_mat_i` and `scale_mat_i` for the i-th frame of a camera."""

import zipfile
from pathlib import Path

import numpy as np
from jaxtyping import Float64


def read_matrices(
    path: Path, frames: list[int]
) -> tuple[Float64[np.ndarray, "frames 4 4"], Float64[np.ndarray, "frames 4 4"]]:
    """Return (world matrices, scale matrices) of the given frame indices.

    A world matrix maps world points to pixels, a scale matrix maps normalised to world points.
    Raises ValueError if the file or a key is missing, or a matrix is not a 4x4 array of finite numbers.
    """
    if not path.is_file():
        raise ValueError(f"{path}: expected the camera's matrices, found no such file")
    try:
        with zipfile.ZipFile(path) as archive:
            world = [_read_matrix(archive, f"world_mat_{frame}", path) for frame in frames]
            scale = [_read_matrix(archive, f"scale_mat_{frame}", path) for frame in frames]
    except (zipfile.BadZipFile, OSError, EOFError) as error:
        raise ValueError(f"{path}: expected a NumPy .npz archive, found a file that cannot be read ({error})") from None
    return np.stack(world), np.stack(scale)


def _read_matrix(archive: zipfile.ZipFile, key: str, path: Path) -> Float64[np.ndarray, "4 4"]:
    """Read one array after checking the shape and type that its header declares."""
    member = f"{key}.npy"
    if member not in archive.namelist():
        raise ValueError(f"{path}: expected the key {key!r}, found {_keys_summary(archive)}")
    name = f"{path}: {key}"
    shape, dtype = _read_header(archive, member, name)
    if shape != (4, 4) or dtype.kind not in "fiu":
        raise ValueError(f"{name}: expected a 4x4 array of numbers, found shape {shape} of {dtype}")
    with archive.open(member) as stream:
        matrix = np.lib.format.read_array(stream, allow_pickle=False).astype(np.float64)
    if not np.isfinite(matrix).all():
        raise ValueError(f"{name}: expected finite numbers, found {matrix[~np.isfinite(matrix)][0]}")
    return matrix


def _read_header(archive: zipfile.ZipFile, member: str, name: str) -> tuple[tuple[int, ...], np.dtype]:
    with archive.open(member) as stream:
        try:
            if np.lib.format.read_magic(stream) == (1, 0):
                shape, _, dtype = np.lib.format.read_array_header_1_0(stream)
            else:
                shape, _, dtype = np.lib.format.read_array_header_2_0(stream)
        except ValueError as error:
            raise ValueError(f"{name}: expected a NumPy array, found data that cannot be read ({error})") from None
    return shape, dtype


def _keys_summary(archive: zipfile.ZipFile) -> str:
    keys = sorted(Path(name).stem for name in archive.namelist())
    return f"{len(keys)} keys: {', '.join(keys[:4])}{', ...' if len(keys) > 4 else ''}"
