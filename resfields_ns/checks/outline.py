"""Outlines of silhouettes, compared in pixels.

Notation: the extent of a set of pixels along a unit direction d is the largest x . d over the set; the extents along
all directions are the outline of its convex hull.
"""

import numpy as np
from jaxtyping import Bool, Float

_NUM_DIRECTIONS = 36
_ANGLES = 2.0 * np.pi * np.arange(_NUM_DIRECTIONS) / _NUM_DIRECTIONS
_DIRECTIONS = np.stack([np.cos(_ANGLES), np.sin(_ANGLES)])


def extents(pixels: Float[np.ndarray, "pixels 2"]) -> Float[np.ndarray, "36"]:
    """Extents of points in the image."""
    return (pixels @ _DIRECTIONS).max(axis=0)


def mask_extents(mask: Bool[np.ndarray, "height width"]) -> Float[np.ndarray, "36"]:
    """Extents of a mask that is not empty; its outline runs, on average, half a pixel beyond the outermost centres."""
    return extents(_row_ends(mask)) + 0.5


def outermost_pixels(mask: Bool[np.ndarray, "height width"]) -> Float[np.ndarray, "36 2"]:
    """Centres of the mask's pixels that reach farthest along each direction."""
    ends = _row_ends(mask)
    return ends[(ends @ _DIRECTIONS).argmax(axis=0)]


def reach_beyond(pixels: Float[np.ndarray, "pixels 2"], mask: Bool[np.ndarray, "height width"]) -> float:
    """How many pixels the points' outline lies outside that of the mask, in all but 5 % of the directions."""
    return float(np.percentile((extents(pixels) - mask_extents(mask)).clip(min=0.0), 95))


def _row_ends(mask: Bool[np.ndarray, "height width"]) -> Float[np.ndarray, "pixels 2"]:
    """Centres of the first and the last pixel of each row; the convex hull of these is that of the mask."""
    rows = np.nonzero(mask.any(axis=1))[0]
    first = mask[rows].argmax(axis=1)
    last = mask.shape[1] - 1 - mask[rows, ::-1].argmax(axis=1)
    return np.stack([np.concatenate([first, last]), np.concatenate([rows, rows])], axis=-1) + 0.5
