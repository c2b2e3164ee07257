"""NumPy's files: one array in `.npy`, arrays by their names in `.npz`; what a header declares is checked first."""

import math
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from resfields_ns.captures.untrusted import blamed, check_file

Header = tuple[tuple[int, ...], np.dtype]
"""Shape and type of an array."""


def map_array(path: Path, expected: str) -> np.ndarray:
    """The array of a `.npy` file, mapped from it; ValueError if there is none or the file does not hold all of it."""
    check_file(path, expected)
    with blamed(path, expected):
        with path.open("rb") as file:
            shape, _, dtype = _read_header(file)
            _check_size(shape, dtype, path.stat().st_size - file.tell(), "its numbers")
        return np.load(path, mmap_mode="r", allow_pickle=False)


@contextmanager
def open_archive(path: Path, expected: str = "a NumPy .npz archive") -> Iterator[zipfile.ZipFile]:
    """An `.npz` file; ValueError if it is none, or breaks while it is read in the block."""
    check_file(path, expected)
    with blamed(path, expected), zipfile.ZipFile(path) as archive:
        yield archive


def read_member(archive: zipfile.ZipFile, path: Path, key: str, check: Callable[[Header, str], None]) -> np.ndarray:
    """An array of an archive, whose header `check` refuses by a ValueError if it is not what is wanted."""
    name = f"{path}: {key}"
    with archive.open(f"{key}.npy") as stream:
        with blamed(name, "a NumPy array"):
            shape, fortran_order, dtype = _read_header(stream)
        check((shape, dtype), name)
        _check_size(shape, dtype, archive.getinfo(f"{key}.npy").file_size - stream.tell(), name)
        content = stream.read()
    return np.frombuffer(content, dtype).reshape(shape, order="F" if fortran_order else "C")


def _read_header(stream: Any) -> tuple[tuple[int, ...], bool, np.dtype]:
    version = np.lib.format.read_magic(stream)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    return read(stream)


def _check_size(shape: tuple[int, ...], dtype: np.dtype, available: int, name: str) -> None:
    size = math.prod(shape) * dtype.itemsize
    if min(shape, default=0) < 0 or size != available:
        raise ValueError(f"{name}: expected {size} bytes for {list(shape)} of {dtype}, found {available}")
