"""Calibrations as OpenCV writes them: a folder with one YAML or JSON file for each camera, named as its video.

    camera_matrix            3x3
    distortion_coefficients  k1 k2 p1 p2 [k3 [k4 k5 k6]]; none without
    R or rvec, T or tvec     world to camera
    image_width, image_height  of the pictures that it was made with; those of the video without
    distortion_model         plumb_bob or rational_polynomial, where it is told; a fisheye lens is an error

Matrices are OpenCV's own, or nested lists. OpenCV counts pixels from the centre of the first one.
"""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
from jaxtyping import Float64

from resfields_ns.captures.camera import Camera, Lens, check_rotation
from resfields_ns.captures.json_file import read_array, read_json, read_number
from resfields_ns.captures.videos.calibration import Calibration

SUFFIXES = (".yml", ".yaml", ".json")
_NUMBERS_OF_COEFFICIENTS = (0, 4, 5, 8)
_MOST_COEFFICIENTS = 8
_MODELS = ("plumb_bob", "rational_polynomial")  # ROS's names of OpenCV's models


def read_opencv_files(folder: Path, sizes: dict[str, tuple[int, int]], with_poses: bool = True) -> Calibration:
    """Read the cameras of videos whose (width, height) are given by name; without poses, in their own axes."""
    return Calibration(cameras={name: _camera(_find(folder, name), size, with_poses) for name, size in sizes.items()})


def _find(folder: Path, name: str) -> Path:
    found = [path for suffix in SUFFIXES if (path := folder / f"{name}{suffix}").is_file()]
    if len(found) != 1:
        there = ", ".join(path.name for path in found) or "none"
        raise ValueError(f"{folder}: expected one of {', '.join(name + suffix for suffix in SUFFIXES)}, found {there}")
    return found[0]


def _camera(path: Path, video_size: tuple[int, int], with_poses: bool) -> Camera:
    name = str(path)
    content = read_json(path) if path.suffix == ".json" else _read_yaml(path)
    record = {key: _flat(value) for key, value in content.items()}
    _check_model(record, name)
    matrix = read_array(record, "camera_matrix", (9,), name).reshape(3, 3)
    if matrix[[0, 1, 2, 2, 2], [1, 0, 0, 1, 2]].tolist() != [0.0, 0.0, 0.0, 0.0, 1.0] or min(np.diag(matrix)) <= 0.0:
        raise ValueError(
            f"{name}: camera_matrix: expected fx, 0, cx, 0, fy, cy, 0, 0, 1 with fx and fy above 0, "
            f"found {matrix.ravel().tolist()}"
        )
    rotation, translation = _pose(record, name) if with_poses else (np.eye(3), np.zeros(3))
    width, height = video_size
    if "image_width" in record or "image_height" in record:
        width, height = (_length(record, key, name) for key in ("image_width", "image_height"))
    return Camera(
        width=width,
        height=height,
        fx=float(matrix[0, 0]),
        fy=float(matrix[1, 1]),
        cx=float(matrix[0, 2]) + 0.5,
        cy=float(matrix[1, 2]) + 0.5,
        lens=_lens(record, name),
        pose=np.column_stack([rotation.T, -rotation.T @ translation]),
    )


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        storage = cv2.FileStorage(str(path), cv2.FILE_STORAGE_READ)
        root = storage.root()
        content = {key: _node_value(root.getNode(key)) for key in root.keys()}  # noqa: SIM118 (no dict)
        storage.release()
    except (cv2.error, SystemError) as error:
        summary = error.err if isinstance(error, cv2.error) else "no YAML that it knows"
        raise ValueError(f"{path}: expected OpenCV's YAML, found a file that cannot be read ({summary})") from None
    return content


def _node_value(node: Any) -> Any:
    if node.isInt() or node.isReal():
        return node.real()
    if node.isSeq():
        return [_node_value(node.at(index)) for index in range(node.size())]
    if node.isMap() and not node.getNode("dt").empty():
        return node.mat().tolist()
    return node.string() if node.isString() else None


def _flat(value: Any) -> Any:
    """The numbers of a matrix, row by row; anything else as it is."""
    if isinstance(value, dict) and value.get("type_id") == "opencv-matrix":
        value = value.get("data")
    try:
        return np.array(value).ravel().tolist() if isinstance(value, list) else value
    except ValueError:
        return value


def _check_model(record: dict[str, Any], name: str) -> None:
    """Raise ValueError for a fisheye lens: four coefficients alone do not tell it from another."""
    model = record.get("distortion_model", _MODELS[0])
    if record.get("fisheye_model"):
        model = "fisheye_model"
    if model not in _MODELS:
        raise ValueError(
            f"{name}: expected a lens of OpenCV's models without fisheye ({', '.join(_MODELS)}), found {model!r}: "
            "undistort the video first, and leave its coefficients out"
        )


def _pose(record: dict[str, Any], name: str) -> tuple[Float64[np.ndarray, "3 3"], Float64[np.ndarray, "3"]]:
    """World to camera."""
    return _rotation(record, name), read_array(record, "T" if "T" in record else "tvec", (3,), name)


def _rotation(record: dict[str, Any], name: str) -> Float64[np.ndarray, "3 3"]:
    if "R" not in record and "rvec" in record:
        return cv2.Rodrigues(read_array(record, "rvec", (3,), name))[0]
    rotation = read_array(record, "R", (9,), name).reshape(3, 3)
    check_rotation(rotation, f"{name}: R")
    return rotation


def _lens(record: dict[str, Any], name: str) -> Lens:
    if "distortion_coefficients" not in record:
        return Lens()
    value = record["distortion_coefficients"]
    count = len(value) if isinstance(value, list) else 1
    coefficients = read_array(record, "distortion_coefficients", (count,), name).tolist()
    known, beyond = coefficients[:_MOST_COEFFICIENTS], coefficients[_MOST_COEFFICIENTS:]
    if len(known) not in _NUMBERS_OF_COEFFICIENTS or any(beyond):
        raise ValueError(
            f"{name}: distortion_coefficients: expected 4, 5 or 8 numbers (no thin prism, no tilt), "
            f"found {coefficients}"
        )
    return Lens.from_opencv(known)


def _length(record: dict[str, Any], key: str, name: str) -> int:
    value = read_number(record, key, name)
    if value < 1 or value != int(value):
        raise ValueError(f"{name}: {key}: expected a whole number of pixels, found {value:g}")
    return int(value)
