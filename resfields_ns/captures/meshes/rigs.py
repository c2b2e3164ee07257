"""Rigs: cameras around a sequence, all of which look at the middle of its box.

Rigs in JSON files.

    {
      "size": [640, 576],
      "fov": 40,
      "cameras": {
        "cam_train_1": {"azimuth": 0, "elevation": 12},
        "cam_train_2": {"azimuth": 120, "elevation": 12, "fov": 60, "radius": 2.5},
        "cam_test": {"azimuth": 45, "elevation": 18, "turns": 1}
      }
    }

`cameras` holds numbers of `RigView` by the name of the camera, which becomes a folder. A number beside `cameras` is
that of every camera that has none of its own. `size` (width, height) may be left out.
"""

import re
from dataclasses import dataclass, fields, replace
from math import asin, degrees, radians, sin, tan
from pathlib import Path
from typing import Any

import numpy as np

from resfields_ns.captures.camera import Camera
from resfields_ns.captures.json_file import read_array, read_json, read_number
from resfields_ns.captures.poses import camera_around_origin
from resfields_ns.options import Limits

_MARGIN = 1.02  # of the unit sphere, within the picture


@dataclass(frozen=True)
class RigView:
    """Where a camera stands on its way around the sequence, and how much it sees.

    Args:
        azimuth: degrees around the up axis, 0 is +z and 90 is +x; at the first frame
        elevation: degrees above the horizon
        turns: times that it goes around while the sequence plays once; 0 stands still
        fov: angle of view over the shorter side of the image, in degrees
        radius: distance from the middle of the box, where 1 is the radius of the sphere around the sequence; by
            default as close as the sphere fits into the image
    """

    azimuth: float
    elevation: float
    turns: float = 0.0
    fov: float = 40.0
    radius: float | None = None

    def __post_init__(self) -> None:
        Limits(least=-90, most=90).check("elevation", self.elevation)
        Limits(least=1, most=170).check("fov", self.fov)
        if self.radius is not None:
            Limits(above=0).check("radius", self.radius)

    def cameras(self, num_frames: int, size: tuple[int, int]) -> list[Camera]:
        """The camera at each frame, for images of `size` (width, height), where the sphere is the unit sphere."""
        half_angle = radians(self.fov) / 2.0
        focal = 0.5 * min(size) / tan(half_angle)
        distance = _MARGIN / sin(half_angle) if self.radius is None else self.radius
        azimuths = self.azimuth + 360.0 * self.turns * np.arange(num_frames) / num_frames
        return [camera_around_origin(azimuth, self.elevation, distance, size, focal) for azimuth in azimuths]


@dataclass(frozen=True)
class Rig:
    """Cameras by name, and the size (width, height) of their images where the rig tells it."""

    cameras: dict[str, RigView]
    size: tuple[int, int] | None = None


_NUMBERS = [field.name for field in fields(RigView)]


def read_rig(path: Path) -> Rig:
    """Read a rig. Raises ValueError if the file is not one."""
    content = read_json(path)
    _check_keys(content, ["cameras", "size", *_NUMBERS], str(path))
    cameras = content.get("cameras")
    if not isinstance(cameras, dict) or not cameras:
        raise ValueError(f"{path}: cameras: expected an object with one camera or more, found {cameras!r}")
    common = {key: value for key, value in content.items() if key in _NUMBERS}
    return Rig({name: _camera(path, name, camera, common) for name, camera in cameras.items()}, _size(path, content))


def _camera(path: Path, name: str, camera: Any, common: dict[str, Any]) -> RigView:
    where = f"{path}: {name}"
    if not re.fullmatch(r"[A-Za-z0-9_-]+", name) or name in ("cloud", "mesh"):
        raise ValueError(f"{where}: expected a name of letters, digits, _ and - that is not cloud or mesh")
    if not isinstance(camera, dict):
        raise ValueError(f"{where}: expected an object, found {camera!r}")
    _check_keys(camera, _NUMBERS, where)
    camera = common | camera
    for key in ("azimuth", "elevation"):
        if key not in camera:
            raise ValueError(f"{where}: expected the key {key!r}, found {', '.join(camera) or 'none'}")
    numbers = {key: read_number(camera, key, where) for key in camera}
    try:
        return RigView(**numbers)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None


