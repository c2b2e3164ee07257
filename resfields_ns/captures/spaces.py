"""The space that cameras see: frusta, windows of images that show a box, and the box around what depth cameras saw.

Notation: a frustum is what a camera sees between its near and its far depth, along its optical axis. Normalised space
is chosen so that the scene lies in the cube [-1, 1]^3.
"""

import itertools
from math import ceil, floor
from pathlib import Path

import numpy as np
from jaxtyping import Float64

from resfields_ns.captures.camera import Camera, CropWindow, Similarity
from resfields_ns.captures.image_files import read_depth, read_mask

CUBE = np.array([[-1.0] * 3, [1.0] * 3])


def cube_around_frusta(cameras: list[Camera], depths: list[tuple[float, float]]) -> Similarity:
    """Map [-1, 1]^3 to the smallest cube, along the axes, about the middle of all frusta's bounding box.

    Args:
        cameras: in the world
        depths: near and far of each camera
    """
    corners = np.concatenate([_corners(*frustum) for frustum in zip(cameras, depths, strict=True)])
    lower, upper = corners.min(axis=0), corners.max(axis=0)
    return Similarity.of((upper - lower).max() / 2, (lower + upper) / 2)


def _corners(camera: Camera, depths: tuple[float, float]) -> Float64[np.ndarray, "8 3"]:
    """Without the lens, which need not hold at the very corners."""
    pixels = np.array([[x, y] for x in (0.0, camera.width) for y in (0.0, camera.height)])
    plane = (pixels - [camera.cx, camera.cy]) / [camera.fx, camera.fy]
    rays = np.column_stack([plane, np.ones(4)]) @ camera.pose[:, :3].T
    return np.concatenate([camera.centre + depth * rays for depth in depths])


def box_windows(cameras: dict[str, Camera], box: Float64[np.ndarray, "2 3"]) -> dict[str, CropWindow]:
    """The smallest windows, in images without distortion, that hold all that cameras see of a box.

    They have one size for all cameras whose images do. Raises ValueError, naming the camera, if one does not see the
    box.
    """
    windows: dict[str, CropWindow] = {}
    for size in dict.fromkeys(camera.size for camera in cameras.values()):
        windows |= _equal_windows({name: camera for name, camera in cameras.items() if camera.size == size}, box)
    return {name: windows[name] for name in cameras}


def _equal_windows(cameras: dict[str, Camera], box: Float64[np.ndarray, "2 3"]) -> dict[str, CropWindow]:
    """The windows of cameras whose images have one size."""
    seen = {name: _seen_part(name, camera, box) for name, camera in cameras.items()}
    size = [max(upper[i] - lower[i] for lower, upper in seen.values()) for i in (0, 1)]
    windows = {}
    for name, (lower, upper) in seen.items():
        whole = cameras[name].size
        start = [min(max((lower[i] + upper[i] - size[i]) // 2, 0), whole[i] - size[i]) for i in (0, 1)]
        windows[name] = CropWindow(start[0], start[1], size[0], size[1])
    return windows


def _seen_part(name: str, camera: Camera, box: Float64[np.ndarray, "2 3"]) -> tuple[tuple[int, int], tuple[int, int]]:
    """First and last corner of the pixels that the box may cover; all pixels if it reaches behind the camera."""
    width, height = camera.size
    corners = camera.to_camera(np.array(list(itertools.product(*box.T))))
    behind = corners[:, 2] <= 0.0
    if behind.any() and not behind.all():
        return (0, 0), (width, height)
    pixels = camera.pixels_of(corners)
    left, top = (max(floor(value), 0) for value in pixels.min(axis=0))
    right, bottom = (
        min(ceil(value), length) for value, length in zip(pixels.max(axis=0), (width, height), strict=True)
    )
    if behind.all() or left >= right or top >= bottom:
        raise ValueError(f"camera {name}: expected it to see the scene box {box.tolist()} (metres), found it does not")
    return (left, top), (right, bottom)


_LIKELY_METRES = (0.02, 500.0)


def unlikely_lengths(
    cameras: list[Camera], box: Float64[np.ndarray, "2 3"], metres_per_unit: float = 1.0
) -> dict[str, float]:
    """What in a scene is so large, or so small, that its lengths may be millimetres (or metres) by mistake.

    Args:
        cameras: in any space
        box: of the scene, in the same space
        metres_per_unit: of that space

    Returns: what is found -> the factor that would make it likely, 0.001 or 1000
    """
    apart = np.linalg.norm(np.ptp([camera.centre for camera in cameras], axis=0))
    lengths = {
        "cameras stand up to {} metres apart": apart,
        "the scene box is {} metres long": np.ptp(box, axis=0).max(),
    }
    least, most = _LIKELY_METRES
    found = {text: metres_per_unit * float(length) for text, length in lengths.items()}
    return {
        text.format(f"{length:.4g}"): 1e-3 if length > most else 1e3
        for text, length in found.items()
        if length > most or 0.0 < length < least
    }


_PERCENTILES = (0.5, 99.5)  # of the points, along each axis: stray readings fall outside
_PADDING = 0.1  # of the box's sides, at each end
_MOST_IMAGES = 8
_MOST_POINTS_PER_IMAGE = 20_000


def box_of_points(points: Float64[np.ndarray, "points 3"]) -> Float64[np.ndarray, "2 3"]:
    """Lower and upper corner of a padded box around nearly all points."""
    lower, upper = np.percentile(points, _PERCENTILES, axis=0)
    padding = _PADDING * (upper - lower)
    return np.stack([lower - padding, upper + padding])


def depth_points(
    camera: Camera, depths: list[Path], masks: list[Path] | None, mask_threshold: int, metres_per_count: float
) -> Float64[np.ndarray, "points 3"]:
    """World points of some of a camera's depth images, spread over all of them; with masks, of the foreground."""
    chosen = np.unique(np.linspace(0, len(depths) - 1, _MOST_IMAGES).round().astype(int))
    points = []
    for index in chosen:
        depth = read_depth(depths[index])
        seen = depth > 0
        if masks is not None:
            seen &= read_mask(masks[index]) > mask_threshold
        readings = camera.points(depth, metres_per_count)[seen]
        points.append(readings[:: max(1, len(readings) // _MOST_POINTS_PER_IMAGE)])
    return np.concatenate(points)
