"""A device's factory calibration (`calibration.json` of its recordings), and the modes of Azure Kinect's cameras.

A calibration is for the whole sensor as a unit square. A mode says which part of the sensor an image shows: the sensor
binned to some size, then cropped. Early devices had their colour cameras calibrated in 16:9, for the middle rows of the
sensor, which is 4:3.

Notation: a point X_d in the depth camera's axes (metres) lies at X_c = R X_d + t in the colour camera's.
"""

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float64

from resfields_ns.captures.camera import Camera, Lens, check_rotation
from resfields_ns.captures.json_file import read_array, read_list, read_number, read_text
from resfields_ns.captures.untrusted import blamed


@dataclass(frozen=True)
class CameraMode:
    """Size of the binned sensor, and where the image lies on it, in pixels (width, height)."""

    sensor: tuple[int, int]
    offset: tuple[int, int]
    size: tuple[int, int]


DEPTH_MODES = {
    "NFOV_2X2BINNED": CameraMode((512, 512), (96, 90), (320, 288)),
    "NFOV_UNBINNED": CameraMode((1024, 1024), (192, 180), (640, 576)),
    "WFOV_2X2BINNED": CameraMode((512, 512), (0, 0), (512, 512)),
    "WFOV_UNBINNED": CameraMode((1024, 1024), (0, 0), (1024, 1024)),
}
"""By the tag K4A_DEPTH_MODE."""

COLOR_MODES = {
    "720P": CameraMode((1280, 960), (0, 120), (1280, 720)),
    "1080P": CameraMode((1920, 1440), (0, 180), (1920, 1080)),
    "1440P": CameraMode((2560, 1920), (0, 240), (2560, 1440)),
    "1536P": CameraMode((2048, 1536), (0, 0), (2048, 1536)),
    "2160P": CameraMode((3840, 2880), (0, 360), (3840, 2160)),
    "3072P": CameraMode((4096, 3072), (0, 0), (4096, 3072)),
}
"""By the part of the tag K4A_COLOR_MODE after the pixel format, as in MJPG_1080P."""


_DEPTH, _COLOR = "CALIBRATION_CameraLocationD0", "CALIBRATION_CameraLocationPV0"
_MODEL = "CALIBRATION_LensDistortionModelBrownConrady"
_DEFAULT_RADIUS = 1.7  # where the factory could not tell it
_WIDE_ROWS = 3 / 4  # of the sensor's rows, those that a calibration for 16:9 is about


@dataclass(frozen=True)
class DeviceCalibration:
    """Both cameras of a device, for the sizes of its images.

    Args:
        depth, color: the cameras, each in its own axes
        depth_radius: plane coordinates farther than this from the optical axis are outside the depth camera's model
        rotation, translation: R and t
    """

    depth: Camera
    depth_radius: float
    color: Camera
    rotation: Float64[np.ndarray, "3 3"]
    translation: Float64[np.ndarray, "3"]


def parse_calibration(data: bytes, depth_mode: CameraMode, color_mode: CameraMode, name: str) -> DeviceCalibration:
    """Parse the attachment; `name` says in errors where it comes from."""
    with blamed(name, "JSON", "data that cannot be read"):
        content = json.loads(data.rstrip(b"\0").decode("utf-8-sig"))
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
        depth=_camera(depth, depth_mode, 1.0, depth_name),
        depth_radius=read_number(depth, "MetricRadius", depth_name) or _DEFAULT_RADIUS,
        color=_camera(color, color_mode, _calibrated_rows(color, color_name), color_name),
        rotation=rotation,
        translation=read_array(pose, "Translation", (3,), f"{color_name}: Rt"),
    )


def _calibrated_rows(camera: dict[str, Any], name: str) -> float:
    """Which part of the sensor's rows a colour calibration is about, in the middle."""
    width, height = (read_number(camera, key, name) for key in ("SensorWidth", "SensorHeight"))
    if width >= 1 and width * 9 // 16 == height:
        return _WIDE_ROWS
    if width >= 1 and width * 3 // 4 == height:
        return 1.0
    raise ValueError(f"{name}: SensorWidth, SensorHeight: expected 4:3 or 16:9, found {width:g}x{height:g}")


def _camera(camera: dict[str, Any], mode: CameraMode, rows: float, name: str) -> Camera:
    intrinsics = _object(camera, "Intrinsics", name)
    model = read_text(intrinsics, "ModelType", f"{name}: Intrinsics")
    if model != _MODEL:
        raise ValueError(f"{name}: Intrinsics: ModelType: expected {_MODEL}, found {model}")
    parameters = read_list(intrinsics, "ModelParameters", f"{name}: Intrinsics")
    read_array(intrinsics, "ModelParameters", (max(len(parameters), 14),), f"{name}: Intrinsics")
    cx, cy, fx, fy, k1, k2, k3, k4, k5, k6, _, _, p2, p1 = map(float, parameters[:14])
    if min(fx, fy) <= 0.0:
        raise ValueError(f"{name}: Intrinsics: ModelParameters: expected focal lengths above 0, found {fx:g}, {fy:g}")
    cy, fy = cy * rows + (1.0 - rows) / 2, fy * rows
    seen = Camera(
        width=mode.size[0],
        height=mode.size[1],
        fx=fx * mode.sensor[0],
        fy=fy * mode.sensor[1],
        cx=cx * mode.sensor[0] - mode.offset[0],
        cy=cy * mode.sensor[1] - mode.offset[1],
        lens=Lens(k1, k2, k3, k4, k5, k6, p1, p2),
    )
    return seen.check(f"{name}: Intrinsics")


def _object(record: dict[str, Any], key: str, name: str) -> dict[str, Any]:
    value = record.get(key)
    if not isinstance(value, dict):
        raise ValueError(f"{name}: expected an object {key!r}, found {repr(value)[:80]}")
    return value
