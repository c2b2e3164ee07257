"""One camera: optics, lens and pose; how it projects, and what its pixels look at. In float64.

Notation: pixels (x, y) have their centres at +0.5; camera axes are OpenCV's (x right, y down, z forward). A point
(X, Y, Z) in them lies at the plane coordinates (X / Z, Y / Z), which the lens bends to (u, v), and at the pixel
(fx u + cx, fy v + cy). A pose is [R | t], camera to the space that the camera stands in.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from math import floor
from typing import Literal

import cv2
import numpy as np
from jaxtyping import Bool, Float64, Real

from resfields_ns.captures.untrusted import check_numbers

_RELATIVE_TOLERANCE = 1e-5
LARGEST_SKEW = 1e-4  # of the focal length
_LARGEST_DEVIATION = 1e-3  # of R R^T from the identity; files round their numbers
_LARGEST_STRETCH = 0.01  # of a picture's sides against those of its camera
_STEPS = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 500, 1e-12)
_LARGEST_LENS_ERROR = 1e-2  # pixels
_LONGEST_SIDE = 100_000  # pixels
_FOCAL_LENGTHS = (1e-3, 1e5)  # of the longer side
_FARTHEST_PRINCIPAL_POINT = 1e3  # of the longer side, as windows of pictures may have it


@dataclass(frozen=True)
class Lens:
    """OpenCV's rational distortion: with r^2 = x^2 + y^2 of plane coordinates (x, y),

    u = x (1 + k1 r^2 + k2 r^4 + k3 r^6) / (1 + k4 r^2 + k5 r^4 + k6 r^6) + 2 p1 x y + p2 (r^2 + 2 x^2), and v alike
    with p1 and p2 exchanged.
    """

    k1: float = 0.0
    k2: float = 0.0
    k3: float = 0.0
    k4: float = 0.0
    k5: float = 0.0
    k6: float = 0.0
    p1: float = 0.0
    p2: float = 0.0

    @classmethod
    def from_opencv(cls, coefficients: Sequence[float]) -> "Lens":
        """From the beginning of OpenCV's row k1, k2, p1, p2, k3, k4, k5, k6."""
        names = ("k1", "k2", "p1", "p2", "k3", "k4", "k5", "k6")
        return cls(**dict(zip(names, map(float, coefficients), strict=False)))

    @property
    def opencv(self) -> Float64[np.ndarray, "8"]:
        """OpenCV's row."""
        return np.array([self.k1, self.k2, self.p1, self.p2, self.k3, self.k4, self.k5, self.k6])

    @property
    def is_straight(self) -> bool:
        """Whether straight lines stay so."""
        return not any(getattr(self, coefficient.name) for coefficient in fields(self))

    def distort(self, plane: Float64[np.ndarray, "*batch 2"]) -> Float64[np.ndarray, "*batch 2"]:
        """(u, v) of plane coordinates."""
        if self.is_straight:
            return plane
        x, y = plane[..., 0], plane[..., 1]
        r2 = x**2 + y**2
        radial = 1.0 + r2 * (self.k1 + r2 * (self.k2 + r2 * self.k3))
        radial = radial / (1.0 + r2 * (self.k4 + r2 * (self.k5 + r2 * self.k6)))
        u = x * radial + 2.0 * self.p1 * x * y + self.p2 * (r2 + 2.0 * x**2)
        v = y * radial + 2.0 * self.p2 * x * y + self.p1 * (r2 + 2.0 * y**2)
        return np.stack([u, v], axis=-1)


@dataclass(frozen=True)
class CropWindow:
    """A part of an image, in whole pixels."""

    left: int
    top: int
    width: int
    height: int


