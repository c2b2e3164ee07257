"""Cameras: optics, poses, projection matrices.

Projection matrices to pinhole cameras, in float64.

Notation: a point X projects to pixel x by x ~ P [X; 1] with P = K [R | t] up to a factor (OpenCV axes: x right,
y down, z forward; pixel centres at +0.5). A similarity is S = [s R | t; 0 0 0 1] with one scale s > 0.

What a camera's optics do, apart from where it stands.

Notation: pixels (x, y) have their centres at +0.5; camera axes are OpenCV's (x right, y down, z forward). A point
(X, Y, Z) seen without distortion lies at the plane coordinates (X / Z, Y / Z) and at the pixel f (X / Z) + c.
"""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float64

_RELATIVE_TOLERANCE = 1e-5
_LARGEST_SKEW = 1e-4  # of the focal length


@dataclass(frozen=True)
class Pinhole:
    """A pinhole camera: focal lengths and principal point in pixels, and its pose with OpenGL axes."""

    fx: float
    fy: float
    cx: float
    cy: float
    camera_to_world: Float64[np.ndarray, "3 4"]


def decompose_projection(projection: Float64[np.ndarray, "3 4"], name: str) -> Pinhole:
    """Split P into a pinhole camera; `name` says in errors where P comes from.

    Raises ValueError if P is singular, or has skew, which nerfstudio's cameras cannot hold.
    """
    left = projection[:, :3]
    singular_values = np.linalg.svd(left / max(np.abs(left).max(), np.finfo(np.float64).tiny), compute_uv=False)
    if singular_values[-1] < 1e-9:
        raise ValueError(f"{name}: expected an invertible projection matrix, found a singular one")
    if np.linalg.det(left) < 0:
        projection, left = -projection, -left
    intrinsics, rotation = _rq(left)
    intrinsics = intrinsics / intrinsics[2, 2]
    if abs(intrinsics[0, 1]) > _LARGEST_SKEW * intrinsics[0, 0]:
        raise ValueError(f"{name}: expected a camera without skew, found a skew of {intrinsics[0, 1]:.4g} pixels")
    centre = -np.linalg.solve(left, projection[:, 3])
    camera_to_world = np.column_stack([rotation.T * [1.0, -1.0, -1.0], centre])
    return Pinhole(
        fx=float(intrinsics[0, 0]),
        fy=float(intrinsics[1, 1]),
        cx=float(intrinsics[0, 2]),
        cy=float(intrinsics[1, 2]),
        camera_to_world=camera_to_world,
    )


def similarity_scale(matrix: Float64[np.ndarray, "4 4"], name: str) -> float:
    """Return the scale s of a similarity; `name` says in errors where the matrix comes from.

    Raises ValueError if the matrix is not one uniform positive scale, a rotation and a translation.
    """
    linear = matrix[:3, :3]
    scale = float(np.cbrt(np.linalg.det(linear)))
    tolerance = _RELATIVE_TOLERANCE * scale
    is_similarity = (
        scale > 0
        and np.allclose(linear @ linear.T, scale**2 * np.eye(3), rtol=0, atol=scale * tolerance)
        and np.allclose(matrix[3], [0, 0, 0, 1], rtol=0, atol=_RELATIVE_TOLERANCE)
    )
    if not is_similarity:
        raise ValueError(f"{name}: expected one uniform scale with a translation, found {matrix.tolist()}")
    return scale


def check_same_similarity(matrix: Float64[np.ndarray, "4 4"], reference: Float64[np.ndarray, "4 4"], name: str) -> None:
    """Raise ValueError, naming the matrix by `name`, if it is not the capture's one normalisation `reference`."""
    if not np.allclose(matrix, reference, rtol=0, atol=_RELATIVE_TOLERANCE * np.abs(reference).max()):
        raise ValueError(
            f"{name}: expected the normalisation that all cameras and frames share, {reference.tolist()}, "
            f"found {matrix.tolist()}"
        )


def _rq(matrix: Float64[np.ndarray, "3 3"]) -> tuple[Float64[np.ndarray, "3 3"], Float64[np.ndarray, "3 3"]]:
    """Write a matrix of positive determinant as (upper triangular, positive diagonal) @ (rotation)."""
    q, r = np.linalg.qr(np.flipud(matrix).T)
    upper = np.flipud(np.fliplr(r.T))
    rotation = np.flipud(q.T)
    signs = np.sign(np.diag(upper))
    return upper * signs, signs[:, None] * rotation


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


_LARGEST_DEVIATION = 1e-3  # of R R^T from the identity; files round their numbers


def check_rotation(rotation: Float64[np.ndarray, "3 3"], name: str) -> None:
    """Raise ValueError if a matrix is no rotation; `name` says where it comes from."""
    deviation = np.abs(rotation @ rotation.T - np.eye(3)).max()
    if deviation > _LARGEST_DEVIATION or np.linalg.det(rotation) < 0:
        raise ValueError(f"{name}: expected a rotation, found {rotation.tolist()}")


def check_depths(near: float, far: float, name: str) -> None:
    """Raise ValueError if 0 <= near < far does not hold; `name` says where the depths come from."""
    if not 0 <= near < far:
        raise ValueError(f"{name}: expected 0 <= near < far, found near {near:g}, far {far:g}")
