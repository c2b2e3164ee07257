"""Which pixels a training batch looks at."""

from typing import Protocol

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from resfields_ns.functional.masks import grow_mask


class PixelSampler(Protocol):
    """Draws pixels (image, row, column) of given frames."""

    frames: Int[Tensor, "frames"]
    """The frames that have pixels to draw."""

    def sample(self, frames: Int[Tensor, "rays"]) -> Int[Tensor, "rays 3"]:
        """Draw a pixel of each of `frames`, with replacement."""
        ...


class UniformPixels:
    """Every pixel of a frame's images alike.

    Args:
        frame_index: frame of every image
        height, width: size of the images in pixels
    """

    def __init__(self, frame_index: Int[Tensor, "images"], height: int, width: int) -> None:
        self.images = _GroupedByFrame(torch.arange(len(frame_index)), frame_index, int(frame_index.max()) + 1)
        self.size = torch.tensor([height, width])
        self.frames = self.images.counts.nonzero()[:, 0]

    def sample(self, frames: Int[Tensor, "rays"]) -> Int[Tensor, "rays 3"]:
        """Draw a pixel of each of `frames`, with replacement."""
        within = (torch.rand(len(frames), 2) * self.size).long()
        return torch.cat((self.images.draw(frames)[:, None], within), dim=1)


class ForegroundBalancedPixels:
    """Every second pixel on the foreground, the others on the background around it (margin 1: the released code).

    A frame that lacks one of the two gives pixels of the other.

    Args:
        masks: foreground of all images, with at least one foreground pixel
        frame_index: frame of every image
        background_margin: how far from the foreground background pixels may lie, as a share of the longer image side
    """

    def __init__(
        self,
        masks: Bool[Tensor, "images height width"],
        frame_index: Int[Tensor, "images"],
        background_margin: float,
    ) -> None:
        self.shape = masks.shape
        num_frames = int(frame_index.max()) + 1
        margin = max(1, round(background_margin * max(masks.shape[1:])))
        background = torch.stack([grow_mask(mask, margin) & ~mask for mask in masks])
        self.foreground, self.background = (
            _GroupedByFrame(pixels, frame_index[pixels // masks[0].numel()], num_frames)
            for pixels in (masks.flatten().nonzero()[:, 0], background.flatten().nonzero()[:, 0])
        )
        self.frames = (self.foreground.counts + self.background.counts).nonzero()[:, 0]

    def sample(self, frames: Int[Tensor, "rays"]) -> Int[Tensor, "rays 3"]:
        """Draw a pixel of each of `frames`, with replacement."""
        second = torch.arange(len(frames)) % 2 == 1
        front = (second & (self.foreground.counts[frames] > 0)) | (self.background.counts[frames] == 0)
        pixels = torch.empty_like(frames)
        pixels[front] = self.foreground.draw(frames[front])
        pixels[~front] = self.background.draw(frames[~front])
        return torch.stack(torch.unravel_index(pixels, self.shape), dim=-1)


class _GroupedByFrame:
    """Items to draw from, grouped by their frame."""

    def __init__(self, items: Int[Tensor, "items"], frames: Int[Tensor, "items"], num_frames: int) -> None:
        self.items = items[frames.argsort(stable=True)]
        self.counts = torch.bincount(frames, minlength=num_frames)
        self.starts = self.counts.cumsum(dim=0) - self.counts

    def draw(self, frames: Int[Tensor, "rays"]) -> Int[Tensor, "rays"]:
        """An item of each of `frames`, which must have some."""
        within = (torch.rand(len(frames), dtype=torch.float64) * self.counts[frames]).long()
        return self.items[self.starts[frames] + within]