@dataclass(frozen=True, eq=False)
class Similarity:
    """A map x -> s R x + t from one space to another.

    Args:
        matrix: [s R | t; 0 0 0 1]
    """

    matrix: Float64[np.ndarray, "4 4"]

    @classmethod
    def of(cls, scale: float, centre: Float64[np.ndarray, "3"]) -> "Similarity":
        """Without a rotation: the origin goes to `centre`."""
        matrix = np.diag([scale] * 3 + [1.0])
        matrix[:3, 3] = centre
        return cls(matrix)

    @cached_property
    def scale(self) -> float:
        """s."""
        return float(np.cbrt(np.linalg.det(self.matrix[:3, :3])))

    @property
    def rotation(self) -> Float64[np.ndarray, "3 3"]:
        """R."""
        return self.matrix[:3, :3] / self.scale

    @cached_property
    def inverse(self) -> "Similarity":
        """The map back."""
        return Similarity(np.linalg.inv(self.matrix))

    def __call__(self, points: Float64[np.ndarray, "*batch 3"]) -> Float64[np.ndarray, "*batch 3"]:
        """Points of the one space in the other."""
        return points @ self.matrix[:3, :3].T + self.matrix[:3, 3]

    def check(self, name: str) -> "Similarity":
        """Return it; ValueError if it is not one uniform positive scale, a rotation and a translation.

        `name` says in errors where it comes from.
        """
        linear, scale = self.matrix[:3, :3], self.scale
        tolerance = _RELATIVE_TOLERANCE * scale
        is_similarity = (
            scale > 0
            and np.allclose(linear @ linear.T, scale**2 * np.eye(3), rtol=0, atol=scale * tolerance)
            and np.allclose(self.matrix[3], [0, 0, 0, 1], rtol=0, atol=_RELATIVE_TOLERANCE)
        )
        if not is_similarity:
            raise ValueError(f"{name}: expected one uniform scale with a translation, found {self.matrix.tolist()}")
        return self


Fit = Literal["automatic", "scaled", "cropped", "padded"]
"""What was done to pictures after their camera was calibrated: each side was scaled by itself; or both were scaled
alike, and then cut about the middle, or given bars at both ends. Automatic: scaled where the proportion has stayed,
else cropped."""


