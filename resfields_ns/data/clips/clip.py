"""A sequence of pictures of one size."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image

Picture = UInt8[np.ndarray, "height width 3"]

CONVERSIONS = {
    "1": "gray, repeated in three channels",
    "L": "gray, repeated in three channels",
    "LA": "gray, repeated in three channels; its alpha channel is laid over white",
    "RGBA": "its alpha channel is laid over white",
}
"""What `rgb_picture` does to images, by their mode."""


class Clip(ABC):
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


def rgb_picture(image: Image.Image) -> Picture:
    """An image of 8 bits a channel as RGB; gray repeated in three channels, transparency laid over white."""
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        return np.array(Image.alpha_composite(Image.new("RGBA", image.size, "white"), rgba).convert("RGB"))
    return np.array(image.convert("RGB"))
