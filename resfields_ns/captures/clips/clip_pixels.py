"""The pixels of a video in memory, and which of them are held out."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Bool, Int, UInt8
from nerfstudio.utils.rich_utils import CONSOLE
from PIL import Image
from rich.progress import track
from torch import Tensor

from resfields_ns.captures.clips.footage import CONVERSIONS, Footage, Picture
from resfields_ns.captures.large_arrays import allocate


class ClipPixels:
    """Frames of a clip as bytes, made smaller to one size; read at first use, and shared by its copies.

    Args:
        clip: where they come from
        frames: indices, ascending
        height, width: of a frame here, in pixels
    """

    def __init__(self, clip: Footage, frames: list[int], height: int, width: int) -> None:
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


@dataclass(frozen=True)
class HoldOut:
    """Which pixels of which frames are held out; memory is four bytes for each held-out pixel.

    A pixel is its index row * width + column. Of a held-out frame, all pixels are held out.
    """

    pixels: Int[Tensor, "frames held"]
    """The pixels held out of each frame, ascending; behind them `num_pixels`, where others have more."""
    held_out_frames: Bool[Tensor, "frames"]
    """The frames held out as a whole."""
    num_pixels: int
    """Of a frame."""

    @classmethod
    def choose(
        cls, num_frames: int, num_pixels: int, pixel_fraction: float, frame_fraction: float, seed: int
    ) -> "HoldOut":
        """Choose floor(fraction x count) pixels of every frame, and frames, at random, each fraction below 1.

        With the same seed, these are the pixels or frames that the released code chooses.
        """
        held = int(pixel_fraction * num_pixels)
        pixels = torch.empty(num_frames, held, dtype=torch.int32)
        random = np.random.RandomState(seed)  # noqa: NPY002
        for frame in range(num_frames):
            chosen = random.choice(num_pixels, held, replace=False)
            pixels[frame] = torch.from_numpy(np.sort(chosen).astype(np.int32))
        frames = torch.zeros(num_frames, dtype=torch.bool)
        random = np.random.RandomState(seed)  # noqa: NPY002
        frames[random.choice(num_frames, int(frame_fraction * num_frames), replace=False)] = True
        return cls(pixels, frames, num_pixels)

    @classmethod
    def of_masks(cls, masks: Iterable[Bool[np.ndarray, "height width"]]) -> "HoldOut":
        """Hold out the pixels of a mask a frame; a frame whose mask is full is held out as a whole."""
        flat = [torch.from_numpy(mask.flatten()) for mask in masks]
        num_pixels = len(flat[0])
        counts = [int(mask.sum()) for mask in flat]
        pixels = torch.full((len(flat), max(counts)), num_pixels, dtype=torch.int32)
        for row, mask, count in zip(pixels, flat, counts, strict=True):
            row[:count] = mask.nonzero()[:, 0].int()
        return cls(pixels, torch.tensor([count == num_pixels for count in counts]), num_pixels)

    @cached_property
    def counts(self) -> Int[Tensor, "frames"]:
        """How many pixels are held out of each frame, one by one."""
        return (self.pixels < self.num_pixels).sum(dim=1)

    @classmethod
    def nothing(cls, num_frames: int, num_pixels: int) -> "HoldOut":
        """Hold out no pixel of no frame."""
        none = torch.zeros(num_frames, 0, dtype=torch.int32)
        return cls(none, torch.zeros(num_frames, dtype=torch.bool), num_pixels)

    @property
    def any(self) -> bool:
        """Whether a pixel is held out."""
        return self.pixels.shape[1] > 0 or bool(self.held_out_frames.any())

    def mask(self, frame: int) -> Bool[Tensor, "pixels"]:
        """Which pixels of a frame are held out."""
        if self.held_out_frames[frame]:
            return torch.ones(self.num_pixels, dtype=torch.bool)
        mask = torch.zeros(self.num_pixels, dtype=torch.bool)
        mask[self.pixels[frame, : self.counts[frame]].long()] = True
        return mask

    def draw_seen(self, frames: Int[Tensor, "frames"], samples: int) -> Int[Tensor, "frames samples"]:
        """Random pixels that are not held out, of frames that are not, each alike, with replacement.

        The j-th of the seen pixels (from 0) comes after as many held-out ones h_i as have i-th place h_i - i <= j.
        """
        held = self.pixels[frames]
        place = _random_places(self.num_pixels - self.counts[frames], samples)
        seen_before = held - torch.arange(held.shape[1], dtype=torch.int32)
        seen_before[held == self.num_pixels] = self.num_pixels
        return place.long() + torch.searchsorted(seen_before, place, right=True)

    def draw_held_out(self, frames: Int[Tensor, "frames"], samples: int) -> Int[Tensor, "frames samples"]:
        """Random pixels that are held out, of frames that have some, each alike, with replacement."""
        of_frames = torch.randint(self.num_pixels, (len(frames), samples))
        if self.pixels.shape[1] == 0:
            return of_frames
        held = self.pixels[frames]
        of_pixels = held.gather(1, _random_places(self.counts[frames], samples).long()).long()
        return torch.where(self.held_out_frames[frames, None], of_frames, of_pixels)


def _random_places(counts: Int[Tensor, "frames"], samples: int) -> Int[Tensor, "frames samples"]:
    """Random whole numbers below each count, each alike; 0 below 0."""
    if (counts == counts[0]).all():
        return torch.randint(int(counts[0]), (len(counts), samples), dtype=torch.int32)
    return (torch.rand(len(counts), samples, dtype=torch.float64) * counts[:, None]).int()
