"""The space that cameras see: boxes, frusta, normalised space.

The space that cameras see, as the cube [-1, 1]^3 of normalised space.

Notation: a frustum is what a camera sees between its near and its far depth, along its optical axis.
"""

import itertools
from dataclasses import replace
from math import ceil, floor
from pathlib import Path

import numpy as np
from jaxtyping import Float64
from PIL import Image

from resfields_ns.captures.camera import CropWindow, Pinhole
from resfields_ns.captures.camera_files import RGBDCamera


def cube_around_frusta(
    pinholes: list[Pinhole], sizes: list[tuple[int, int]], depths: list[tuple[float, float]]
) -> Float64[np.ndarray, "4 4"]:
    """Map [-1, 1]^3 to the smallest cube, along the axes, about the middle of all frusta's bounding box.

    Args:
        pinholes: poses in the world
        sizes: (width, height) of each camera's images, in the pixels of its intrinsics
        depths: near and far of each camera
    """
    corners = np.concatenate(
        [_corners(*frustum) for frustum in zip(pinholes, sizes, depths, strict=True)],
    )
    lower, upper = corners.min(axis=0), corners.max(axis=0)
    matrix = np.diag([*[(upper - lower).max() / 2] * 3, 1.0])
    matrix[:3, 3] = (lower + upper) / 2
    return matrix


def into_cube(pinhole: Pinhole, normalised_to_world: Float64[np.ndarray, "4 4"]) -> Pinhole:
    """A pinhole of the world in normalised space."""
    pose = pinhole.camera_to_world.copy()
    pose[:, 3] = (pose[:, 3] - normalised_to_world[:3, 3]) / normalised_to_world[0, 0]
    return replace(pinhole, camera_to_world=pose)


def _corners(pinhole: Pinhole, size: tuple[int, int], depths: tuple[float, float]) -> Float64[np.ndarray, "8 3"]:
    width, height = size
    pixels = np.array([[x, y] for x in (0, width) for y in (0, height)])
    slopes = (pixels - [pinhole.cx, pinhole.cy]) / [pinhole.fx, -pinhole.fy]
    rays = np.column_stack([slopes, -np.ones(4)]) @ pinhole.camera_to_world[:, :3].T
    return np.concatenate([pinhole.camera_to_world[:, 3] + depth * rays for depth in depths])


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
    camera: RGBDCamera, depths: list[Path], masks: list[Path] | None, mask_threshold: int
) -> Float64[np.ndarray, "points 3"]:
    """World points of some of a camera's depth images, spread over all of them; with masks, of the foreground."""
    chosen = np.unique(np.linspace(0, len(depths) - 1, _MOST_IMAGES).round().astype(int))
    points = []
    for index in chosen:
        with Image.open(depths[index]) as image:
            depth = np.array(image).astype(np.uint16)
        seen = depth > 0
        if masks is not None:
            with Image.open(masks[index]) as image:
                seen &= np.array(image.convert("L")) > mask_threshold
        readings = camera.world_points(depth)[seen]
        points.append(readings[:: max(1, len(readings) // _MOST_POINTS_PER_IMAGE)])
    return np.concatenate(points)
