"""Rigs in JSON files.

    {
      "size": [640, 576],
      "fov": 40,
      "cameras": {
        "cam_train_1": {"azimuth": 0, "elevation": 12},
        "cam_train_2": {"azimuth": 120, "elevation": 12, "fov": 60, "radius": 2.5},
        "cam_test": {"azimuth": 45, "elevation": 18, "turns": 1}
      }
    }

`cameras` holds numbers of `RigCamera` by the name of the camera, which becomes a folder. A number beside `cameras` is
that of every camera that has none of its own. `size` (width, height) may be left out.
"""

import re
from dataclasses import fields
from pathlib import Path
from typing import Any

from resfields_ns.data.json_file import read_array, read_json, read_number
from resfields_ns.mesh_sequences.rig import Rig, RigCamera

_NUMBERS = [field.name for field in fields(RigCamera)]


def read_rig(path: Path) -> Rig:
    """Read a rig. Raises ValueError if the file is not one."""
    content = read_json(path)
    _check_keys(content, ["cameras", "size", *_NUMBERS], str(path))
    cameras = content.get("cameras")
    if not isinstance(cameras, dict) or not cameras:
        raise ValueError(f"{path}: cameras: expected an object with one camera or more, found {cameras!r}")
    common = {key: value for key, value in content.items() if key in _NUMBERS}
    return Rig({name: _camera(path, name, camera, common) for name, camera in cameras.items()}, _size(path, content))


def _camera(path: Path, name: str, camera: Any, common: dict[str, Any]) -> RigCamera:
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
        return RigCamera(**numbers)
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
