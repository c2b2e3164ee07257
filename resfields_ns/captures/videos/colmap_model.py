"""Calibrations as COLMAP's sparse models: cameras, images and points3D, all as .bin or all as .txt.

COLMAP's pixels have their centres at +0.5; its poses are world to camera. Formats: colmap.github.io/format.html.
"""

import mmap
import struct
from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from jaxtyping import Float64

from resfields_ns.captures.camera import Camera, Lens, check_rotation
from resfields_ns.captures.untrusted import blamed, check_count, check_file, check_numbers, read_lines
from resfields_ns.captures.videos.calibration import Calibration, Sizes, camera_names

_MODELS = (
    ("SIMPLE_PINHOLE", 3),
    ("PINHOLE", 4),
    ("SIMPLE_RADIAL", 4),
    ("RADIAL", 5),
    ("OPENCV", 8),
    ("OPENCV_FISHEYE", 8),
    ("FULL_OPENCV", 12),
    ("FOV", 5),
    ("SIMPLE_RADIAL_FISHEYE", 4),
    ("RADIAL_FISHEYE", 5),
    ("THIN_PRISM_FISHEYE", 12),
    ("RAD_TAN_THIN_PRISM_FISHEYE", 16),
)
"""Names and numbers of parameters, by the numbers that binary files have for them."""
_NUM_FOCAL_LENGTHS = {
    "SIMPLE_PINHOLE": 1,
    "PINHOLE": 2,
    "SIMPLE_RADIAL": 1,
    "RADIAL": 1,
    "OPENCV": 2,
    "FULL_OPENCV": 2,
}
"""Parameters are focal lengths, principal point, and the first coefficients of OpenCV's distortion."""
_NUMBERS_PER_OBSERVATION = 3
_BYTES_PER_OBSERVATION, _BYTES_PER_TRACK_ELEMENT = 24, 8
_LONGEST_NAME = 4096  # bytes
_EXPECTED = "a file of COLMAP's model"
_Read = TypeVar("_Read")


@dataclass(frozen=True)
class _Optics:
    model: str
    width: int
    height: int
    parameters: list[float]


@dataclass(frozen=True)
class _Image:
    quaternion: list[float]
    translation: list[float]
    camera: int
    name: str


def knows_colmap_model(path: Path) -> bool:
    """Whether a folder is such a model."""
    return any((path / f"cameras{suffix}").is_file() for suffix in (".bin", ".txt"))


def read_colmap_model(folder: Path, sizes: Sizes) -> Calibration:
    """Read the cameras of videos; an image belongs to the camera `cam` if it is `cam.png` or lies in a folder `cam`."""
    is_binary = (folder / "cameras.bin").is_file()
    suffix = ".bin" if is_binary else ".txt"
    cameras = _read(folder / f"cameras{suffix}", _binary_cameras if is_binary else _text_cameras)
    images = _read(folder / f"images{suffix}", _binary_images if is_binary else _text_images)
    points_path = folder / f"points3D{suffix}"
    points = _read(points_path, _binary_points if is_binary else _text_points) if points_path.exists() else None
    if points is not None:
        check_numbers(points, str(points_path))
    return Calibration(
        cameras={name: _camera(name, cameras, images, folder, suffix) for name in sizes},
        points=points if points is not None and len(points) else None,
    )


def _read(path: Path, reader: Callable[[Path], _Read]) -> _Read:
    check_file(path, _EXPECTED)
    with blamed(path, _EXPECTED, "one that cannot be read"):
        return reader(path)


def _text_records(path: Path) -> Iterator[list[str]]:
    """Words of the lines that are neither empty nor comments."""
    return (line.split() for line in read_lines(path, _EXPECTED) if line and not line.startswith("#"))


def _text_cameras(path: Path) -> dict[int, _Optics]:
    return {
        int(key): _Optics(model, int(width), int(height), [float(value) for value in parameters])
        for key, model, width, height, *parameters in _text_records(path)
    }


def _text_images(path: Path) -> list[_Image]:
    """Each on two lines, of which the second, its observations, may be empty; a name is all that is left of a line."""
    images, lines = [], read_lines(path, _EXPECTED)
    for line in lines:
        if line and not line.startswith("#"):
            words = line.split(maxsplit=9)
            numbers = [float(word) for word in words[1:8]]
            images.append(_Image(numbers[:4], numbers[4:], int(words[8]), words[9]))
            if len(next(lines, "").split()) % _NUMBERS_PER_OBSERVATION:
                raise ValueError(f"after image {words[9]!r} it has no line of observations")
    return images


def _text_points(path: Path) -> Float64[np.ndarray, "points 3"]:
    points = array("d")
    for _, x, y, z, *_ in _text_records(path):
        points.extend(map(float, (x, y, z)))
    return np.array(points).reshape(-1, 3)