@dataclass(frozen=True, eq=False)
class Camera:
    """A camera; a camera that moves is one for every image.

    Args:
        width, height: of its images in pixels
        fx, fy: focal lengths in pixels
        cx, cy: principal point in pixels
        lens: how it bends
        pose: [R | t], camera to the space that it stands in
    """

    width: int
    height: int
    fx: float
    fy: float
    cx: float
    cy: float
    lens: Lens = Lens()
    pose: Float64[np.ndarray, "3 4"] = field(default_factory=lambda: np.eye(3, 4))

    def check(self, name: str) -> "Camera":
        """Return it; ValueError if a number is not finite or no camera's. `name` says in errors where it comes from."""
        longest = max(self.size)
        if not (min(self.size) >= 1 and longest <= _LONGEST_SIDE):
            raise ValueError(f"{name}: expected pictures of 1 to {_LONGEST_SIDE} pixels a side, found {self.size}")
        check_numbers([self.cx, self.cy], f"{name}: principal point", _FARTHEST_PRINCIPAL_POINT * longest)
        check_numbers(self.lens.opencv, f"{name}: lens")
        check_numbers(self.centre, f"{name}: position")
        check_rotation(self.pose[:, :3], name)
        least, most = (factor * longest for factor in _FOCAL_LENGTHS)
        if not (least <= min(self.fx, self.fy) and max(self.fx, self.fy) <= most):
            found = f"{self.fx:g} and {self.fy:g}"
            raise ValueError(f"{name}: expected focal lengths of {least:g} to {most:g} pixels, found {found}")
        return self

    @property
    def size(self) -> tuple[int, int]:
        """Width and height."""
        return self.width, self.height

    @property
    def centre(self) -> Float64[np.ndarray, "3"]:
        """Where it stands."""
        return self.pose[:, 3]

    @property
    def matrix(self) -> Float64[np.ndarray, "3 3"]:
        """K: plane coordinates to pixels."""
        return np.array([[self.fx, 0.0, self.cx], [0.0, self.fy, self.cy], [0.0, 0.0, 1.0]])

    @property
    def projection(self) -> Float64[np.ndarray, "4 4"]:
        """K [R^T | -R^T t], over 0 0 0 1: the space to pixels, without the lens."""
        inverse = np.column_stack([self.pose[:, :3].T, -self.pose[:, :3].T @ self.pose[:, 3]])
        return np.vstack([self.matrix @ inverse, [0.0, 0.0, 0.0, 1.0]])

    def resized(self, size: tuple[int, int]) -> "Camera":
        """The camera of images that are resized to (width, height)."""
        x, y = size[0] / self.width, size[1] / self.height
        return replace(
            self, width=size[0], height=size[1], fx=self.fx * x, fy=self.fy * y, cx=self.cx * x, cy=self.cy * y
        )

    def fitted(self, size: tuple[int, int], fit: "Fit" = "automatic") -> "Camera":
        """The camera of pictures of another (width, height) than that which it was calibrated for; see `chosen_fit`."""
        chosen = chosen_fit(size, self.size, fit)
        if chosen == "scaled":
            return self.resized(size)
        scale = (min if chosen == "padded" else max)(size[0] / self.width, size[1] / self.height)
        x, y = (scale * self.width - size[0]) / 2, (scale * self.height - size[1]) / 2
        return replace(
            self,
            width=size[0],
            height=size[1],
            fx=scale * self.fx,
            fy=scale * self.fy,
            cx=scale * self.cx - x,
            cy=scale * self.cy - y,
        )

    def cropped(self, window: CropWindow) -> "Camera":
        """The camera of a part of its images."""
        return replace(
            self, width=window.width, height=window.height, cx=self.cx - window.left, cy=self.cy - window.top
        )

    def moved(self, to: Similarity) -> "Camera":
        """The camera in the space that `to` leads to from its own."""
        return replace(self, pose=np.column_stack([to.rotation @ self.pose[:, :3], to(self.pose[:, 3])]))

    def to_camera(self, points: Float64[np.ndarray, "*batch 3"]) -> Float64[np.ndarray, "*batch 3"]:
        """Points in camera axes."""
        return (points - self.pose[:, 3]) @ self.pose[:, :3]

    def pixels_of(self, points: Float64[np.ndarray, "*batch 3"]) -> Float64[np.ndarray, "*batch 2"]:
        """Pixels of points in camera axes, which lie in front."""
        plane = self.lens.distort(points[..., :2] / points[..., 2:])
        return plane * [self.fx, self.fy] + [self.cx, self.cy]

    def project(
        self, points: Float64[np.ndarray, "points 3"]
    ) -> tuple[Float64[np.ndarray, "points 2"], Bool[np.ndarray, "points"]]:
        """Pixels of points, and whether a point lies in front and within the image."""
        local = self.to_camera(points)
        in_front = local[:, 2] > 0.0
        pixels = self.pixels_of(np.where(in_front[:, None], local, [0.0, 0.0, 1.0]))
        return pixels, in_front & ((pixels >= 0.0) & (pixels < [self.width, self.height])).all(axis=-1)

    def pixel_grid(self) -> Float64[np.ndarray, "height width 2"]:
        """The centres of all pixels."""
        x, y = np.meshgrid(np.arange(self.width) + 0.5, np.arange(self.height) + 0.5)
        return np.stack([x, y], axis=-1)

    def plane_coordinates(self, pixels: Float64[np.ndarray, "*batch 2"]) -> Float64[np.ndarray, "*batch 2"]:
        """Plane coordinates of what pixels see; NaN where the lens has no answer."""
        if self.lens.is_straight:
            return (pixels - [self.cx, self.cy]) / [self.fx, self.fy]
        matrix, distortion = self.opencv_matrix, self.lens.opencv
        flat = np.ascontiguousarray(pixels.reshape(-1, 1, 2) - 0.5)
        plane = cv2.undistortPointsIter(flat, matrix, distortion, None, None, _STEPS)  # pyright: ignore[reportCallIssue, reportArgumentType]
        points = np.concatenate([plane, np.ones_like(flat[..., :1])], axis=-1)
        again, _ = cv2.projectPoints(points, np.zeros(3), np.zeros(3), matrix, distortion)
        plane[~(np.linalg.norm(again - flat, axis=-1) < _LARGEST_LENS_ERROR)] = np.nan
        return plane.reshape(pixels.shape)

    def directions(self, pixels: Float64[np.ndarray, "*batch 2"]) -> Float64[np.ndarray, "*batch 3"]:
        """What pixels look along, in the space that the camera stands in, as far as the plane z = 1."""
        plane = self.plane_coordinates(pixels)
        return np.concatenate([plane, np.ones_like(plane[..., :1])], axis=-1) @ self.pose[:, :3].T

    def rays(
        self, pixels: Float64[np.ndarray, "*batch 2"]
    ) -> tuple[Float64[np.ndarray, "3"], Float64[np.ndarray, "*batch 3"]]:
        """The camera's centre, and unit directions through pixels."""
        directions = self.directions(pixels)
        return self.pose[:, 3], directions / np.linalg.norm(directions, axis=-1, keepdims=True)

    def ray_lengths(self) -> Float64[np.ndarray, "height width"]:
        """How long each pixel's ray is where it crosses the plane z = 1: what depth along z becomes along the ray."""
        return np.linalg.norm(self.directions(self.pixel_grid()), axis=-1)

    def points(self, depth: Real[np.ndarray, "height width"], unit: float) -> Float64[np.ndarray, "height width 3"]:
        """Points of a depth image along z, `unit` long a step; those without a reading are meaningless."""
        return self.pose[:, 3] + (depth[..., None] * unit) * self.directions(self.pixel_grid())

    @property
    def opencv_matrix(self) -> Float64[np.ndarray, "3 3"]:
        """K as OpenCV counts pixels: from the centre of the first one."""
        return self.matrix - [[0.0, 0.0, 0.5], [0.0, 0.0, 0.5], [0.0, 0.0, 0.0]]


