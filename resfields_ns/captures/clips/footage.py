"""Frames of a video, wherever they lie."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
from jaxtyping import UInt8
from PIL import Image

from resfields_ns.captures.array_files import map_array
from resfields_ns.captures.image_files import (
    PICTURE_SUFFIXES,
    check_size,
    image_size,
    list_frames,
    open_image,
    rgb_picture,
    upright,
)
from resfields_ns.captures.video_file import decode_frames, probe_video

Picture = UInt8[np.ndarray, "height width 3"]

CONVERSIONS = {
    "1": "gray, repeated in three channels",
    "L": "gray, repeated in three channels",
    "LA": "gray, repeated in three channels; its alpha channel is laid over white",
    "RGBA": "its alpha channel is laid over white",
}
"""What `rgb_picture` does to images, by their mode."""


class Footage(ABC):
    """Frames of a video, wherever they lie.

    Args:
        path: of the file or folder
        size: (width, height) in pixels, at least 2 x 2
        num_frames: how many there are, at least 1
        mode: of the pixels, by Pillow's name
        frame_rate: frames a second, 0 where nothing tells

    Raises:
        ValueError: if there are fewer pixels or frames
    """

    def __init__(self, path: Path, size: tuple[int, int], num_frames: int, mode: str, frame_rate: float = 0.0) -> None:
        if num_frames < 1:
            raise ValueError(f"{path}: expected a video of at least one frame, found one without frames")
        if min(size) < 2:
            raise ValueError(f"{path}: expected frames of at least 2x2 pixels, found {size[0]}x{size[1]}")
        self.path = path
        self.size = size
        self.num_frames = num_frames
        self.mode = mode
        self.frame_rate = frame_rate

    @abstractmethod
    def pictures(self, frames: list[int]) -> Iterator[Picture]:
        """Read frames, given in ascending order, one after the other.

        Raises ValueError for a frame that cannot be read, or is of another size.
        """


_MODES = {1: "L", 3: "RGB", 4: "RGBA"}


class ArrayFootage(Footage):
    """A npy file [T, H, W, 3] of bytes, or of floats in 0..1; one channel (or none) is gray, a fourth is alpha.

    Raises:
        ValueError: if the file holds something else
    """

    def __init__(self, path: Path) -> None:
        array = map_array(path, "an array of numbers")
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
        values = np.array(
            map_array(self.path, "an array of numbers")[frame]
        )  # opened anew, so that pages once read do not stay in memory
        if values.dtype == np.uint8:
            return values
        if not (values.min() >= 0.0 and values.max() <= 1.0):  # false for NaN as well
            found = f"{values.min()} to {values.max()}"
            raise ValueError(f"{self.path}: expected numbers from 0 to 1, found {found} in frame {frame}")
        return np.round(values * 255.0).astype(np.uint8)


class PictureFootage(Footage):
    """png or jpg files, one a frame; a single picture is a video of one frame.

    Raises:
        ValueError: if they differ in size
    """

    def __init__(self, path: Path, files: list[Path]) -> None:
        self.files = files
        first = files[0]
        size = image_size(first)
        for file in self.files[1:]:
            check_size(file, image_size(file), size, first.name)
        with open_image(first) as image:
            super().__init__(path, size, len(files), image.mode)

    def pictures(self, frames: list[int]) -> Iterator[Picture]:
        """Read frames, given in ascending order."""
        for frame in frames:
            with open_image(self.files[frame], expected="a picture", found="a broken file") as image:
                picture = rgb_picture(upright(image))
            yield picture


class VideoFootage(Footage):
    """A file that PyAV decodes (mp4, mkv, gif, webm and others), as a player shows it: upright, cut as its editor says.

    Frames are taken as evenly spaced in time.

    Raises:
        ValueError: if the file cannot be read or holds no video
    """

    def __init__(self, path: Path) -> None:
        self.video = probe_video(path)
        super().__init__(path, self.video.size, self.video.num_frames, self.video.mode, self.video.frame_rate)

    def pictures(self, frames: list[int]) -> Iterator[Picture]:
        """Read frames, given in ascending order."""
        for _, picture in decode_frames(self.video, frames):
            yield picture


def open_footage(path: Path) -> Footage:
    """Open a video file (mp4, mkv, gif, webm and others), a picture (png, jpg), a folder of them, or a npy file.

    Raises ValueError if it is none of these, or holds no frames.
    """
    if path.is_dir():
        return PictureFootage(path, list(list_frames(path).values()))
    if path.suffix.lower() in PICTURE_SUFFIXES:
        return PictureFootage(path, [path])
    return ArrayFootage(path) if path.suffix == ".npy" else VideoFootage(path)
