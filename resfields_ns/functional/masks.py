"""Operations on foreground masks."""

import torch
import torch.nn.functional as F
from jaxtyping import Bool
from torch import Tensor


def grow_mask(mask: Bool[Tensor, "height width"], radius: int) -> Bool[Tensor, "height width"]:
    """True within `radius` pixels, along rows and columns, of a true pixel; takes no longer for a larger radius."""
    if radius >= max(mask.shape):
        return torch.full_like(mask, bool(mask.any()))
    for _ in range(2):
        mask = _grow_along_rows(mask, radius).T
    return mask


def _grow_along_rows(mask: Bool[Tensor, "height width"], radius: int) -> Bool[Tensor, "height width"]:
    """Whether the count of true pixels changes between the two ends of a window."""
    width = mask.shape[1]
    counts = F.pad(mask.cumsum(dim=1, dtype=torch.int32), (1, 0))
    position = torch.arange(width, device=mask.device)
    after, before = (position + radius + 1).clamp(max=width), (position - radius).clamp(min=0)
    return counts[:, after] > counts[:, before]