def decompose_projection(projection: Float64[np.ndarray, "3 4"], size: tuple[int, int], name: str) -> Camera:
    """The camera of a projection P = K [R^T | -R^T t] up to a factor, of images of `size` (width, height).

    `name` says in errors where P comes from. Raises ValueError if P is singular, or has skew, which nerfstudio's
    cameras cannot hold.
    """
    left = projection[:, :3]
    singular_values = np.linalg.svd(left / max(np.abs(left).max(), np.finfo(np.float64).tiny), compute_uv=False)
    if singular_values[-1] < 1e-9:
        raise ValueError(f"{name}: expected an invertible projection matrix, found a singular one")
    if np.linalg.det(left) < 0:
        projection, left = -projection, -left
    matrix, rotation = _rq(left)
    matrix = matrix / matrix[2, 2]
    if abs(matrix[0, 1]) > LARGEST_SKEW * matrix[0, 0]:
        raise ValueError(f"{name}: expected a camera without skew, found a skew of {matrix[0, 1]:.4g} pixels")
    centre = -np.linalg.solve(left, projection[:, 3])
    fx, fy, cx, cy = (float(matrix[index]) for index in ((0, 0), (1, 1), (0, 2), (1, 2)))
    return Camera(*size, fx, fy, cx, cy, pose=np.column_stack([rotation.T, centre])).check(name)


def check_same_similarity(similarity: Similarity, reference: Similarity, name: str) -> None:
    """Raise ValueError, naming the matrix by `name`, if it is not the capture's one normalisation `reference`."""
    expected = reference.matrix
    if not np.allclose(similarity.matrix, expected, rtol=0, atol=_RELATIVE_TOLERANCE * np.abs(expected).max()):
        raise ValueError(
            f"{name}: expected the normalisation that all cameras and frames share, {expected.tolist()}, "
            f"found {similarity.matrix.tolist()}"
        )


