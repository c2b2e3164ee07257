"""How a picture that hangs in space is seen, see `functional/intersections.py`."""

import numpy as np
from jaxtyping import Float64

from resfields_ns.captures.camera import Camera
from resfields_ns.functional.intersections import half_extents

_CAMERA_DISTANCE = 2.0  # scene units before the picture
_BOX_HALF_DEPTH = 0.1  # scene units


def picture_camera(height: int, width: int) -> Camera:
    """A camera before the middle of a picture that fills its view."""
    right, up, back = np.eye(3)[[1, 2, 0]]
    pose = np.stack([right, -up, -back, _CAMERA_DISTANCE * back], axis=-1)
    focal = _CAMERA_DISTANCE * max(height, width) / 2.0
    return Camera(width, height, focal, focal, width / 2.0, height / 2.0, pose=pose)


def picture_box(height: int, width: int) -> Float64[np.ndarray, "2 3"]:
    """The scene box around a picture."""
    extent = np.array([_BOX_HALF_DEPTH, *half_extents(height, width)])
    return np.stack([-extent, extent])
