"""Calibrations as COLMAP's sparse models: cameras, images and points3D, all as .bin or all as .txt.

COLMAP's pixels have their centres at +0.5; its poses are world to camera. Formats: colmap.github.io/format.html.
"""

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from jaxtyping import Float64

from resfields_ns.captures.camera import Camera, Lens, check_rotation
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
    points = _read(points_path, _binary_points if is_binary else _text_points) if points_path.is_file() else []
    if not np.isfinite(points).all():
        raise ValueError(f"{points_path}: expected finite points, found others")
    return Calibration(
        cameras={name: _camera(name, cameras, images, folder, suffix) for name in sizes},
        points=np.array(points, dtype=np.float64) if points else None,
    )


def _read(path: Path, reader: Callable[[bytes], _Read]) -> _Read:
    if not path.is_file():
        raise ValueError(f"{path}: expected a file of COLMAP's model, found no such file")
    try:
        return reader(path.read_bytes())
    except (struct.error, ValueError, IndexError) as error:
        raise ValueError(
            f"{path}: expected a file of COLMAP's model, found one that cannot be read ({error})"
        ) from None


def _text_lines(content: bytes) -> list[str]:
    return [line.strip() for line in content.decode().split("\n")]


def _text_records(content: bytes) -> Iterator[list[str]]:
    """Words of the lines that are neither empty nor comments."""
    return (line.split() for line in _text_lines(content) if line and not line.startswith("#"))


def _text_cameras(content: bytes) -> dict[int, _Optics]:
    return {
        int(key): _Optics(model, int(width), int(height), [float(value) for value in parameters])
        for key, model, width, height, *parameters in _text_records(content)
    }


def _text_images(content: bytes) -> list[_Image]:
    """Each on two lines, of which the second, its observations, may be empty; a name is all that is left of a line."""
    images, lines = [], iter(_text_lines(content))
    for line in lines:
        if line and not line.startswith("#"):
            words = line.split(maxsplit=9)
            numbers = [float(word) for word in words[1:8]]
            images.append(_Image(numbers[:4], numbers[4:], int(words[8]), words[9]))
            if len(next(lines, "").split()) % _NUMBERS_PER_OBSERVATION:
                raise ValueError(f"after image {words[9]!r} it has no line of observations")
    return images


def _text_points(content: bytes) -> list[list[float]]:
    return [[float(word) for word in (x, y, z)] for _, x, y, z, *_ in _text_records(content)]


class _Bytes:
    """Little-endian numbers, one after the other."""

    def __init__(self, content: bytes) -> None:
        self._content, self._at = content, 0

    def read(self, form: str) -> tuple[Any, ...]:
        values = struct.unpack_from(f"<{form}", self._content, self._at)
        self._at += struct.calcsize(f"<{form}")
        return values

    def text(self) -> str:
        end = self._content.index(b"\0", self._at)
        text = self._content[self._at : end].decode()
        self._at = end + 1
        return text

    def skip(self, size: int) -> None:
        self._at += size
        if self._at > len(self._content):
            raise ValueError(f"it ends {self._at - len(self._content)} bytes too early")


def _binary_cameras(content: bytes) -> dict[int, _Optics]:
    data, cameras = _Bytes(content), {}
    for _ in range(*data.read("Q")):
        key, model, width, height = data.read("iiQQ")
        if not 0 <= model < len(_MODELS):
            raise ValueError(f"no camera model has the number {model}")
        name, count = _MODELS[model]
        cameras[key] = _Optics(name, width, height, list(data.read(f"{count}d")))
    return cameras


def _binary_images(content: bytes) -> list[_Image]:
    data, images = _Bytes(content), []
    for _ in range(*data.read("Q")):
        _, *numbers, camera = data.read("i7di")
        images.append(_Image(numbers[:4], numbers[4:], camera, data.text()))
        data.skip(_BYTES_PER_OBSERVATION * data.read("Q")[0])
    return images


def _binary_points(content: bytes) -> list[list[float]]:
    data, points = _Bytes(content), []
    for _ in range(*data.read("Q")):
        _, x, y, z, *_ = data.read("Q3d3Bd")
        points.append([x, y, z])
        data.skip(_BYTES_PER_TRACK_ELEMENT * data.read("Q")[0])
    return points


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
    return replace(optics, pose=np.column_stack([rotation.T, -rotation.T @ image.translation]))


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
    return Camera(camera.width, camera.height, focal_lengths[0], focal_lengths[-1], cx, cy, lens)