def check_rotation(rotation: Float64[np.ndarray, "3 3"], name: str) -> None:
    """Raise ValueError if a matrix is no rotation; `name` says where it comes from."""
    bounded = np.clip(rotation, -2.0, 2.0)  # no entry of a rotation is, and products of what is larger overflow
    deviation = np.abs(bounded @ bounded.T - np.eye(3)).max()
    if not deviation <= _LARGEST_DEVIATION or np.linalg.det(bounded) < 0:
        raise ValueError(f"{name}: expected a rotation, found {rotation.tolist()}")


def check_depths(near: float, far: float, name: str) -> None:
    """Raise ValueError if 0 <= near < far does not hold; `name` says where the depths come from."""
    check_numbers([near, far], name)
    if not 0 <= near < far:
        raise ValueError(f"{name}: expected 0 <= near < far, found near {near:g}, far {far:g}")


def in_proportion(size: tuple[int, int], expected: tuple[int, int]) -> bool:
    """Whether a (width, height) is about in the proportion of another."""
    return abs(size[0] / expected[0] * expected[1] / size[1] - 1.0) <= _LARGEST_STRETCH


def check_proportion(name: str, size: tuple[int, int], expected: tuple[int, int], reference: str) -> None:
    """Raise ValueError if a (width, height) is not in the proportion of another; `name` says whose it is."""
    if not in_proportion(size, expected):
        raise ValueError(
            f"{name}: expected pictures in the proportion of {expected[0]}x{expected[1]}, as {reference} tells, "
            f"found {size[0]}x{size[1]}"
        )


def chosen_fit(
    size: tuple[int, int], calibrated: tuple[int, int], fit: Fit = "automatic"
) -> Literal["scaled", "cropped", "padded"]:
    """What is taken to have been done to pictures of a (width, height), automatic choice made."""
    if fit != "automatic":
        return fit
    same_proportion = abs(size[0] * calibrated[1] - size[1] * calibrated[0]) < max(calibrated)  # but for rounding
    return "scaled" if same_proportion else "cropped"


def describe_fit(name: str, size: tuple[int, int], calibrated: tuple[int, int], fit: Fit = "automatic") -> str | None:
    """A line that says what is taken to have been done to pictures; None where their proportion has stayed."""
    if chosen_fit(size, calibrated) == "scaled":
        return None
    done = {
        "scaled": "scaled, each side by itself",
        "cropped": "cut about the middle",
        "padded": "scaled as a whole, with bars at both ends",
    }[chosen_fit(size, calibrated, fit)]
    sizes = [f"{width}x{height}" for width, height in (size, calibrated)]
    return f"{name}: pictures of {sizes[0]} under a calibration of {sizes[1]} pixels: taken as {done}"


def check_image_scale(image_scale: float) -> None:
    """Raise ValueError if a factor does not make images smaller or leave them as they are."""
    if not 0.0 < image_scale <= 1.0:
        raise ValueError(f"--image-scale: expected above 0 and at most 1, found {image_scale}")


def scaled_size(size: tuple[int, int], image_scale: float) -> tuple[int, int]:
    """Return (width, height) made smaller by a factor, rounded down; ValueError if that leaves no pixel."""
    width, height = (floor(length * image_scale + 1e-6) for length in size)
    if min(width, height) < 1:
        raise ValueError(f"--image-scale: expected at least one pixel of {size[0]}x{size[1]}, found {image_scale:g}")
    return width, height


def _rq(matrix: Float64[np.ndarray, "3 3"]) -> tuple[Float64[np.ndarray, "3 3"], Float64[np.ndarray, "3 3"]]:
    """Write a matrix of positive determinant as (upper triangular, positive diagonal) @ (rotation)."""
    q, r = np.linalg.qr(np.flipud(matrix).T)
    upper = np.flipud(np.fliplr(r.T))
    rotation = np.flipud(q.T)
    signs = np.sign(np.diag(upper))
    return upper * signs, signs[:, None] * rotation
