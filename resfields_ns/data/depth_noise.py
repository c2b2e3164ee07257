"""What a structured-light depth camera makes of exact depth.

Notation: z is depth in metres, 0 for no reading. The camera measures disparity d = 1 / (q z) in whole steps, so that
neighbouring readings lie q z^2 apart.
Source: Handa et al., "A Benchmark for RGB-D Visual Odometry, 3D Reconstruction and SLAM", ICRA 2014, after Barron and
Malik, CVPR 2013; there 1 / q is 351.3 m.
"""

import numpy as np
from jaxtyping import Bool, Float64
from scipy.ndimage import maximum_filter, minimum_filter

_SHIFT = 0.5  # pixels, standard deviation of where a reading is taken
_DISPARITY_NOISE = 1.0 / 6.0  # steps, standard deviation
_LARGEST_RATIO = 1.05  # of depths of neighbours on one surface
_EDGE_LOSS = 0.5  # share of the readings beside an edge that are lost


def add_depth_noise(
    depth: Float64[np.ndarray, "height width"], q: float, random: np.random.Generator
) -> Float64[np.ndarray, "height width"]:
    """Depth with the noise, the steps and the lost edges of a camera whose readings lie q (in 1 / m) apart at 1 m."""
    shifted = _shifted(depth, random)
    steps = 1.0 / (q * np.where(shifted > 0.0, shifted, np.inf))
    steps = np.round(steps + random.normal(0.0, _DISPARITY_NOISE, depth.shape))
    lost = _edges(depth) & (random.random(depth.shape) < _EDGE_LOSS)
    seen = (shifted > 0.0) & (depth > 0.0) & (steps >= 1.0) & ~lost
    return np.where(seen, 1.0 / (q * np.where(seen, steps, 1.0)), 0.0)


def _shifted(depth: Float64[np.ndarray, "height width"], random: np.random.Generator) -> np.ndarray:
    """The depth at a place near each pixel; beyond the image, at its border."""
    shifts = np.round(random.normal(0.0, _SHIFT, (2, *depth.shape))).astype(int)
    rows, columns = np.indices(depth.shape) + shifts
    return depth[rows.clip(0, depth.shape[0] - 1), columns.clip(0, depth.shape[1] - 1)]


def _edges(depth: Float64[np.ndarray, "height width"]) -> Bool[np.ndarray, "height width"]:
    """Pixels beside a jump in depth, or beside a pixel without a reading."""
    nearest, farthest = minimum_filter(depth, 3, mode="nearest"), maximum_filter(depth, 3, mode="nearest")
    return farthest > _LARGEST_RATIO * nearest
