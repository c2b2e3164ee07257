"""A video as one array."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from resfields_ns.data.clips.clip import Clip, Picture, rgb_picture

_MODES = {1: "L", 3: "RGB", 4: "RGBA"}


class ArrayFile(Clip):
    """A npy file [T, H, W, 3] of bytes, or of floats in 0..1; one channel (or none) is gray, a fourth is alpha.

    Raises:
        ValueError: if the file holds something else
    """

    def __init__(self, path: Path) -> None:
        array = _open(path)
        shape, dtype = array.shape, array.dtype
        channels = shape[3] if len(shape) == 4 else 1
        if len(shape) not in (3, 4) or channels not in _MODES or not (dtype == np.uint8 or dtype.kind == "f"):
            expected = "an array [frames, height, width, 3] of uint8 or float"
            raise ValueError(f"{path}: expected {expected}, found {list(shape)} of {dtype}")
        super().__init__(path, (shape[2], shape[1]), shape[0], _MODES[channels])

    def pictures(self, frames: list[int]) -> Iterator[Picture]:
        """Read frames, given in ascending order."""
        for frame in frames:
            values = self._bytes(frame).reshape(self.size[1], self.size[0], -1)
            yield rgb_picture(Image.fromarray(values[..., 0] if self.mode == "L" else values, self.mode))

    def _bytes(self, frame: int) -> npt.NDArray[np.uint8]:
        values = np.array(_open(self.path)[frame])  # opened anew, so that pages once read do not stay in memory
        if values.dtype == np.uint8:
            return values
        if not (values.min() >= 0.0 and values.max() <= 1.0):  # false for NaN as well
            found = f"{values.min()} to {values.max()}"
            raise ValueError(f"{self.path}: expected numbers from 0 to 1, found {found} in frame {frame}")
        return np.round(values * 255.0).astype(np.uint8)


def _open(path: Path) -> npt.NDArray:
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise ValueError(f"{path}: expected an array of numbers, found a file that cannot be read ({error})") from None
