"""A few frames of a capture, read from disk: what all cameras saw at a moment."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from resfields_ns.checks.capture import Capture, CapturedImage
from resfields_ns.checks.checked_view import CheckedView, read_view
from resfields_ns.data.point_files import read_points

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
