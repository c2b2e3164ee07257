"""What a camera's optics do, apart from where it stands.

Notation: pixels (x, y) have their centres at +0.5; camera axes are OpenCV's (x right, y down, z forward). A point
(X, Y, Z) seen without distortion lies at the plane coordinates (X / Z, Y / Z) and at the pixel f (X / Z) + c.
"""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float64

NO_DISTORTION = (0.0,) * 8


@dataclass(frozen=True)
class CropWindow:
    """A part of an image, in whole pixels."""

    left: int
    top: int
    width: int
    height: int


@dataclass(frozen=True)
class Intrinsics:
    """Size, focal lengths and principal point in pixels; OpenCV's rational distortion (k1, k2, p1, p2, k3 to k6)."""

    width: int
    height: int
    fx: float
    fy: float
    cx: float
    cy: float
    distortion: tuple[float, ...] = NO_DISTORTION

    @property
    def is_distorted(self) -> bool:
        """Whether straight lines bend."""
        return any(self.distortion)

    def cropped(self, window: CropWindow) -> "Intrinsics":
        """The intrinsics of a part of the image."""
        return replace(
            self, width=window.width, height=window.height, cx=self.cx - window.left, cy=self.cy - window.top
        )

    def project(self, points: Float64[np.ndarray, "*batch 3"]) -> Float64[np.ndarray, "*batch 2"]:
        """Pixels of points in camera axes, without distortion."""
        return points[..., :2] / points[..., 2:] * [self.fx, self.fy] + [self.cx, self.cy]

    def plane_coordinates(self, pixels: Float64[np.ndarray, "*batch 2"]) -> Float64[np.ndarray, "*batch 2"]:
        """Plane coordinates of pixels, without distortion."""
        return (pixels - [self.cx, self.cy]) / [self.fx, self.fy]

    def pixel_grid(self) -> Float64[np.ndarray, "height width 2"]:
        """The centres of all pixels."""
        x, y = np.meshgrid(np.arange(self.width) + 0.5, np.arange(self.height) + 0.5)
        return np.stack([x, y], axis=-1)