class _Bytes:
    """Little-endian numbers, one after the other, of a file that is mapped and not read."""

    def __init__(self, path: Path) -> None:
        with path.open("rb") as file:
            self._content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self._at = 0

    def read(self, form: str) -> tuple[Any, ...]:
        values = struct.unpack_from(f"<{form}", self._content, self._at)
        self._at += struct.calcsize(f"<{form}")
        return values

    def records(self, form: str, bytes_beyond: int) -> Iterator[tuple[Any, ...]]:
        """As many records as are counted here, of each of which `form` tells the beginning; nothing comes after them.

        `bytes_beyond` are those that a record has at least beside.
        """
        (count,) = self.read("Q")
        check_count(count, struct.calcsize(f"<{form}") + bytes_beyond, len(self._content) - self._at, "its count")
        for _ in range(count):
            yield self.read(form)
        if self._at != len(self._content):
            raise ValueError(f"{len(self._content) - self._at} bytes follow its last entry")

    def text(self) -> str:
        end = self._content.find(b"\0", self._at, self._at + _LONGEST_NAME)
        if end < 0:
            raise ValueError(f"a name has no end within {_LONGEST_NAME} bytes")
        text = self._content[self._at : end].decode()
        self._at = end + 1
        return text

    def skip(self, size: int) -> None:
        self._at += size
        if self._at > len(self._content):
            raise ValueError(f"it ends {self._at - len(self._content)} bytes too early")


def _binary_cameras(path: Path) -> dict[int, _Optics]:
    data, cameras = _Bytes(path), {}
    for key, model, width, height in data.records("iiQQ", 24):
        if not 0 <= model < len(_MODELS):
            raise ValueError(f"no camera model has the number {model}")
        name, count = _MODELS[model]
        cameras[key] = _Optics(name, width, height, list(data.read(f"{count}d")))
    return cameras


def _binary_images(path: Path) -> list[_Image]:
    data, images = _Bytes(path), []
    for _, *numbers, camera in data.records("i7di", 9):
        images.append(_Image(numbers[:4], numbers[4:], camera, data.text()))
        data.skip(_BYTES_PER_OBSERVATION * data.read("Q")[0])
    return images


def _binary_points(path: Path) -> Float64[np.ndarray, "points 3"]:
    data, points = _Bytes(path), array("d")
    for _, x, y, z, *_ in data.records("Q3d3Bd", 8):
        points.extend((x, y, z))
        data.skip(_BYTES_PER_TRACK_ELEMENT * data.read("Q")[0])
    return np.array(points).reshape(-1, 3)


def _camera(name: str, cameras: dict[int, _Optics], images: list[_Image], folder: Path, suffix: str) -> Camera:
    path = folder / f"images{suffix}"
    found = [image for image in images if name in camera_names(image.name)]
    if len(found) != 1:
        there = ", ".join(sorted(image.name for image in found or images)[:8]) or "none"
        raise ValueError(f"{path}: expected one image of camera {name!r}, named as its video, found {there}")
    (image,) = found
    if image.camera not in cameras:
        raise ValueError(f"{path}: {image.name}: expected a camera of cameras{suffix}, found {image.camera}")
    if not np.isfinite(image.quaternion + image.translation).all():
        raise ValueError(f"{path}: {image.name}: expected finite numbers, found {image.quaternion + image.translation}")
    rotation = _rotation_of(image.quaternion)
    check_rotation(rotation, f"{path}: {image.name}")
    optics = _optics(cameras[image.camera], f"{folder / f'cameras{suffix}'}: camera {image.camera}")
    posed = replace(optics, pose=np.column_stack([rotation.T, -rotation.T @ image.translation]))
    return posed.check(f"{path}: {image.name}")


def _rotation_of(quaternion: list[float]) -> Float64[np.ndarray, "3 3"]:
    w, x, y, z = quaternion
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )


def _optics(camera: _Optics, name: str) -> Camera:
    if camera.model not in _NUM_FOCAL_LENGTHS:
        raise ValueError(
            f"{name}: expected one of {', '.join(_NUM_FOCAL_LENGTHS)}, found {camera.model}: "
            "undistort the videos first, as COLMAP's image_undistorter does"
        )
    expected = dict(_MODELS)[camera.model]
    if len(camera.parameters) != expected or not np.isfinite(camera.parameters).all():
        raise ValueError(f"{name}: expected {expected} finite parameters of {camera.model}, found {camera.parameters}")
    num_focal_lengths = _NUM_FOCAL_LENGTHS[camera.model]
    focal_lengths, (cx, cy, *distortion) = camera.parameters[:num_focal_lengths], camera.parameters[num_focal_lengths:]
    if min(camera.width, camera.height, *focal_lengths) <= 0:
        raise ValueError(
            f"{name}: expected a size and focal lengths above 0, "
            f"found {camera.width}x{camera.height} and {focal_lengths}"
        )
    lens = Lens.from_opencv(distortion)
    seen = Camera(camera.width, camera.height, focal_lengths[0], focal_lengths[-1], cx, cy, lens)
    return seen.check(name)
