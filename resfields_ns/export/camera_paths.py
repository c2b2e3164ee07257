"""Cameras that move through space and time.

Notation: P pictures, each a camera with its own time in [0, 1].
"""

import json
import math
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from nerfstudio.cameras.camera_paths import get_path_from_json
from nerfstudio.cameras.camera_utils import auto_orient_and_center_poses
from nerfstudio.cameras.cameras import Cameras, CameraType
from nerfstudio.utils.poses import to4x4
from torch import Tensor

from resfields_ns.captures.poses import look_at
from resfields_ns.captures.untrusted import blamed, check_numbers, read_bytes
from resfields_ns.timeline import times_from_frames


def sweep_times(frames: list[int], num_frames: int, slow_motion: int) -> Float[Tensor, "pictures"]:
    """Times of the frames, each step from one to the next divided into `slow_motion` equal parts."""
    times = times_from_frames(torch.tensor(frames), num_frames)
    shares = torch.arange(slow_motion) / slow_motion
    between = torch.lerp(times[:-1, None], times[1:, None], shares)
    return torch.cat((between.flatten(), times[-1:]))


def frozen_times(frame: int, num_frames: int, num_pictures: int) -> Float[Tensor, "pictures"]:
    """The time of a frame, for every picture."""
    return times_from_frames(torch.full((num_pictures,), frame), num_frames)


def running_times(num_pictures: int) -> Float[Tensor, "pictures"]:
    """Even steps from the sequence's first time to its last."""
    return torch.linspace(0.0, 1.0, num_pictures)


def hold_camera(camera: Cameras, times: Float[Tensor, "pictures"]) -> Cameras:
    """One camera (batch of one), seen from at every time."""
    return _with_intrinsics_of(camera, camera.camera_to_worlds.expand(len(times), -1, -1), times)


def orbit(
    cameras: Cameras, centre: Float[Tensor, "3"], times: Float[Tensor, "pictures"], turns: float = 1.0
) -> Cameras:
    """Horizontal turns about the centre, in equal steps, with the first camera's intrinsics.

    It starts beside the first camera. The distance to the centre and the height above it are the cameras' means, and
    up is what is most nearly vertical in all their images.
    """
    poses = cameras.camera_to_worlds
    up = vertical(poses)
    offsets = poses[:, :, 3] - centre
    distance, height = offsets.norm(dim=-1).mean(), (offsets @ up).mean()
    towards_first = offsets[0] - (offsets[0] @ up) * up
    if towards_first.norm() < 1e-3 * distance:
        towards_first = poses[0, :, 1] - (poses[0, :, 1] @ up) * up
    first = F.normalize(towards_first, dim=0)
    second = torch.linalg.cross(up, first)
    angles = 2.0 * math.pi * turns * torch.arange(len(times), device=poses.device)[:, None] / len(times)
    radius = (distance.square() - height.square()).clamp_min(0.0).sqrt()
    positions = centre + height * up + radius * (angles.cos() * first + angles.sin() * second)
    return _with_intrinsics_of(cameras[0:1], look_at(positions, centre, up), times)


def vertical(poses: Float[Tensor, "cameras 3 4"]) -> Float[Tensor, "3"]:
    """Up in images of cameras, by least squares.

    nerfstudio's solution wants three cameras or more, so each counts thrice.
    """
    transform = auto_orient_and_center_poses(to4x4(poses).repeat(3, 1, 1), method="vertical", center_method="none")[1]
    return transform[2, :3]


def _with_intrinsics_of(
    camera: Cameras, poses: Float[Tensor, "pictures 3 4"], times: Float[Tensor, "pictures"]
) -> Cameras:
    return Cameras(
        camera_to_worlds=poses,
        fx=camera.fx,
        fy=camera.fy,
        cx=camera.cx,
        cy=camera.cy,
        width=camera.width,
        height=camera.height,
        distortion_params=camera.distortion_params,
        camera_type=camera.camera_type,
        times=times[:, None],
    )


_TWO_EYED = (CameraType.OMNIDIRECTIONALSTEREO_L.value, CameraType.VR180_L.value)


def read_camera_path(path: Path) -> tuple[Cameras, float]:
    """Cameras, each with its time in [0, 1], and pictures a second.

    Times are the cameras' `render_time`; where no camera has one, the sequence runs once over the path.
    Raises ValueError if the file is not such a path, only some cameras have a time, or it asks for two eyes.
    """
    content = _read_json(path)
    with blamed(path, "a camera path from nerfstudio's viewer"):
        try:
            times = _times(content["camera_path"], path)
            cameras = get_path_from_json(content)
            fps = len(content["camera_path"]) / float(content["seconds"])
        except (LookupError, TypeError, AttributeError, RuntimeError, ArithmeticError) as error:
            raise ValueError(
                f"{path}: expected a camera path from nerfstudio's viewer, found one without {error}"
            ) from error
    check_numbers(cameras.camera_to_worlds, f"{path}: camera_to_world")
    check_numbers([fps, *cameras.fx.flatten().tolist(), *cameras.fy.flatten().tolist()], f"{path}: seconds or fov")
    if int(cameras.camera_type[0]) in _TWO_EYED:
        raise ValueError(f"{path}: expected a camera with one eye, found {content['camera_type']!r}")
    cameras.times = times[:, None]
    return cameras, fps


def _read_json(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise ValueError(
            f"--camera-path-filename: expected a camera path from nerfstudio's viewer, found no file {path}"
        )
    text = read_bytes(path, "a camera path")
    with blamed(path, "a camera path as JSON"):
        content = json.loads(text)
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
