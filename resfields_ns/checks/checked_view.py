"""One image of a capture with all that it takes to project points into it and out of it.

Notation: points X in normalised space; pixels (x, y) with centres at +0.5; cameras have OpenGL axes (x right, y up,
z backward). Distances run along the rays from the camera's centre.
"""

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float, Int, UInt8
from nerfstudio.cameras.camera_utils import radial_and_tangential_undistort
from nerfstudio.cameras.cameras import Cameras

from resfields_ns.checks.capture import CapturedImage

_LARGEST_JUMP = 0.03  # of the distance, between neighbouring pixels of one surface
_MOST_DEPTH_POINTS = 3000


@dataclass(frozen=True)
class CheckedView:
    """One image, read from disk.

    Args:
        source: where it comes from
        image: colours
        mask: foreground, where the capture has masks
        depth: distances along the rays in normalised units, 0 for no reading, where the capture has depth
    """

    source: CapturedImage
    image: UInt8[np.ndarray, "height width 3"]
    mask: Bool[np.ndarray, "height width"] | None
    depth: Float[np.ndarray, "height width"] | None

    @property
    def camera(self) -> str:
        """The camera's name."""
        return self.source.camera

    @property
    def height(self) -> int:
        """Of the image in pixels."""
        return self.image.shape[0]

    @property
    def width(self) -> int:
        """Of the image in pixels."""
        return self.image.shape[1]

    @cached_property
    def pose(self) -> Float[np.ndarray, "3 4"]:
        """Camera to normalised space."""
        return self._cameras.camera_to_worlds[self.source.index].double().numpy()

    @property
    def focal_length(self) -> float:
        """In pixels, along x."""
        return float(self._focal_lengths[0])

    @property
    def _cameras(self) -> Cameras:
        return self.source.dataset.cameras

    @cached_property
    def _focal_lengths(self) -> Float[np.ndarray, "2"]:
        cameras, index = self._cameras, self.source.index
        return np.array([float(cameras.fx[index]), float(cameras.fy[index])])

    @cached_property
    def _principal_point(self) -> Float[np.ndarray, "2"]:
        cameras, index = self._cameras, self.source.index
        return np.array([float(cameras.cx[index]), float(cameras.cy[index])])

    @cached_property
    def _distortion(self) -> Float[np.ndarray, "6"] | None:
        """Radial k1 to k4 and tangential p1, p2, as nerfstudio defines them."""
        parameters = self._cameras.distortion_params
        return None if parameters is None else parameters[self.source.index].double().numpy()

    @cached_property
    def _foreground_distances(self) -> Float[np.ndarray, "height width"]:
        assert self.mask is not None
        return cv2.distanceTransform((~self.mask).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)

    def distances_to_foreground(self, pixels: Float[np.ndarray, "pixels 2"]) -> Float[np.ndarray, "pixels"]:
        """Distance, in pixels, of pixels within the image to the foreground of a mask that is not empty."""
        columns, rows = pixels.astype(np.int64).T
        return self._foreground_distances[rows, columns]

    def project(
        self, points: Float[np.ndarray, "points 3"]
    ) -> tuple[Float[np.ndarray, "points 2"], Bool[np.ndarray, "points"]]:
        """Pixels of points, and whether a point lies before the camera and within its image."""
        local = (points - self.pose[:, 3]) @ self.pose[:, :3]
        in_front = local[:, 2] < 0.0
        depth = np.where(in_front, -local[:, 2], 1.0)
        plane = self._distort(np.stack([local[:, 0], -local[:, 1]], axis=-1) / depth[:, None])
        pixels = self._focal_lengths * plane + self._principal_point
        return pixels, in_front & ((pixels >= 0.0) & (pixels < [self.width, self.height])).all(axis=-1)

    def distances_to(self, points: Float[np.ndarray, "points 3"]) -> Float[np.ndarray, "points"]:
        """Distance of points from the camera's centre."""
        return np.linalg.norm(points - self.pose[:, 3], axis=-1)

    def rays(
        self, pixels: Float[np.ndarray, "pixels 2"]
    ) -> tuple[Float[np.ndarray, "3"], Float[np.ndarray, "pixels 3"]]:
        """The centre of the camera, and the unit directions of its rays through pixels, both in normalised space."""
        plane = (pixels - self._principal_point) / self._focal_lengths
        if self._distortion is not None:
            parameters = torch.from_numpy(self._distortion).expand(len(plane), -1)
            plane = radial_and_tangential_undistort(torch.from_numpy(plane), parameters).numpy()
        directions = np.column_stack([plane[:, 0], -plane[:, 1], -np.ones(len(plane))]) @ self.pose[:, :3].T
        return self.pose[:, 3], directions / np.linalg.norm(directions, axis=-1, keepdims=True)

    @cached_property
    def depth_points(self) -> Float[np.ndarray, "points 3"]:
        """Points that depth tells, off its edges and, with a mask, on the foreground; at most a few thousand."""
        pixels = self._smooth_depth_pixels()
        if len(pixels) > _MOST_DEPTH_POINTS:
            pixels = pixels[np.random.default_rng(0).choice(len(pixels), _MOST_DEPTH_POINTS, replace=False)]
        return self._unproject(pixels)

    def depth_residuals(self, points: Float[np.ndarray, "points 3"]) -> Float[np.ndarray, "points"]:
        """How much farther along its ray the depth reading is than each point; NaN where there is none of a surface."""
        residuals = np.full(len(points), np.nan)
        pixels, visible = self.project(points)
        residuals[visible] = self._depth_at(pixels[visible]) - self.distances_to(points[visible])
        return residuals

    def _smooth_depth_pixels(self) -> Int[np.ndarray, "pixels 2"]:
        """Columns and rows of readings whose neighbours are of the same surface."""
        assert self.depth is not None
        kernel = np.ones((3, 3), np.uint8)
        smallest, largest = cv2.erode(self.depth, kernel), cv2.dilate(self.depth, kernel)
        smooth = (smallest > 0.0) & (largest - smallest < 2.0 * _LARGEST_JUMP * self.depth)
        rows, columns = np.nonzero(smooth if self.mask is None else smooth & self.mask)
        return np.stack([columns, rows], axis=-1)

    def _unproject(self, pixels: Int[np.ndarray, "pixels 2"]) -> Float[np.ndarray, "pixels 3"]:
        assert self.depth is not None
        centre, directions = self.rays(pixels + 0.5)
        return centre + self.depth[pixels[:, 1], pixels[:, 0], None].astype(np.float64) * directions

    def _depth_at(self, pixels: Float[np.ndarray, "pixels 2"]) -> Float[np.ndarray, "pixels"]:
        """Depth between the four readings around pixels within the image; NaN where those are not of one surface."""
        assert self.depth is not None
        corner = np.floor(pixels - 0.5).astype(np.int64)
        columns = np.clip(corner[:, :1] + [0, 1, 0, 1], 0, self.width - 1)
        rows = np.clip(corner[:, 1:] + [0, 0, 1, 1], 0, self.height - 1)
        readings = self.depth[rows, columns].astype(np.float64)
        x, y = (pixels - 0.5 - corner).T
        weights = np.stack([(1 - x) * (1 - y), x * (1 - y), (1 - x) * y, x * y], axis=-1)
        nearest = readings.min(axis=-1)
        one_surface = (nearest > 0.0) & (readings.max(axis=-1) - nearest < _LARGEST_JUMP * nearest)
        return np.where(one_surface, (weights * readings).sum(axis=-1), np.nan)

    def _distort(self, plane: Float[np.ndarray, "points 2"]) -> Float[np.ndarray, "points 2"]:
        if self._distortion is None:
            return plane
        k1, k2, k3, k4, p1, p2 = self._distortion
        x, y = plane.T
        r2 = x**2 + y**2
        radial = 1.0 + r2 * (k1 + r2 * (k2 + r2 * (k3 + r2 * k4)))
        distorted_x = x * radial + 2.0 * p1 * x * y + p2 * (r2 + 2.0 * x**2)
        distorted_y = y * radial + 2.0 * p2 * x * y + p1 * (r2 + 2.0 * y**2)
        return np.stack([distorted_x, distorted_y], axis=-1)


def read_view(source: CapturedImage) -> CheckedView:
    """Read an image with its mask and depth; ValueError names a file that cannot be read."""
    dataset, index = source.dataset, source.index
    try:
        image = dataset.get_numpy_image(index)
        extra = dataset.get_metadata({"image_idx": index})
    except (OSError, SyntaxError, ValueError) as error:
        files = [str(path) for path in (source.path, source.mask_path, source.depth_path) if path is not None]
        raise ValueError(f"{', '.join(files)}: expected images that can be read, found {error}") from None
    mask, depth = extra.get("mask"), extra.get("depth")
    return CheckedView(
        source=source,
        image=image,
        mask=None if mask is None else mask[..., 0].numpy(),
        depth=None if depth is None else depth[..., 0].numpy(),
    )
