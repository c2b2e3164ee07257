"""A capture to look over: training and test images together, and a few of its frames, read from disk.

Notation: points in normalised space. Distances run along the rays from a camera's centre.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
import tyro
from jaxtyping import Bool, Float, Float64, Int, UInt8

from resfields_ns.captures.camera import Camera
from resfields_ns.captures.checks.layouts import dataparser_config
from resfields_ns.captures.meshes.mesh_points import read_points
from resfields_ns.captures.sequence import Capture, CapturedImage

_LARGEST_JUMP = 0.03  # of the distance, between neighbouring pixels of one surface
_MOST_DEPTH_POINTS = 3000
_MOST_MOMENTS = 5
_MOST_BYTES = 1e9  # of all views together
_BYTES_PER_PIXEL = 8  # colours, mask and depth
_MOST_VIEWS = 60
_SAME_MOMENT = 0.1  # frames that a test image may lie beside the frame


@dataclass(frozen=True)
class CheckedCapture:
    """What there is to check.

    Args:
        folder: of the capture
        dataparser: name of the dataparser that read it
        train, test: the capture, with the images of the training and of the test cameras
    """

    folder: Path
    dataparser: str
    train: Capture
    test: Capture

    @cached_property
    def images(self) -> list[CapturedImage]:
        """Of the training cameras, then of the test cameras; none twice."""
        return list({image.file: image for image in reversed((*self.train.images, *self.test.images))}.values())[::-1]

    @property
    def cameras(self) -> dict[str, list[CapturedImage]]:
        """The images of each camera, in the order of time."""
        by_camera: dict[str, list[CapturedImage]] = {}
        for image in sorted(self.images, key=lambda image: image.frame_position):
            by_camera.setdefault(image.camera_name, []).append(image)
        return {name: by_camera[name] for name in dict.fromkeys(image.camera_name for image in self.images)}

    def split(self, image: CapturedImage) -> Literal["train", "test"]:
        """What an image is used for."""
        return "train" if image.file in self._training_files else "test"

    @property
    def box(self) -> Float64[np.ndarray, "2 3"]:
        """Lower and upper corner of the scene box, normalised."""
        return self.train.box

    @property
    def num_frames(self) -> int:
        """Number of frames."""
        return self.train.num_frames

    @property
    def millimetres_per_unit(self) -> float:
        """Of the normalised space that cameras, box and clouds are in."""
        return 1000.0 * self.train.to_world.scale

    @cached_property
    def _training_files(self) -> set[Path]:
        return {image.file for image in self.train.images}


def load_capture(folder: Path, dataparser: str, options: tuple[str, ...] = ()) -> CheckedCapture:
    """Read a capture with both of its splits; `options` are those of the dataparser, as on a command line.

    Raises ValueError for what the dataparser refuses.
    """
    default = replace(dataparser_config(dataparser), data=folder)
    config = tyro.cli(type(default), default=default, args=options, prog=f"rf-check {folder} --")
    reader = config.setup()
    return CheckedCapture(folder, dataparser, reader.read_sequence("train"), reader.read_sequence("test"))


@dataclass(frozen=True)
class CheckedView:
    """One image, read from disk.

    Args:
        source: where it comes from
        split: what it is used for
        image: colours
        mask: foreground, where the capture has masks
        depth: distances along the rays in normalised units, 0 for no reading, where the capture has depth
    """

    source: CapturedImage
    split: Literal["train", "test"]
    image: UInt8[np.ndarray, "height width 3"]
    mask: Bool[np.ndarray, "height width"] | None
    depth: Float[np.ndarray, "height width"] | None

    @property
    def camera(self) -> Camera:
        """That took it."""
        return self.source.camera

    @property
    def camera_name(self) -> str:
        """The camera's name."""
        return self.source.camera_name

    @property
    def height(self) -> int:
        """Of the image in pixels."""
        return self.image.shape[0]

    @property
    def width(self) -> int:
        """Of the image in pixels."""
        return self.image.shape[1]

    @cached_property
    def _foreground_distances(self) -> Float[np.ndarray, "height width"]:
        assert self.mask is not None
        return cv2.distanceTransform((~self.mask).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)

    def distances_to_foreground(self, pixels: Float[np.ndarray, "pixels 2"]) -> Float[np.ndarray, "pixels"]:
        """Distance, in pixels, of pixels within the image to the foreground of a mask that is not empty."""
        columns, rows = pixels.astype(np.int64).T
        return self._foreground_distances[rows, columns]

    def distances_to(self, points: Float[np.ndarray, "points 3"]) -> Float[np.ndarray, "points"]:
        """Distance of points from the camera's centre."""
        return np.linalg.norm(points - self.camera.centre, axis=-1)

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
        pixels, visible = self.camera.project(points)
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
        centre, directions = self.camera.rays(pixels + 0.5)
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


def read_view(capture: CheckedCapture, source: CapturedImage) -> CheckedView:
    """Read an image with its mask and depth; ValueError names a file that cannot be read."""
    mask, depth = None, None
    try:
        image = source.read_colours()
        if source.mask is not None:
            mask = capture.train.foreground(source)
        if source.depth is not None:
            depth = capture.train.distances(source)
    except (OSError, SyntaxError, ValueError) as error:
        files = [str(path) for path in (source.file, source.mask, source.depth) if path is not None]
        raise ValueError(f"{', '.join(files)}: expected images that can be read, found {error}") from None
    return CheckedView(source, capture.split(source), image, mask, depth)


@dataclass(frozen=True)
class Moment:
    """What was seen at the time of one frame.

    Args:
        frame: position among the capture's frames
        number: of the frame in the capture
        views: training images of the frame, and test images taken at its time; of very many some, spread evenly
        cloud: points of the surface, where the capture has clouds
    """

    frame: int
    number: int
    views: list[CheckedView]
    cloud: Float[np.ndarray, "points 3"] | None


def sample_moments(capture: CheckedCapture, most: int | None = None) -> list[Moment]:
    """Read frames, at most so many, spread evenly over the capture, the first and the last among them.

    Raises ValueError, naming the file, if one cannot be read.
    """
    return [_read_moment(capture, frame) for frame in _sampled_frames(capture, _MOST_MOMENTS if most is None else most)]


def _sampled_frames(capture: CheckedCapture, most: int) -> list[int]:
    frames = sorted({image.frame for image in capture.images if capture.split(image) == "train"})
    views_per_frame = len(capture.images) / len(frames)
    width, height = capture.images[0].camera.size
    affordable = min(_MOST_VIEWS, _MOST_BYTES / (_BYTES_PER_PIXEL * width * height)) / views_per_frame
    count = int(np.clip(affordable, 1, min(most, len(frames))))
    return [frames[position] for position in np.linspace(0, len(frames) - 1, count).round().astype(int)]


def _read_moment(capture: CheckedCapture, frame: int) -> Moment:
    cloud = None
    if capture.train.clouds is not None:
        path = capture.train.clouds[frame]
        cloud = read_points(path).double().numpy()
    images = [image for image in capture.images if image.frame == frame and _is_of_moment(capture, image)]
    spread = np.linspace(0, len(images) - 1, min(len(images), _MOST_VIEWS)).round().astype(int)
    views = [read_view(capture, images[index]) for index in spread]
    return Moment(frame, capture.train.frames.numbers[frame], views, cloud)


def _is_of_moment(capture: CheckedCapture, image: CapturedImage) -> bool:
    return capture.split(image) == "train" or abs(image.frame_position - image.frame) <= _SAME_MOMENT
