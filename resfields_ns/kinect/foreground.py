"""Foreground masks from depth: what lies in a box in the world."""

import cv2
import numpy as np
from jaxtyping import Bool, Float64, UInt16

from resfields_ns.data.rgbd_camera import RGBDCamera

_CLOSED_HOLES = np.ones((5, 5), np.uint8)  # pixels; readings are missing in specks


def mask_box(
    depth: UInt16[np.ndarray, "height width"], camera: RGBDCamera, box: Float64[np.ndarray, "2 3"]
) -> Bool[np.ndarray, "height width"]:
    """The pixels whose depth lies in the box (metres), with small holes closed."""
    points = camera.world_points(depth)
    inside = (depth > 0) & (points >= box[0]).all(axis=-1) & (points <= box[1]).all(axis=-1)
    return cv2.morphologyEx(inside.astype(np.uint8), cv2.MORPH_CLOSE, _CLOSED_HOLES).astype(bool)
