"""The parts of images that show a box in the world."""

import itertools
from math import ceil, floor

import numpy as np
from jaxtyping import Float64

from resfields_ns.data.intrinsics import CropWindow
from resfields_ns.data.rgbd_camera import RGBDCamera


def box_windows(cameras: dict[str, RGBDCamera], box: Float64[np.ndarray, "2 3"]) -> dict[str, CropWindow]:
    """The smallest windows of one size, in images without distortion, that hold all that cameras see of a box.

    Raises ValueError, naming the camera, if one does not see the box.
    """
    seen = {name: _seen_part(name, camera, box) for name, camera in cameras.items()}
    smallest = [min(lengths) for lengths in zip(*(_size(camera) for camera in cameras.values()), strict=True)]
    size = [min(max(part[1][i] - part[0][i] for part in seen.values()), smallest[i]) for i in (0, 1)]
    windows = {}
    for name, (lower, upper) in seen.items():
        whole = _size(cameras[name])
        start = [min(max((lower[i] + upper[i] - size[i]) // 2, 0), whole[i] - size[i]) for i in (0, 1)]
        windows[name] = CropWindow(start[0], start[1], size[0], size[1])
    return windows


def _size(camera: RGBDCamera) -> tuple[int, int]:
    return camera.intrinsics.width, camera.intrinsics.height


def _seen_part(
    name: str, camera: RGBDCamera, box: Float64[np.ndarray, "2 3"]
) -> tuple[tuple[int, int], tuple[int, int]]:
    """First and last corner of the pixels that the box may cover; all pixels if it reaches behind the camera."""
    width, height = _size(camera)
    corners = camera.to_camera(np.array(list(itertools.product(*box.T))))
    behind = corners[:, 2] <= 0.0
    if behind.any() and not behind.all():
        return (0, 0), (width, height)
    pixels = camera.intrinsics.project(corners)
    left, top = (max(floor(value), 0) for value in pixels.min(axis=0))
    right, bottom = (
        min(ceil(value), length) for value, length in zip(pixels.max(axis=0), (width, height), strict=True)
    )
    if behind.all() or left >= right or top >= bottom:
        raise ValueError(f"camera {name}: expected it to see the scene box {box.tolist()} (metres), found it does not")
    return (left, top), (right, bottom)
