"""Operations on foreground masks."""

import torch
import torch.nn.functional as F
from jaxtyping import Bool
from torch import Tensor


def grow_mask(mask: Bool[Tensor, "height width"], radius: int) -> Bool[Tensor, "height width"]:
    """True within `radius` pixels, along rows and columns, of a true pixel."""
    if radius >= max(mask.shape):
        return torch.full_like(mask, bool(mask.any()))
    grown = mask[None, None].float()
    for kernel in ((1, 2 * radius + 1), (2 * radius + 1, 1)):
        grown = F.max_pool2d(grown, kernel, stride=1, padding=(kernel[0] // 2, kernel[1] // 2))
    return grown[0, 0] > 0
