"""Calibrations as OpenCV writes them: a folder with one YAML or JSON file for each camera, named as its video.

    camera_matrix            3x3
    distortion_coefficients  k1 k2 p1 p2 [k3 [k4 k5 k6]]; none without
    R or rvec, T or tvec     world to camera; a rotation is a matrix or a rotation vector
    image_width, image_height  of the pictures that it was made with; those of the video without
    distortion_model         plumb_bob or rational_polynomial, where it is told; a fisheye lens is an error

Matrices are OpenCV's own, or nested lists. OpenCV counts pixels from the centre of the first one. Other tools keep the
same numbers under other keys; `read_opencv_camera` reads them too.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from jaxtyping import Float64

from resfields_ns.captures.camera import Camera, Lens, check_rotation
from resfields_ns.captures.json_file import holds_booleans, read_array, read_json, read_number
from resfields_ns.captures.untrusted import blamed, read_bytes
from resfields_ns.captures.videos.calibration import Calibration, Sizes

_SUFFIXES = (".yml", ".yaml", ".json")
_NUMBERS_OF_COEFFICIENTS = (0, 4, 5, 8)
_MOST_COEFFICIENTS = 8
_MOST_LEVELS = 64
_LONG_WHOLE = re.compile(r"(?<![\w.+-])[-+]?\d{10,}(?![\w.])")
"""Whole numbers that OpenCV would cut to 32 bits; with a point they are read as they are."""
_MODELS = ("plumb_bob", "rational_polynomial")  # ROS's names of OpenCV's models


def knows_opencv_files(path: Path, names: list[str]) -> bool:
    """Whether a folder has such a file for one of the cameras at least."""
    return any((path / f"{name}{suffix}").is_file() for name in names for suffix in _SUFFIXES)


def read_opencv_files(folder: Path, sizes: Sizes, with_poses: bool = True) -> Calibration:
    """Read the cameras of videos; without poses, in their own axes."""
    return Calibration(cameras={name: _camera(_find(folder, name), size, with_poses) for name, size in sizes.items()})


@dataclass(frozen=True)
class OpenCVKeys:
    """What a tool calls the numbers of a camera."""

    matrix: str
    distortion: str
    rotation: str
    translation: str


def read_opencv_camera(record: dict[str, Any], keys: OpenCVKeys, size: tuple[int, int], name: str) -> Camera:
    """Read a camera in OpenCV's terms.

    Args:
        record: numbers or nested lists by key
        size: (width, height) of the pictures that it was calibrated with
        name: says in errors where it comes from
    """
    record = {key: _flat(value) for key, value in record.items()}
    matrix = read_array(record, keys.matrix, (9,), name).reshape(3, 3)
    if matrix[[0, 1, 2, 2, 2], [1, 0, 0, 1, 2]].tolist() != [0.0, 0.0, 0.0, 0.0, 1.0] or min(np.diag(matrix)) <= 0.0:
        raise ValueError(
            f"{name}: {keys.matrix}: expected fx, 0, cx, 0, fy, cy, 0, 0, 1 with fx and fy above 0, "
            f"found {matrix.ravel().tolist()}"
        )
    rotation = read_rotation(record, keys.rotation, name)
    translation = read_array(record, keys.translation, (3,), name)
    camera = Camera(
        width=size[0],
        height=size[1],
        fx=float(matrix[0, 0]),
        fy=float(matrix[1, 1]),
        cx=float(matrix[0, 2]) + 0.5,
        cy=float(matrix[1, 2]) + 0.5,
        lens=_lens(record, keys.distortion, name),
        pose=np.column_stack([rotation.T, -rotation.T @ translation]),
    )
    return camera.check(name)


def read_rotation(record: dict[str, Any], key: str, name: str) -> Float64[np.ndarray, "3 3"]:
    """Read a rotation, which may be a rotation vector (its length is the angle) or a matrix."""
    flat = {key: _flat(record[key])} if key in record else record
    if isinstance(flat.get(key), list) and len(flat[key]) == 3:
        return cv2.Rodrigues(read_array(flat, key, (3,), name))[0]
    rotation = read_array(flat, key, (9,), name).reshape(3, 3)
    check_rotation(rotation, f"{name}: {key}")
    return rotation


def read_yaml(path: Path) -> dict[str, Any]:
    """Read OpenCV's YAML; matrices become nested lists."""
    content = read_bytes(path, "OpenCV's YAML")
    with blamed(path, "OpenCV's YAML"):
        text = content.decode("utf-8-sig")
        _check_nesting(text)
        storage = cv2.FileStorage(_LONG_WHOLE.sub(r"\g<0>.", text), cv2.FILE_STORAGE_READ | cv2.FILE_STORAGE_MEMORY)
        root = storage.root()
        record = {key: _node_value(root.getNode(key)) for key in root.keys()}  # noqa: SIM118 (no dict)
        storage.release()
    return record


