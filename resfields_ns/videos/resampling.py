"""Pictures of a lens as pictures of a smaller camera without distortion."""

from dataclasses import replace

import cv2
import numpy as np
from jaxtyping import UInt8

from resfields_ns.kinect.lens import Undistortion, undistorted_view
from resfields_ns.videos.calibrated_camera import CalibratedCamera


class Resampling:
    """Takes distorted pictures to those of `camera`.

    Args:
        distorted: the camera as calibrated
        size: (width, height) of what comes out
        name: says in errors where the camera comes from
    """

    def __init__(self, distorted: CalibratedCamera, size: tuple[int, int], name: str) -> None:
        lens = distorted.intrinsics
        view = undistorted_view(lens, name) if lens.is_distorted else lens
        self.camera = replace(distorted, intrinsics=view).resized(size)
        self._undistort = Undistortion.between(lens, view) if lens.is_distorted else None

    def __call__(self, picture: UInt8[np.ndarray, "_ _ 3"]) -> UInt8[np.ndarray, "height width 3"]:
        """Undistort, then average over the pixels that become one."""
        if self._undistort is not None:
            picture = self._undistort(picture)
        if (picture.shape[1], picture.shape[0]) == self.camera.size:
            return picture
        return cv2.resize(picture, self.camera.size, interpolation=cv2.INTER_AREA)
