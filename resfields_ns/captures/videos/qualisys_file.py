"""Calibrations as Qualisys Track Manager writes them: `.qca.txt`, which is XML.

    camera serial                               its name
      fov_video left top right bottom           first and last pixel of the video on the sensor
      transform x y z r11 ... r33               where it stands, in millimetres; rows r11 r12 r13, r21 ... are its axes
                                                right, up and back, in the world
      intrinsic focalLengthU ... centerPointV   in 1/64 pixel of the sensor
                radialDistortion1 to 3, tangentalDistortion1 and 2   k1 k2 k3 p1 p2

Pose2Sim's reader divides distortion by 64 too; the boards in its own example say that it is not (docs/videos.md).
Pixels count from the centre of the first one. The world is in metres here.
"""

from contextlib import suppress
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
from jaxtyping import Float64

from resfields_ns.captures.camera import LARGEST_SKEW, Camera, Lens, check_rotation
from resfields_ns.captures.json_file import read_number
from resfields_ns.captures.poses import OPENGL_FROM_OPENCV
from resfields_ns.captures.untrusted import blamed, read_bytes
from resfields_ns.captures.videos.calibration import Calibration, Sizes, named_as

_SUFFIXES = (".txt", ".xml")
_LONGEST_BEGINNING = 4096  # bytes within which the outermost element opens
_UNITS_PER_PIXEL = 64
_METRES_PER_UNIT = 1e-3
_COEFFICIENTS = {
    "radialDistortion1": "k1",
    "radialDistortion2": "k2",
    "radialDistortion3": "k3",
    "tangentalDistortion1": "p1",
    "tangentalDistortion2": "p2",
}
_OPTIONAL = ("skew", "radialDistortion3")


def knows_qualisys_file(path: Path) -> bool:
    """Whether a text file begins as such a calibration."""
    if path.suffix not in _SUFFIXES or not path.is_file():
        return False
    with path.open("rb") as file:
        return b"<calibration" in file.read(_LONGEST_BEGINNING)


def read_qualisys_file(path: Path, sizes: Sizes) -> Calibration:
    """Read the cameras of videos, which are named by their serials."""
    content = read_bytes(path, "an XML file")
    with blamed(path, "XML"):
        root = ElementTree.fromstring(content)
    cameras: dict[str, ElementTree.Element] = {}
    for camera in root.iterfind("cameras/camera"):
        serial = camera.get("serial", "")
        if serial in cameras:
            raise ValueError(f"{path}: expected cameras of different serials, found {serial!r} twice")
        cameras[serial] = camera
    return Calibration(
        cameras={name: _camera(named_as(name, cameras, str(path)), f"{path}: camera {name}") for name in sizes}
    )


def _camera(camera: ElementTree.Element, name: str) -> Camera:
    left, top, right, bottom = _numbers(camera, "fov_video", ("left", "top", "right", "bottom"), name)
    focal_lengths_and_centre = ("focalLengthU", "focalLengthV", "centerPointU", "centerPointV", "skew")
    fx, fy, cx, cy, skew = (_numbers(camera, "intrinsic", focal_lengths_and_centre, name) / _UNITS_PER_PIXEL).tolist()
    size = (round(right - left) + 1, round(bottom - top) + 1)
    if min(fx, fy, *size) <= 0:
        raise ValueError(f"{name}: expected a window and focal lengths above 0, found {size[0]}x{size[1]}, {fx}, {fy}")
    if abs(skew) > LARGEST_SKEW * fx:
        raise ValueError(f"{name}: expected a camera without skew, found a skew of {skew:g} pixels")
    coefficients = _numbers(camera, "intrinsic", tuple(_COEFFICIENTS), name)
    axes = _numbers(camera, "transform", tuple(f"r{i}{j}" for i in (1, 2, 3) for j in (1, 2, 3)), name).reshape(3, 3)
    check_rotation(axes, f"{name}: transform")
    position = _METRES_PER_UNIT * _numbers(camera, "transform", ("x", "y", "z"), name)
    seen = Camera(
        width=size[0],
        height=size[1],
        fx=fx,
        fy=fy,
        cx=cx - float(left) + 0.5,
        cy=cy - float(top) + 0.5,
        lens=Lens(**dict(zip(_COEFFICIENTS.values(), coefficients.tolist(), strict=True))),
        pose=np.column_stack([axes.T, position]) * OPENGL_FROM_OPENCV,
    )
    return seen.check(name)


def _numbers(camera: ElementTree.Element, kind: str, keys: tuple[str, ...], name: str) -> Float64[np.ndarray, "keys"]:
    """Attributes of an element of a camera; those that some versions leave out are 0."""
    element = camera.find(kind)
    if element is None:
        raise ValueError(f"{name}: expected an element {kind!r}, found {', '.join(e.tag for e in camera) or 'none'}")
    values: dict[str, Any] = dict.fromkeys(_OPTIONAL, 0.0) | element.attrib
    for key in keys:
        with suppress(ValueError):
            values[key] = float(values.get(key, ""))
    return np.array([read_number(values, key, f"{name}: {kind}") for key in keys])