def _check_nesting(text: str) -> None:
    """Raise ValueError for what is not YAML, or so deeply nested that OpenCV's parser runs out of its stack.

    A level is an open bracket or, outside of brackets, a column of indentation, a dash or a colon.
    """
    if not text.startswith("%YAML"):  # OpenCV would read XML and JSON
        raise ValueError("it does not begin with %YAML")
    depth = 0
    for number, line in enumerate(text.splitlines(), start=1):
        if line.lstrip().startswith("#"):
            continue
        block = re.split(r"[\[{]", line)[0] if depth == 0 else ""
        levels = len(block) - len(block.lstrip()) + block.count("-") + block.count(":")
        for bracket in re.findall(r"[\[\]{}]", line):
            depth = max(depth + (1 if bracket in "[{" else -1), 0)
            levels = max(levels, depth)
        if levels > _MOST_LEVELS:
            raise ValueError(f"{levels} levels in line {number}, of at most {_MOST_LEVELS}")


def read_length(record: dict[str, Any], key: str, name: str) -> int:
    """Read a number of pixels."""
    value = read_number(record, key, name)
    if value < 1 or value != int(value):
        raise ValueError(f"{name}: {key}: expected a whole number of pixels, found {value:g}")
    return int(value)


def _find(folder: Path, name: str) -> Path:
    found = [path for suffix in _SUFFIXES if (path := folder / f"{name}{suffix}").is_file()]
    if len(found) != 1:
        there = ", ".join(path.name for path in found) or "none"
        raise ValueError(f"{folder}: expected one of {', '.join(name + suffix for suffix in _SUFFIXES)}, found {there}")
    return found[0]


def _camera(path: Path, video_size: tuple[int, int], with_pose: bool) -> Camera:
    name = str(path)
    record = read_json(path) if path.suffix == ".json" else read_yaml(path)
    _check_model(record, name)
    width, height = video_size
    if "image_width" in record or "image_height" in record:
        width, height = (read_length(record, key, name) for key in ("image_width", "image_height"))
    if not with_pose:
        record |= {"R": np.eye(3).tolist(), "T": [0.0, 0.0, 0.0]}
    rotation = "rvec" if "rvec" in record and "R" not in record else "R"
    translation = "T" if "T" in record else "tvec"
    keys = OpenCVKeys("camera_matrix", "distortion_coefficients", rotation, translation)
    return read_opencv_camera(record, keys, (width, height), name)


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
    if holds_booleans(value):
        return value
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


def _lens(record: dict[str, Any], key: str, name: str) -> Lens:
    if key not in record:
        return Lens()
    count = len(record[key]) if isinstance(record[key], list) else 1
    coefficients = read_array(record, key, (count,), name).tolist()
    known, beyond = coefficients[:_MOST_COEFFICIENTS], coefficients[_MOST_COEFFICIENTS:]
    if len(known) not in _NUMBERS_OF_COEFFICIENTS or any(beyond):
        raise ValueError(f"{name}: {key}: expected 4, 5 or 8 numbers (no thin prism, no tilt), found {coefficients}")
    return Lens.from_opencv(known)
