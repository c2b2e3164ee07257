"""Cameras and boxes as line segments in normalised space."""

import numpy as np
from jaxtyping import Float

from resfields_ns.checks.checked_view import CheckedView

_CORNER_BITS = np.array([[(corner >> axis) & 1 for axis in range(3)] for corner in range(8)])
_EDGES = np.array([(a, a | 1 << axis) for axis in range(3) for a in range(8) if not a >> axis & 1])


def box_edges(box: Float[np.ndarray, "2 3"]) -> Float[np.ndarray, "12 2 3"]:
    """The edges of an axis-aligned box."""
    corners = np.take_along_axis(box, _CORNER_BITS, axis=0)
    return corners[_EDGES]


def frustum_edges(view: CheckedView, length: float) -> Float[np.ndarray, "8 2 3"]:
    """Rays through the image's corners, and the image they frame at `length` from the camera's centre."""
    width, height = view.width, view.height
    centre, directions = view.rays(np.array([[0.0, 0.0], [width, 0.0], [width, height], [0.0, height]]))
    corners = centre + length * directions
    sides = np.stack([np.broadcast_to(centre, corners.shape), corners], axis=1)
    return np.concatenate([sides, np.stack([corners, np.roll(corners, -1, axis=0)], axis=1)])


def common_up(views: list[CheckedView]) -> Float[np.ndarray, "3"]:
    """The mean of what is up in the images, as a unit vector; +z if they have nothing in common."""
    up = np.mean([view.pose[:, 1] for view in views], axis=0)
    length = np.linalg.norm(up)
    return up / length if length > 1e-6 else np.array([0.0, 0.0, 1.0])
