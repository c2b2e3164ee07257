"""A capture as a dataparser gives it, and a few of its frames, read from disk.

One image of a capture with all that it takes to project points into it and out of it.

Notation: points X in normalised space; pixels (x, y) with centres at +0.5; cameras have OpenGL axes (x right, y up,
z backward). Distances run along the rays from the camera's centre.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np
import torch
import tyro
from jaxtyping import Bool, Float, Float64, Int, UInt8
from nerfstudio.cameras.camera_utils import radial_and_tangential_undistort
from nerfstudio.cameras.cameras import Cameras

from resfields_ns.captures.capture_dataset import DynamicDataset
from resfields_ns.captures.checks.layouts import dataparser_config
from resfields_ns.captures.meshes.mesh_points import read_points

_SPLITS = ("train", "test")


@dataclass(frozen=True)
class CapturedImage:
    """One image: where it is in its dataset, and which camera took it when.

    Args:
        dataset: the split's dataset
        index: of the image in the dataset
        split: "train" or "test"
        camera: the camera's name
        position: where its time lies among the capture's frames
    """

    dataset: DynamicDataset
    index: int
    split: str
    camera: str
    position: float

    @property
    def frame(self) -> int:
        """The nearest of the capture's frames."""
        return round(self.position)

    @property
    def path(self) -> Path:
        """The image's file."""
        return self.dataset.image_filenames[self.index]

    @property
    def mask_path(self) -> Path | None:
        """The mask's file, if the capture has masks."""
        files = self.dataset.metadata["mask_filenames"]
        return None if files is None else files[self.index]

    @property
    def depth_path(self) -> Path | None:
        """The depth image's file, if the capture has depth."""
        files = self.dataset.metadata["depth_filenames"]
        return None if files is None else files[self.index]

    @property
    def size(self) -> tuple[int, int]:
        """Width and height that the image has while training."""
        cameras = self.dataset.cameras
        return int(cameras.width[self.index]), int(cameras.height[self.index])


@dataclass(frozen=True)
class Capture:
    """What there is to check.

    Args:
        folder: of the capture
        dataparser: name of the dataparser that read it
        images: of the training cameras, then of the test cameras; ordered as the dataparser does, none twice
        cloud_filenames: the point cloud of each frame, where there are any
        frame_numbers: the number of each frame in the capture
        box: lower and upper corner of the scene box, in normalised units
        millimetres_per_unit: of the normalised space that cameras, box and clouds are in
    """

    folder: Path
    dataparser: str
    images: list[CapturedImage]
    cloud_filenames: list[Path] | None
    frame_numbers: list[int]
    box: Float64[np.ndarray, "2 3"]
    millimetres_per_unit: float

    @property
    def num_frames(self) -> int:
        """Number of frames."""
        return len(self.frame_numbers)

    @property
    def cameras(self) -> dict[str, list[CapturedImage]]:
        """The images of each camera, in the order of time."""
        by_camera: dict[str, list[CapturedImage]] = {}
        for image in sorted(self.images, key=lambda image: image.position):
            by_camera.setdefault(image.camera, []).append(image)
        return {name: by_camera[name] for name in dict.fromkeys(image.camera for image in self.images)}


def load_capture(folder: Path, dataparser: str, options: tuple[str, ...] = ()) -> Capture:
    """Parse a capture's training and test cameras; `options` are those of the dataparser, as on a command line.

    Raises ValueError for what the dataparser refuses.
    """
    default = replace(dataparser_config(dataparser), data=folder)
    config = tyro.cli(type(default), default=default, args=options, prog=f"rf-check {folder} --")
    datasets = {split: DynamicDataset(config.setup().get_dataparser_outputs(split)) for split in _SPLITS}
    images = {image.path: image for split in reversed(_SPLITS) for image in _images(split, datasets[split])}
    train = datasets["train"]
    return Capture(
        folder=folder,
        dataparser=dataparser,
        images=sorted(images.values(), key=lambda image: _SPLITS.index(image.split)),
        cloud_filenames=train.metadata["cloud_filenames"],
        frame_numbers=list(train.metadata["frame_numbers"]),
        box=train.scene_box.aabb.double().numpy(),
        millimetres_per_unit=1000.0 * float(torch.linalg.det(train.metadata["normalised_to_world"][:3, :3])) ** (1 / 3),
    )


def _images(split: str, dataset: DynamicDataset) -> list[CapturedImage]:
    names, times = dataset.metadata["camera_names"], dataset.cameras.times
    assert times is not None
    positions = times.flatten().double() * max(dataset.metadata["num_frames"] - 1, 1)
    return [
        CapturedImage(dataset, index, split, names[index], float(positions[index])) for index in range(len(dataset))
    ]


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


_MOST_MOMENTS = 5
_MOST_BYTES = 1e9  # of all views together
_BYTES_PER_PIXEL = 8  # colours, mask and depth
_MOST_VIEWS = 60
_SAME_MOMENT = 0.1  # frames that a test image may lie beside the frame


@dataclass(frozen=True)
class Moment:
    """What was seen at the time of one frame.

    Args:
        frame: position among the capture's frames
        number: of the frame in the capture
        views: all training images of the frame, and the test images taken at its time
        cloud: points of the surface, where the capture has clouds
    """

    frame: int
    number: int
    views: list[CheckedView]
    cloud: Float[np.ndarray, "points 3"] | None


def sample_moments(capture: Capture) -> list[Moment]:
    """Read frames spread evenly over the capture, the first and the last among them.

    Raises ValueError, naming the file, if one cannot be read.
    """
    return [_read_moment(capture, frame) for frame in _sampled_frames(capture)]


def _sampled_frames(capture: Capture) -> list[int]:
    frames = sorted({image.frame for image in capture.images if image.split == "train"})
    views_per_frame = len(capture.images) / len(frames)
    width, height = capture.images[0].size
    affordable = min(_MOST_VIEWS, _MOST_BYTES / (_BYTES_PER_PIXEL * width * height)) / views_per_frame
    count = int(np.clip(affordable, 1, min(_MOST_MOMENTS, len(frames))))
    return [frames[position] for position in np.linspace(0, len(frames) - 1, count).round().astype(int)]


def _read_moment(capture: Capture, frame: int) -> Moment:
    cloud = None
    if capture.cloud_filenames is not None:
        path = capture.cloud_filenames[frame]
        try:
            cloud = read_points(path).double().numpy()
        except (OSError, LookupError, ValueError) as error:
            raise ValueError(f"{path}: expected a point cloud that can be read, found {error}") from None
    images = [image for image in capture.images if image.frame == frame and _is_of_moment(image)]
    return Moment(frame, capture.frame_numbers[frame], [read_view(image) for image in images], cloud)


def _is_of_moment(image: CapturedImage) -> bool:
    return image.split == "train" or abs(image.position - image.frame) <= _SAME_MOMENT
