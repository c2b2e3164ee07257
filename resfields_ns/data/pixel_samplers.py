"""Which pixels a training batch looks at."""

from typing import Protocol

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from resfields_ns.functional.masks import grow_mask


class PixelSampler(Protocol):
    """Draws pixels (image, row, column)."""

    def sample(self, count: int) -> Int[Tensor, "count 3"]:
        """Draw `count` pixels with replacement."""
        ...


class UniformPixels:
    """Every pixel of every image alike."""

    def __init__(self, num_images: int, height: int, width: int) -> None:
        self.size = torch.tensor([num_images, height, width])

    def sample(self, count: int) -> Int[Tensor, "count 3"]:
        """Draw `count` pixels with replacement."""
        return (torch.rand(count, 3) * self.size).long()


class ForegroundBalancedPixels:
    """Half of the pixels on the foreground, half on the background around it (as the released code, with margin 1).

    Args:
        masks: foreground of all images, with at least one foreground pixel
        background_margin: how far from the foreground background pixels may lie, as a share of the longer image side
    """

    def __init__(self, masks: Bool[Tensor, "images height width"], background_margin: float) -> None:
        self.shape = masks.shape
        self.foreground = masks.flatten().nonzero()[:, 0]
        margin = max(1, round(background_margin * max(masks.shape[1:])))
        background = torch.stack([grow_mask(mask, margin) & ~mask for mask in masks])
        self.background = background.flatten().nonzero()[:, 0]

    def sample(self, count: int) -> Int[Tensor, "count 3"]:
        """Draw `count` pixels with replacement."""
        chosen = torch.cat((_draw(self.foreground, count // 2), _draw(self.background, count - count // 2)))
        return torch.stack(torch.unravel_index(chosen, self.shape), dim=-1)


def _draw(pixels: Int[Tensor, "pixels"], count: int) -> Int[Tensor, "count"]:
    return pixels[torch.randint(len(pixels), (count,))]
