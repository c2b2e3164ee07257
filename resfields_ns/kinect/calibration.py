"""A device's factory calibration: the attachment `calibration.json` of its recordings.

Notation: a point X_d in the depth camera's axes (metres) lies at X_c = R X_d + t in the colour camera's.
"""

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float64

from resfields_ns.data.intrinsics import Intrinsics
from resfields_ns.data.json_file import read_array, read_list, read_number, read_text
from resfields_ns.data.seen_space import check_rotation
from resfields_ns.kinect.modes import CameraMode

_DEPTH, _COLOR = "CALIBRATION_CameraLocationD0", "CALIBRATION_CameraLocationPV0"
_MODEL = "CALIBRATION_LensDistortionModelBrownConrady"
_DEFAULT_RADIUS = 1.7  # where the factory could not tell it
_LEGACY_SENSOR = (4096, 2304)  # colour calibrated for 16:9, with the 3072 rows of 4:3 cut at both ends
_LEGACY_ROWS_CUT = 384


@dataclass(frozen=True)
class DeviceCalibration:
    """Both cameras of a device, for the sizes of its images.

    Args:
        depth, color: optics
        depth_radius: plane coordinates farther than this from the optical axis are outside the depth camera's model
        rotation, translation: R and t
    """

    depth: Intrinsics
    depth_radius: float
    color: Intrinsics
    rotation: Float64[np.ndarray, "3 3"]
    translation: Float64[np.ndarray, "3"]


def parse_calibration(data: bytes, depth_mode: CameraMode, color_mode: CameraMode, name: str) -> DeviceCalibration:
    """Parse the attachment; `name` says in errors where it comes from."""
    try:
        content = json.loads(data.rstrip(b"\0").decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{name}: expected JSON, found data that cannot be read ({error})") from None
    information = content.get("CalibrationInformation") if isinstance(content, dict) else None
    cameras = read_list(information, "Cameras", f"{name}: CalibrationInformation")
    by_location = {read_text(camera, "Location", f"{name}: Cameras"): camera for camera in cameras}
    for location in (_DEPTH, _COLOR):
        if location not in by_location:
            found = ", ".join(sorted(by_location)) or "none"
            raise ValueError(f"{name}: Cameras: expected one of location {location}, found {found}")
    depth, color = by_location[_DEPTH], by_location[_COLOR]
    depth_name, color_name = f"{name}: {_DEPTH}", f"{name}: {_COLOR}"
    pose = _object(color, "Rt", color_name)
    rotation = read_array(pose, "Rotation", (9,), f"{color_name}: Rt").reshape(3, 3)
    check_rotation(rotation, f"{color_name}: Rt: Rotation")
    return DeviceCalibration(
        depth=_intrinsics(depth, depth_mode, depth_name),
        depth_radius=read_number(depth, "MetricRadius", depth_name) or _DEFAULT_RADIUS,
        color=_intrinsics(color, color_mode, color_name),
        rotation=rotation,
        translation=read_array(pose, "Translation", (3,), f"{color_name}: Rt"),
    )


def _intrinsics(camera: dict[str, Any], mode: CameraMode, name: str) -> Intrinsics:
    intrinsics = _object(camera, "Intrinsics", name)
    model = read_text(intrinsics, "ModelType", f"{name}: Intrinsics")
    if model != _MODEL:
        raise ValueError(f"{name}: Intrinsics: ModelType: expected {_MODEL}, found {model}")
    parameters = read_list(intrinsics, "ModelParameters", f"{name}: Intrinsics")
    read_array(intrinsics, "ModelParameters", (max(len(parameters), 14),), f"{name}: Intrinsics")
    cx, cy, fx, fy, k1, k2, k3, k4, k5, k6, _, _, p2, p1 = map(float, parameters[:14])
    if min(fx, fy) <= 0.0:
        raise ValueError(f"{name}: Intrinsics: ModelParameters: expected focal lengths above 0, found {fx:g}, {fy:g}")
    rows = read_number(camera, "SensorHeight", name)
    if rows == _LEGACY_SENSOR[1] and read_number(camera, "SensorWidth", name) == _LEGACY_SENSOR[0]:
        full_rows = rows + 2 * _LEGACY_ROWS_CUT
        cy, fy = (cy * rows + _LEGACY_ROWS_CUT) / full_rows, fy * rows / full_rows
    return Intrinsics(
        width=mode.size[0],
        height=mode.size[1],
        fx=fx * mode.sensor[0],
        fy=fy * mode.sensor[1],
        cx=cx * mode.sensor[0] - mode.offset[0],
        cy=cy * mode.sensor[1] - mode.offset[1],
        distortion=(k1, k2, p1, p2, k3, k4, k5, k6),
    )


def _object(record: dict[str, Any], key: str, name: str) -> dict[str, Any]:
    value = record.get(key)
    if not isinstance(value, dict):
        raise ValueError(f"{name}: expected an object {key!r}, found {repr(value)[:80]}")
    return value
