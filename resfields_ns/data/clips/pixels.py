"""The pixels of a clip in memory."""

from functools import cached_property

import numpy as np
import torch
from jaxtyping import UInt8
from nerfstudio.utils.rich_utils import CONSOLE
from PIL import Image
from rich.progress import track
from torch import Tensor

from resfields_ns.data.clips.clip import CONVERSIONS, Clip, Picture
from resfields_ns.data.large_arrays import allocate


class ClipPixels:
    """Frames of a clip as bytes, made smaller to one size; read at first use, and shared by its copies.

    Args:
        clip: where they come from
        frames: indices, ascending
        height, width: of a frame here, in pixels
    """

    def __init__(self, clip: Clip, frames: list[int], height: int, width: int) -> None:
        self.clip = clip
        self.frames = frames
        self.height = height
        self.width = width

    @cached_property
    def array(self) -> UInt8[Tensor, "frames height width 3"]:
        """All frames; ValueError if one cannot be read."""
        array = allocate((len(self.frames), self.height, self.width, 3), np.uint8)
        if (conversion := CONVERSIONS.get(self.clip.mode)) is not None:
            CONSOLE.print(f"{self.clip.path}: {conversion}.")
        pictures = self.clip.pictures(self.frames)
        for target, picture in zip(array, track(pictures, "Reading frames", len(array), transient=True), strict=True):
            target.copy_(torch.from_numpy(resized(picture, self.height, self.width)))
        return array

    def resized(self, frame: int, height: int, width: int) -> Picture:
        """One of the frames at another size."""
        return resized(self.array[frame].numpy(), height, width)

    def __deepcopy__(self, memo: dict) -> "ClipPixels":
        """The host copies the metadata of datasets; pixels never change, so copies share them."""
        return self


def resized(picture: UInt8[np.ndarray, "rows columns 3"], height: int, width: int) -> Picture:
    """A picture at another size, filtered where it becomes smaller."""
    if picture.shape[:2] == (height, width):
        return picture
    return np.array(Image.fromarray(picture).resize((width, height), resample=Image.Resampling.BILINEAR))
