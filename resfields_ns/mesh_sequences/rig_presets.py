"""Rigs that need no file."""

import re
from dataclasses import replace
from math import asin, degrees, radians, sin

from resfields_ns.mesh_sequences.rig import Rig, RigCamera

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


def _paper(lowest: float) -> dict[str, RigCamera]:
    return {
        "cam_train_1": RigCamera(_AZIMUTH, lowest),
        "cam_train_3": RigCamera(_AZIMUTH + 90.0, lowest + _STEP),
        "cam_train_6": RigCamera(_AZIMUTH + 180.0, lowest),
        "cam_train_8": RigCamera(_AZIMUTH + 270.0, lowest + _STEP),
        "cam_test": _orbit(lowest),
    }


def _rgbd(lowest: float) -> dict[str, RigCamera]:
    train = {f"cam_train_{index + 1}": RigCamera(_AZIMUTH + _ARC * (index - 1), lowest) for index in range(3)}
    return train | {"cam_test": RigCamera(_AZIMUTH + _ARC / 2.0, lowest + _STEP)}


def _dome(lowest: float, count: int) -> dict[str, RigCamera]:
    if not 1 <= count <= _LARGEST_DOME:
        raise ValueError(f"--rig: expected dome:1 to dome:{_LARGEST_DOME}, found dome:{count}")
    floor = sin(radians(lowest))
    heights = [floor + (1.0 - floor) * (index + 0.5) / count for index in range(count)]
    train = {
        f"cam_train_{index + 1}": RigCamera((_AZIMUTH + _GOLDEN_ANGLE * index) % 360.0, degrees(asin(height)))
        for index, height in enumerate(heights)
    }
    return train | {"cam_test": _orbit(lowest)}


def _orbit(lowest: float) -> RigCamera:
    return RigCamera(_TEST_AZIMUTH, lowest + _STEP / 2.0, turns=1.0)
