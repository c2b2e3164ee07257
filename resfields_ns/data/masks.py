"""Operations on foreground masks."""

import cv2
import numpy as np
import torch
from jaxtyping import Bool
from torch import Tensor


def grow_mask(mask: Bool[Tensor, "height width"], radius: int) -> Bool[Tensor, "height width"]:
    """True within `radius` pixels, along rows and columns, of a true pixel; takes no longer for a larger radius."""
    side = 2 * min(radius, max(mask.shape)) + 1
    grown = cv2.dilate(mask.numpy(force=True).astype(np.uint8), np.ones((side, side), np.uint8))
    return torch.from_numpy(grown).to(mask)
