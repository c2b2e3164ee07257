"""Calibrations as EasyMocap writes them: a folder with `intri.yml` and `extri.yml`, in OpenCV's YAML.

    names            of the cameras
    K_cam            3x3
    dist_cam         k1 k2 p1 p2 [k3 [k4 k5 k6]] (D_cam in some); none without
    H_cam, W_cam     height and width of the pictures; those of the video without
    Rot_cam, R_cam   world to camera: the matrix, and the same rotation as a vector; one of them is enough
    T_cam            world to camera

OpenCV counts pixels from the centre of the first one.
"""

from pathlib import Path
from typing import Any

import numpy as np

from resfields_ns.captures.camera import Camera
from resfields_ns.captures.json_file import read_list
from resfields_ns.captures.videos.calibration import Calibration, Sizes, named_as
from resfields_ns.captures.videos.opencv_files import (
    OpenCVKeys,
    read_length,
    read_opencv_camera,
    read_rotation,
    read_yaml,
)

_INTRINSICS, _EXTRINSICS = "intri.yml", "extri.yml"
_LARGEST_DIFFERENCE = 1e-3  # of a rotation's two forms; files round their numbers


def knows_easymocap_files(path: Path) -> bool:
    """Whether a folder has both files."""
    return (path / _INTRINSICS).is_file() and (path / _EXTRINSICS).is_file()


def read_easymocap_files(folder: Path, sizes: Sizes) -> Calibration:
    """Read the cameras of videos."""
    intrinsics, extrinsics = (read_yaml(folder / file) for file in (_INTRINSICS, _EXTRINSICS))
    listed = read_list(intrinsics, "names", str(folder / _INTRINSICS))
    names = {name: name for name in (f"{name:g}" if isinstance(name, float) else str(name) for name in listed)}
    record = {**extrinsics, **intrinsics}
    where = f"{folder / _INTRINSICS}, {_EXTRINSICS}"
    return Calibration(
        cameras={name: _camera(record, named_as(name, names, where), size, where) for name, size in sizes.items()}
    )


def _camera(record: dict[str, Any], camera: str, video_size: tuple[int, int], name: str) -> Camera:
    matrix, vector = f"Rot_{camera}", f"R_{camera}"
    distortion = f"dist_{camera}" if f"dist_{camera}" in record else f"D_{camera}"
    rotation = matrix if matrix in record or vector not in record else vector
    if matrix in record and vector in record:
        first, second = (read_rotation(record, key, name) for key in (matrix, vector))
        if np.abs(first - second).max() > _LARGEST_DIFFERENCE:
            raise ValueError(f"{name}: expected one rotation as {matrix} and as {vector}, found two")
    width, height = video_size
    if f"W_{camera}" in record or f"H_{camera}" in record:
        width, height = (read_length(record, f"{key}_{camera}", name) for key in "WH")
    keys = OpenCVKeys(f"K_{camera}", distortion, rotation, f"T_{camera}")
    return read_opencv_camera(record, keys, (width, height), name)
