"""Calibrations as COLMAP's sparse models: cameras, images and points3D, all as .bin or all as .txt.

COLMAP's pixels have their centres at +0.5.
"""

import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from jaxtyping import Float64
from nerfstudio.data.utils import colmap_parsing_utils as colmap

from resfields_ns.captures.camera import Camera, Lens, check_rotation
from resfields_ns.captures.videos.calibration import Calibration

_NUM_FOCAL_LENGTHS = {
    "SIMPLE_PINHOLE": 1,
    "PINHOLE": 2,
    "SIMPLE_RADIAL": 1,
    "RADIAL": 1,
    "OPENCV": 2,
    "FULL_OPENCV": 2,
}
"""Parameters are focal lengths, principal point, and the first coefficients of OpenCV's distortion."""


def read_colmap_model(folder: Path, names: list[str]) -> Calibration:
    """Read the cameras; an image belongs to the camera `cam` if it is `cam.png` or lies in a folder `cam`."""
    is_binary = (folder / "cameras.bin").is_file()
    suffix = ".bin" if is_binary else ".txt"
    read_cameras, read_images, read_points = (
        (colmap.read_cameras_binary, colmap.read_images_binary, colmap.read_points3D_binary)
        if is_binary
        else (colmap.read_cameras_text, colmap.read_images_text, colmap.read_points3D_text)
    )
    cameras = _read(folder / f"cameras{suffix}", read_cameras)
    images = _read(folder / f"images{suffix}", read_images)
    return Calibration(
        cameras={name: _camera(name, cameras, images, folder, suffix) for name in names},
        points=_points(folder / f"points3D{suffix}", read_points),
    )


def _read(path: Path, reader: Callable[[Path], dict[int, Any]]) -> dict[int, Any]:
    if not path.is_file():
        raise ValueError(f"{path}: expected a file of COLMAP's model, found no such file")
    try:
        return reader(path)
    except (struct.error, ValueError, KeyError, IndexError, AssertionError, OverflowError, MemoryError) as error:
        raise ValueError(
            f"{path}: expected a file of COLMAP's model, found one that cannot be read ({error})"
        ) from None


def _camera(name: str, cameras: dict[int, Any], images: dict[int, Any], folder: Path, suffix: str) -> Camera:
    path = folder / f"images{suffix}"
    found = [image for image in images.values() if name in _camera_names(image.name)]
    if len(found) != 1:
        there = ", ".join(sorted(image.name for image in found or images.values())[:8]) or "none"
        raise ValueError(f"{path}: expected one image of camera {name!r}, named as its video, found {there}")
    (image,) = found
    if image.camera_id not in cameras:
        raise ValueError(f"{path}: {image.name}: expected a camera of cameras{suffix}, found {image.camera_id}")
    rotation = image.qvec2rotmat()
    check_rotation(rotation, f"{path}: {image.name}")
    camera = cameras[image.camera_id]
    optics = _optics(camera, f"{folder / f'cameras{suffix}'}: camera {camera.id}")
    return replace(optics, pose=np.column_stack([rotation.T, -rotation.T @ image.tvec]))


def _camera_names(image_name: str) -> tuple[str, ...]:
    """Names that a camera of an image may have."""
    path = PurePosixPath(image_name)
    return path.stem, *path.parts[:-1]


def _optics(camera: Any, name: str) -> Camera:
    if camera.model not in _NUM_FOCAL_LENGTHS:
        raise ValueError(
            f"{name}: expected one of {', '.join(_NUM_FOCAL_LENGTHS)}, found {camera.model}: "
            "undistort the videos first, as COLMAP's image_undistorter does"
        )
    expected = colmap.CAMERA_MODEL_NAMES[camera.model].num_params
    if len(camera.params) != expected or not np.isfinite(camera.params).all():
        raise ValueError(
            f"{name}: expected {expected} finite parameters of {camera.model}, found {list(camera.params)}"
        )
    parameters = camera.params.tolist()
    num_focal_lengths = _NUM_FOCAL_LENGTHS[camera.model]
    focal_lengths, (cx, cy, *distortion) = parameters[:num_focal_lengths], parameters[num_focal_lengths:]
    if min(camera.width, camera.height, *focal_lengths) <= 0:
        raise ValueError(
            f"{name}: expected a size and focal lengths above 0, "
            f"found {camera.width}x{camera.height} and {focal_lengths}"
        )
    lens = Lens.from_opencv(distortion)
    return Camera(camera.width, camera.height, focal_lengths[0], focal_lengths[-1], cx, cy, lens)


def _points(path: Path, reader: Callable[[Path], dict[int, Any]]) -> Float64[np.ndarray, "points 3"] | None:
    if not path.is_file():
        return None
    points = _read(path, reader)
    return np.array([point.xyz for point in points.values()], dtype=np.float64) if points else None
