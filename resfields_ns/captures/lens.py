"""Undoing the distortion of lenses.

Notation: as in `captures/camera.py`; OpenCV counts pixels from the centre of the first one.
"""

from dataclasses import dataclass, replace

import cv2
import numpy as np
from jaxtyping import Float32, Shaped, UInt8

from resfields_ns.captures.camera import Camera, Lens

_BORDER_POINTS_PER_PIXEL = 2


_STEPS = np.linspace(0.0, 1.0, 65)[1:, None, None]  # from the principal point to the border
_POINTS_PER_SIDE = 9


def check_lens(camera: Camera, name: str) -> Camera:
    """Return a camera; ValueError, which says by `name` where it comes from, if its lens folds back inside the picture.

    From the principal point to every point of the border, points farther out in the scene must be seen farther out.
    """
    if camera.lens.is_straight:
        return camera
    width, height = camera.size
    along = np.linspace(0.0, 1.0, _POINTS_PER_SIDE)
    ends = np.concatenate([[[x, along[0]], [x, along[-1]], [along[0], x], [along[-1], x]] for x in along])
    border = camera.plane_coordinates(ends * [width, height])
    with np.errstate(all="ignore"):
        distances = np.linalg.norm(camera.lens.distort(_STEPS * border), axis=-1)
    if not (np.diff(distances, axis=0, prepend=0.0) > 0.0).all():  # false for NaN as well
        raise ValueError(f"{name}: expected a lens model that holds up to the image's border, found {camera.lens}")
    return camera


def undistorted_view(camera: Camera, name: str) -> Camera:
    """The camera without its lens, whose images of the same size are the largest upright view that the lens fills.

    Raises ValueError, which says by `name` where the camera comes from, if its lens cannot be undone at the border.
    """
    width, height = camera.size
    x = np.linspace(0.0, width, _BORDER_POINTS_PER_PIXEL * width + 1)
    y = np.linspace(0.0, height, _BORDER_POINTS_PER_PIXEL * height + 1)
    left, right = (camera.plane_coordinates(np.stack([np.full_like(y, at), y], axis=-1))[:, 0] for at in (0.0, width))
    top, bottom = (camera.plane_coordinates(np.stack([x, np.full_like(x, at)], axis=-1))[:, 1] for at in (0.0, height))
    lower, upper = np.array([left.max(), top.max()]), np.array([right.min(), bottom.min()])
    if not (lower < upper).all():
        raise ValueError(f"{name}: expected a lens model that holds up to the image's border, found {camera.lens}")
    fx, fy = (np.array([width, height]) / (upper - lower)).tolist()
    return replace(camera, fx=fx, fy=fy, cx=-float(lower[0]) * fx, cy=-float(lower[1]) * fy, lens=Lens())


@dataclass(frozen=True)
class Undistortion:
    """Takes images of a lens to images of a view without distortion.

    Args:
        columns, rows: where in the lens's image, in OpenCV's pixels, each pixel of the view looks
    """

    columns: Float32[np.ndarray, "height width"]
    rows: Float32[np.ndarray, "height width"]

    @classmethod
    def between(cls, camera: Camera, view: Camera) -> "Undistortion":
        """From the images of `camera` to those of `view`, which has no lens and the same pose."""
        columns, rows = cv2.initUndistortRectifyMap(
            camera.opencv_matrix, camera.lens.opencv, np.eye(3), view.opencv_matrix, view.size, cv2.CV_32FC1
        )
        return cls(columns, rows)

    def __call__(self, image: UInt8[np.ndarray, "_ _ 3"]) -> UInt8[np.ndarray, "height width 3"]:
        """Resample colours, bilinearly."""
        return cv2.remap(image, self.columns, self.rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)

    def nearest(self, image: Shaped[np.ndarray, "_ _"]) -> Shaped[np.ndarray, "height width"]:
        """Resample what must not be mixed, such as depth."""
        return cv2.remap(image, self.columns, self.rows, cv2.INTER_NEAREST, borderMode=cv2.BORDER_REPLICATE)
