"""The pixels of a clip in memory."""

from functools import cached_property

import numpy as np
import torch
from jaxtyping import UInt8
from nerfstudio.utils.rich_utils import CONSOLE
from PIL import Image
from rich.progress import track
from torch import Tensor

from resfields_ns.data.clips.clip import CONVERSIONS, Clip
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
            target.copy_(torch.from_numpy(self._resized(picture)))
        return array

    def _resized(self, picture: np.ndarray) -> np.ndarray:
        if picture.shape[:2] == (self.height, self.width):
            return picture
        image = Image.fromarray(picture).resize((self.width, self.height), resample=Image.Resampling.BILINEAR)
        return np.array(image)

    def __deepcopy__(self, memo: dict) -> "ClipPixels":
        """The host copies the metadata of datasets; pixels never change, so copies share them."""
        return self
