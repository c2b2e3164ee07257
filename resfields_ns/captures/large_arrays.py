"""Arrays that may be larger than memory."""

import errno
import math
import mmap
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import IO

import numpy as np
import numpy.typing as npt
import torch
from rich.progress import track
from torch import Tensor

from resfields_ns.files import DiskFullError, is_full_disk

LARGEST_IN_MEMORY = 2**30  # bytes; larger arrays are mapped from a file


def allocate(shape: tuple[int, ...], dtype: npt.DTypeLike) -> Tensor:
    """An array to be filled, in memory if it is small.

    A large one is mapped from an unnamed file in the system's temporary folder (TMPDIR), which goes with it: what is
    used often stays in memory as far as there is room, the rest on disk. Raises DiskFullError where it has no room.
    """
    if _is_small(shape, dtype):
        return torch.from_numpy(np.empty(shape, dtype))
    with _file_of(math.prod(shape) * np.dtype(dtype).itemsize) as file:
        return _mapped(file, shape, dtype)


def make_rows(
    shape: tuple[int, ...], dtype: npt.DTypeLike, make: Callable[[int], npt.NDArray], description: str
) -> Tensor:
    """An array as `allocate` makes it, whose rows are made on all cores, showing progress.

    The rows of a large one go straight to its file, and none of it is in memory at first. Raises DiskFullError where
    the disk has no room for it.
    """
    if _is_small(shape, dtype):
        array = np.empty(shape, dtype)
        _fill(array.__setitem__, len(array), make, description)
        return torch.from_numpy(array)
    row_bytes = math.prod(shape[1:]) * np.dtype(dtype).itemsize
    with _file_of(shape[0] * row_bytes) as file:

        def write(index: int, row: npt.NDArray) -> None:
            np.memmap(file, dtype, mode="r+", offset=index * row_bytes, shape=shape[1:])[...] = row

        _fill(write, shape[0], make, description)
        return _mapped(file, shape, dtype)


@contextmanager
def _file_of(size: int) -> Iterator[IO[bytes]]:
    """An unnamed file whose bytes the disk has set aside, where the system can.

    A mapped one that there is no room for ends the process.
    """
    folder = tempfile.gettempdir()
    free = shutil.disk_usage(folder).free
    with tempfile.TemporaryFile() as file:
        try:
            if size > free:  # which would fill the disk first
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            if hasattr(os, "posix_fallocate"):  # not on macOS and Windows
                os.posix_fallocate(file.fileno(), 0, size)
            else:
                file.truncate(size)
        except OSError as error:
            if not is_full_disk(error):
                raise
            raise DiskFullError(
                f"{folder}: expected room for an array of {size / 1e9:.1f} GB, found {free / 1e9:.1f} GB; TMPDIR can "
                "name a folder on a larger disk"
            ) from error
        yield file


def _mapped(file: IO[bytes], shape: tuple[int, ...], dtype: npt.DTypeLike) -> Tensor:
    """A file's bytes as an array whose single values are read alone, without what lies around them."""
    memory = mmap.mmap(file.fileno(), 0)
    if hasattr(mmap, "MADV_RANDOM"):
        memory.madvise(mmap.MADV_RANDOM)
    return torch.from_numpy(np.frombuffer(memory, dtype).reshape(shape))


def _is_small(shape: tuple[int, ...], dtype: npt.DTypeLike) -> bool:
    return math.prod(shape) * np.dtype(dtype).itemsize <= LARGEST_IN_MEMORY


def _fill(
    write: Callable[[int, npt.NDArray], None], count: int, make: Callable[[int], npt.NDArray], description: str
) -> None:
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        rows = pool.map(lambda index: write(index, make(index)), range(count))
        for _ in track(rows, description, total=count, transient=True):
            pass
