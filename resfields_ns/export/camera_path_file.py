"""Camera paths as nerfstudio's viewer writes them."""

import json
from pathlib import Path
from typing import Any

import torch
from nerfstudio.cameras.camera_paths import get_path_from_json
from nerfstudio.cameras.cameras import Cameras, CameraType

from resfields_ns.export.camera_paths import running_times

_TWO_EYED = (CameraType.OMNIDIRECTIONALSTEREO_L.value, CameraType.VR180_L.value)


def read_camera_path(path: Path) -> tuple[Cameras, float]:
    """Cameras, each with its time in [0, 1], and pictures a second.

    Times are the cameras' `render_time`; where no camera has one, the sequence runs once over the path.
    Raises ValueError if the file is not such a path, only some cameras have a time, or it asks for two eyes.
    """
    content = _read_json(path)
    try:
        times = _times(content["camera_path"], path)
        cameras = get_path_from_json(content)
        fps = len(content["camera_path"]) / float(content["seconds"])
    except (KeyError, TypeError, RuntimeError, ZeroDivisionError) as error:
        raise ValueError(
            f"{path}: expected a camera path from nerfstudio's viewer, found one without {error}"
        ) from error
    if int(cameras.camera_type[0]) in _TWO_EYED:
        raise ValueError(f"{path}: expected a camera with one eye, found {content['camera_type']!r}")
    cameras.times = times[:, None]
    return cameras, fps


def _read_json(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise ValueError(
            f"--camera-path-filename: expected a camera path from nerfstudio's viewer, found no file {path}"
        )
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path}: expected a camera path as JSON, found a file that is not: {error}") from error
    if not isinstance(content, dict) or not content.get("camera_path"):
        raise ValueError(f"{path}: expected a camera path from nerfstudio's viewer, found no cameras in it")
    return content


def _times(cameras: list[dict[str, Any]], path: Path) -> torch.Tensor:
    times = [camera.get("render_time") for camera in cameras]
    if all(time is None for time in times):
        return running_times(len(times))
    for index, time in enumerate(times):
        if time is None or not 0.0 <= time <= 1.0:
            found = "none" if time is None else time
            raise ValueError(
                f"{path}: expected a render_time of 0 to 1 on every camera, found {found} on camera {index}"
            )
    return torch.tensor(times)
