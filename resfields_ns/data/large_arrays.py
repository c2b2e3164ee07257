"""Arrays that may be larger than memory."""

import math
import os
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt
import torch
from rich.progress import track
from torch import Tensor

LARGEST_IN_MEMORY = 2**30  # bytes; larger arrays are mapped from a file


def allocate(shape: tuple[int, ...], dtype: npt.DTypeLike) -> Tensor:
    """An array to be filled, in memory if it is small.

    A large one is mapped from an unnamed file in the system's temporary folder (TMPDIR), which goes with it: what is
    used often stays in memory as far as there is room, the rest on disk.
    """
    if math.prod(shape) * np.dtype(dtype).itemsize <= LARGEST_IN_MEMORY:
        return torch.from_numpy(np.empty(shape, dtype))
    with tempfile.TemporaryFile() as file:
        return torch.from_numpy(np.memmap(file, dtype, mode="w+", shape=shape))


def fill(target: Tensor, make: Callable[[int], npt.NDArray], description: str) -> None:
    """Make every row of an array, on all cores, showing progress."""

    def fill_row(index: int) -> None:
        target[index] = torch.from_numpy(make(index))

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for _ in track(pool.map(fill_row, range(len(target))), description, total=len(target), transient=True):
            pass
