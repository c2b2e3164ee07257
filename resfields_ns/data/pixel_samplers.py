"""Which pixels a training batch looks at."""

from typing import Protocol

import cv2
import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Bool, Int
from torch import Tensor

from resfields_ns.captures.large_arrays import make_rows


def grow_mask(mask: Bool[Tensor, "height width"], radius: int) -> Bool[Tensor, "height width"]:
    """True within `radius` pixels, along rows and columns, of a true pixel; takes no longer for a larger radius."""
    side = 2 * min(radius, max(mask.shape)) + 1
    grown = cv2.dilate(mask.numpy(force=True).astype(np.uint8), np.ones((side, side), np.uint8))
    return torch.from_numpy(grown).to(mask)


class PixelSampler(Protocol):
    """Draws pixels (image, row, column) of given frames."""

    frames: Int[Tensor, "frames"]
    """The frames that have pixels to draw."""

    def group(self, frame_index: Int[Tensor, "images"]) -> None:
        """Take images to be of other frames, or each for a frame of its own."""
        ...

    def sample(self, frames: Int[Tensor, "rays"]) -> Int[Tensor, "rays 3"]:
        """Draw a pixel of each of `frames`, with replacement."""
        ...


class UniformPixels:
    """Every pixel of a frame's images alike.

    Args:
        frame_index: frame of every image
        height, width: size of the images in pixels, or of each
    """

    def __init__(
        self,
        frame_index: Int[Tensor, "images"],
        height: int | Int[Tensor, "images"],
        width: int | Int[Tensor, "images"],
    ) -> None:
        heights, widths = (torch.as_tensor(side).expand(len(frame_index))[:, None] for side in (height, width))
        self.counts = torch.where(torch.arange(int(heights.max())) < heights, widths, 0)
        self.group(frame_index)

    def group(self, frame_index: Int[Tensor, "images"]) -> None:
        """Take images to be of other frames, or each for a frame of its own."""
        self.pixels = _CountedRows(self.counts, frame_index)
        self.frames = self.pixels.counts.nonzero()[:, 0]

    def sample(self, frames: Int[Tensor, "rays"]) -> Int[Tensor, "rays 3"]:
        """Draw a pixel of each of `frames`, with replacement."""
        return torch.stack(self.pixels.draw(frames), dim=-1)


class ForegroundBalancedPixels:
    """Every second pixel on the foreground, the others on the background around it (margin 1: the released code).

    A frame that lacks one of the two gives pixels of the other, and an image whose mask is empty none: more often than
    not its subject was lost, and there is nothing that its background lies around.

    Args:
        masks: foreground of all images, with at least one foreground pixel
        frame_index: frame of every image
        background_margin: how far from the foreground background pixels may lie, as a share of the longer image side
        height, width: of each image, where they are smaller than the masks
    """

    def __init__(
        self,
        masks: Bool[Tensor, "images height width"],
        frame_index: Int[Tensor, "images"],
        background_margin: float,
        height: Int[Tensor, "images"] | None = None,
        width: Int[Tensor, "images"] | None = None,
    ) -> None:
        margin = max(1, round(background_margin * max(masks.shape[1:])))
        counts = torch.empty(2, *masks.shape[:2], dtype=torch.long)

        def grow(image: int) -> npt.NDArray[np.bool_]:
            background = grow_mask(masks[image], margin) & ~masks[image]
            if height is not None and width is not None:
                background[int(height[image]) :] = False
                background[:, int(width[image]) :] = False
            counts[:, image] = torch.stack((masks[image], background)).sum(dim=-1)
            return background.numpy()

        background = make_rows(tuple(masks.shape), np.bool_, grow, "Growing masks")
        self.foreground = _MaskedPixels(masks, counts[0])
        self.background = _MaskedPixels(background, counts[1])
        self.group(frame_index)

    def group(self, frame_index: Int[Tensor, "images"]) -> None:
        """Take images to be of other frames, or each for a frame of its own."""
        for pixels in (self.foreground, self.background):
            pixels.group(frame_index)
        self.frames = (self.foreground.counts + self.background.counts).nonzero()[:, 0]

    def sample(self, frames: Int[Tensor, "rays"]) -> Int[Tensor, "rays 3"]:
        """Draw a pixel of each of `frames`, with replacement."""
        second = torch.arange(len(frames)) % 2 == 1
        front = (second & (self.foreground.counts[frames] > 0)) | (self.background.counts[frames] == 0)
        pixels = torch.empty(len(frames), 3, dtype=torch.long)
        pixels[front] = self.foreground.draw(frames[front])
        pixels[~front] = self.background.draw(frames[~front])
        return pixels


class _MaskedPixels:
    """The true pixels of masks, counted by row, and grouped by frame."""

    def __init__(self, masks: Bool[Tensor, "images height width"], row_counts: Int[Tensor, "images height"]) -> None:
        self.masks = masks
        self.row_counts = row_counts

    def group(self, frame_index: Int[Tensor, "images"]) -> None:
        """Tell the frame of every image."""
        self.rows = _CountedRows(self.row_counts, frame_index)
        self.counts = self.rows.counts

    def draw(self, frames: Int[Tensor, "rays"]) -> Int[Tensor, "rays 3"]:
        """A true pixel of each of `frames`, which must have some."""
        image, row, place = self.rows.draw(frames)
        filled = self.masks[image, row].cumsum(dim=-1, dtype=torch.int32)
        column = torch.searchsorted(filled, (place + 1).int()[:, None])[:, 0]
        return torch.stack((image, row, column), dim=-1)


class _CountedRows:
    """Rows of images that hold numbers of items, grouped by the image's frame."""

    def __init__(self, counts: Int[Tensor, "images height"], frame_index: Int[Tensor, "images"]) -> None:
        self.height = counts.shape[1]
        self.order = frame_index.repeat_interleave(self.height).argsort(stable=True)
        self.ends = counts.flatten()[self.order].cumsum(dim=0)
        num_frames = int(frame_index.max()) + 1
        self.counts = torch.zeros(num_frames, dtype=torch.long).index_add(0, frame_index, counts.sum(dim=1))
        """Items of every frame."""
        self.starts = self.counts.cumsum(dim=0) - self.counts

    def draw(self, frames: Int[Tensor, "rays"]) -> tuple[Tensor, Tensor, Tensor]:
        """Image, row, and place within the row of an item of each of `frames`, which must have some."""
        share = torch.rand(len(frames), dtype=torch.float64)
        item = self.starts[frames] + (share * self.counts[frames]).long()
        position = torch.searchsorted(self.ends, item, right=True)
        before = torch.where(position > 0, self.ends[position - 1], 0)
        row = self.order[position]
        return row // self.height, row % self.height, item - before
