"""Undoing the distortion of lenses, with OpenCV's rational model.

Notation: as in `data/intrinsics.py`; OpenCV counts pixels from the centre of the first one.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float32, Float64, Shaped, UInt8

from resfields_ns.captures.camera import Intrinsics

_STEPS = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 500, 1e-12)
_LARGEST_ERROR = 1e-2  # pixels
_BORDER_POINTS_PER_PIXEL = 2


def undistort_pixels(pixels: Float64[np.ndarray, "*batch 2"], lens: Intrinsics) -> Float64[np.ndarray, "*batch 2"]:
    """Plane coordinates of what pixels see; NaN where the lens model has no answer."""
    matrix, distortion = _matrix(lens), np.array(lens.distortion)
    flat = np.ascontiguousarray(pixels.reshape(-1, 1, 2) - 0.5)
    plane = cv2.undistortPointsIter(flat, matrix, distortion, None, None, _STEPS)  # pyright: ignore[reportCallIssue, reportArgumentType]
    points = np.concatenate([plane, np.ones_like(flat[..., :1])], axis=-1)
    again, _ = cv2.projectPoints(points, np.zeros(3), np.zeros(3), matrix, distortion)
    plane[~(np.linalg.norm(again - flat, axis=-1) < _LARGEST_ERROR)] = np.nan
    return plane.reshape(pixels.shape)


def undistorted_view(lens: Intrinsics, name: str) -> Intrinsics:
    """Intrinsics without distortion of the largest upright view of the same size of which the lens sees all.

    Raises ValueError, which says by `name` where the lens comes from, if its model cannot be undone at the border.
    """
    width, height = lens.width, lens.height
    x = np.linspace(0.0, width, _BORDER_POINTS_PER_PIXEL * width + 1)
    y = np.linspace(0.0, height, _BORDER_POINTS_PER_PIXEL * height + 1)
    left, right = (undistort_pixels(np.stack([np.full_like(y, at), y], axis=-1), lens)[:, 0] for at in (0.0, width))
    top, bottom = (undistort_pixels(np.stack([x, np.full_like(x, at)], axis=-1), lens)[:, 1] for at in (0.0, height))
    lower, upper = np.array([left.max(), top.max()]), np.array([right.min(), bottom.min()])
    if not (lower < upper).all():
        raise ValueError(
            f"{name}: expected a lens model that holds up to the image's border, found k1 to k6 = {lens.distortion}"
        )
    fx, fy = (np.array([width, height]) / (upper - lower)).tolist()
    return Intrinsics(width, height, fx, fy, cx=-float(lower[0]) * fx, cy=-float(lower[1]) * fy)


@dataclass(frozen=True)
class Undistortion:
    """Takes images of a lens to images of a view without distortion.

    Args:
        columns, rows: where in the lens's image, in OpenCV's pixels, each pixel of the view looks
    """

    columns: Float32[np.ndarray, "height width"]
    rows: Float32[np.ndarray, "height width"]

    @classmethod
    def between(cls, lens: Intrinsics, view: Intrinsics) -> "Undistortion":
        """From the images of `lens` to those of `view`."""
        matrix, size = _matrix(view), (view.width, view.height)
        columns, rows = cv2.initUndistortRectifyMap(
            _matrix(lens), np.array(lens.distortion), np.eye(3), matrix, size, cv2.CV_32FC1
        )
        return cls(columns, rows)

    def __call__(self, image: UInt8[np.ndarray, "_ _ 3"]) -> UInt8[np.ndarray, "height width 3"]:
        """Resample colours, bilinearly."""
        return cv2.remap(image, self.columns, self.rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)

    def nearest(self, image: Shaped[np.ndarray, "_ _"]) -> Shaped[np.ndarray, "height width"]:
        """Resample what must not be mixed, such as depth."""
        return cv2.remap(image, self.columns, self.rows, cv2.INTER_NEAREST, borderMode=cv2.BORDER_REPLICATE)


def _matrix(intrinsics: Intrinsics) -> Float64[np.ndarray, "3 3"]:
    """The intrinsics as OpenCV counts pixels."""
    i = intrinsics
    return np.array([[i.fx, 0.0, i.cx - 0.5], [0.0, i.fy, i.cy - 0.5], [0.0, 0.0, 1.0]])
