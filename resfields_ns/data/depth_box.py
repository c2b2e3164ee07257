"""The box that holds what depth cameras saw."""

from pathlib import Path

import numpy as np
from jaxtyping import Float64
from PIL import Image

from resfields_ns.data.rgbd_camera import RGBDCamera

_PERCENTILES = (0.5, 99.5)  # of the points, along each axis: stray readings fall outside
_PADDING = 0.1  # of the box's sides, at each end
_MOST_IMAGES = 8
_MOST_POINTS_PER_IMAGE = 20_000


def box_of_points(points: Float64[np.ndarray, "points 3"]) -> Float64[np.ndarray, "2 3"]:
    """Lower and upper corner of a padded box around nearly all points."""
    lower, upper = np.percentile(points, _PERCENTILES, axis=0)
    padding = _PADDING * (upper - lower)
    return np.stack([lower - padding, upper + padding])


def depth_points(
    camera: RGBDCamera, depths: list[Path], masks: list[Path] | None, mask_threshold: int
) -> Float64[np.ndarray, "points 3"]:
    """World points of some of a camera's depth images, spread over all of them; with masks, of the foreground."""
    chosen = np.unique(np.linspace(0, len(depths) - 1, _MOST_IMAGES).round().astype(int))
    points = []
    for index in chosen:
        with Image.open(depths[index]) as image:
            depth = np.array(image).astype(np.uint16)
        seen = depth > 0
        if masks is not None:
            with Image.open(masks[index]) as image:
                seen &= np.array(image.convert("L")) > mask_threshold
        readings = camera.world_points(depth)[seen]
        points.append(readings[:: max(1, len(readings) // _MOST_POINTS_PER_IMAGE)])
    return np.concatenate(points)
