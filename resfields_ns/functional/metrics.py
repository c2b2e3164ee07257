"""Image metrics.

Notation: images [H, W, 3] and accumulations [H, W] in [0, 1].
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor


def psnr(image: Float[Tensor, "h w 3"], target: Float[Tensor, "h w 3"]) -> float:
    """Peak signal-to-noise ratio over all pixels, in dB."""
    return _decibel((image - target).square().mean())


def masked_psnr(image: Float[Tensor, "h w 3"], target: Float[Tensor, "h w 3"], mask: Bool[Tensor, "h w"]) -> float:
    """Peak signal-to-noise ratio over the pixels of the mask, in dB; NaN for an empty mask."""
    return _decibel((image - target)[mask].square().mean())


def mask_iou(accumulation: Float[Tensor, "h w"], mask: Bool[Tensor, "h w"]) -> float:
    """Intersection over union of what is rendered as more than half opaque with the mask; NaN if both are empty."""
    rendered = accumulation > 0.5
    return float((rendered & mask).sum() / (rendered | mask).sum())


def _decibel(mean_squared_error: Float[Tensor, ""]) -> float:
    return float(-10.0 * torch.log10(mean_squared_error))