def _size(path: Path, content: dict[str, Any]) -> tuple[int, int] | None:
    if "size" not in content:
        return None
    width, height = read_array(content, "size", (2,), str(path))
    if width % 1 or height % 1:
        raise ValueError(f"{path}: size: expected whole numbers, found {content['size']}")
    return int(width), int(height)


def _check_keys(content: dict[str, Any], known: list[str], where: str) -> None:
    for key in content:
        if key not in known:
            raise ValueError(f"{where}: expected keys out of {', '.join(known)}, found {key!r}")


_ELEVATION = 12.0
_STEP = 12.0  # degrees from one ring of cameras to the next
_AZIMUTH = 22.5  # of the first camera: neither straight at a subject that faces along an axis, nor from its side
_TEST_AZIMUTH = _AZIMUTH + 45.0
_ARC = 40.0  # degrees from one camera in front to the next
_GOLDEN_ANGLE = 137.50776405003785  # degrees
_LARGEST_DOME = 500
PRESETS = "paper, rgbd or dome:N"


def preset_rig(name: str, elevation: float | None, fov: float | None, radius: float | None) -> Rig:
    """The rig of a preset's name, lowest at `elevation` (by default 12 degrees), all with one `fov` and `radius`.

    paper: training cameras cam_train_1, _3, _6, _8 a quarter turn apart, in two rings; cam_test goes around once,
    between the rings. rgbd: three training cameras in front, 40 degrees apart, and cam_test between and above two of
    them, as the scenes of the paper's Table 4 face forward.
    dome:N: N training cameras spread evenly over the upper half of a sphere; cam_test as in the paper's rig.
    Raises ValueError if there is no such preset, or a number is out of range.
    """
    lowest = _ELEVATION if elevation is None else elevation
    dome = re.fullmatch(r"dome:(\d+)", name)
    if name == "paper":
        cameras = _paper(lowest)
    elif name == "rgbd":
        cameras = _rgbd(lowest)
    elif dome is not None:
        cameras = _dome(lowest, int(dome[1]))
    else:
        raise ValueError(f"--rig: expected {PRESETS}, or a JSON file, found {name!r}")
    optics = {key: value for key, value in [("fov", fov), ("radius", radius)] if value is not None}
    return Rig({key: replace(camera, **optics) for key, camera in cameras.items()})


def _paper(lowest: float) -> dict[str, RigView]:
    return {
        "cam_train_1": RigView(_AZIMUTH, lowest),
        "cam_train_3": RigView(_AZIMUTH + 90.0, lowest + _STEP),
        "cam_train_6": RigView(_AZIMUTH + 180.0, lowest),
        "cam_train_8": RigView(_AZIMUTH + 270.0, lowest + _STEP),
        "cam_test": _orbit(lowest),
    }


def _rgbd(lowest: float) -> dict[str, RigView]:
    train = {f"cam_train_{index + 1}": RigView(_AZIMUTH + _ARC * (index - 1), lowest) for index in range(3)}
    return train | {"cam_test": RigView(_AZIMUTH + _ARC / 2.0, lowest + _STEP)}


def _dome(lowest: float, count: int) -> dict[str, RigView]:
    if not 1 <= count <= _LARGEST_DOME:
        raise ValueError(f"--rig: expected dome:1 to dome:{_LARGEST_DOME}, found dome:{count}")
    floor = sin(radians(lowest))
    heights = [floor + (1.0 - floor) * (index + 0.5) / count for index in range(count)]
    train = {
        f"cam_train_{index + 1}": RigView((_AZIMUTH + _GOLDEN_ANGLE * index) % 360.0, degrees(asin(height)))
        for index, height in enumerate(heights)
    }
    return train | {"cam_test": _orbit(lowest)}


def _orbit(lowest: float) -> RigView:
    return RigView(_TEST_AZIMUTH, lowest + _STEP / 2.0, turns=1.0)
