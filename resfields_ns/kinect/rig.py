"""Where the cameras of a rig stand: a JSON file that the user gives, for recordings do not tell.

    {"front": {"camera_to_world": [[...], [...], [...], [0, 0, 0, 1]], "time_offset_us": 0}, ...}

The pose is the colour camera's, in metres with OpenCV axes (x right, y down, z forward). The offset, 0 if it is left
out, makes the device's clock the one that all cameras share.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float64

from resfields_ns.data.json_file import read_json, read_number
from resfields_ns.data.rgbd_camera import read_pose


@dataclass(frozen=True)
class RigCamera:
    """A device's place in space and time."""

    camera_to_world: Float64[np.ndarray, "4 4"]
    time_offset: int


def read_rig(path: Path, names: list[str]) -> dict[str, RigCamera]:
    """Read the cameras of some names; a ValueError names one that is missing or is not what it should be."""
    content = read_json(path)
    for name in names:
        if not isinstance(content.get(name), dict):
            found = ", ".join(sorted(content)) or "none"
            raise ValueError(f"{path}: expected a camera {name!r}, named as its recording is, found {found}")
    return {name: _camera(content[name], f"{path}: {name}") for name in names}


def _camera(record: dict, name: str) -> RigCamera:
    offset = round(read_number(record, "time_offset_us", name)) if "time_offset_us" in record else 0
    return RigCamera(read_pose(record, name), offset)
