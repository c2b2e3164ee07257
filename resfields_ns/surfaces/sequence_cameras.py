"""Cameras for sequences that come without: one a frame, each of which sees the whole shape."""

from math import radians, sin, tan
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float
from nerfstudio.cameras.cameras import Cameras, CameraType
from torch import Tensor

from resfields_ns.export.camera_paths import look_at
from resfields_ns.mesh_sequences.bounds import Bounds
from resfields_ns.timeline import times_from_frames

UP_AXES = {"y": (0.0, 1.0, 0.0), "z": (0.0, 0.0, 1.0)}
AZIMUTH, ELEVATION, FIELD_OF_VIEW = 45.0, 15.0, 40.0  # degrees
MARGIN = 1.05  # around the sphere that holds the shape


def sequence_cameras(
    bounds: Bounds, num_frames: int, path: Literal["fixed", "orbit"], up: Literal["y", "z"], size: int
) -> Cameras:
    """Cameras of square images of `size` pixels, at the frames' times.

    Args:
        bounds: of the shape at all frames
        path: one place, or once around while the sequence plays
    """
    half_angle = radians(FIELD_OF_VIEW / 2.0)
    focal = 0.5 * size / tan(half_angle)
    distance = MARGIN * 0.5 * float(np.linalg.norm(bounds.size)) / sin(half_angle)
    turns = torch.arange(num_frames) / num_frames * (360.0 if path == "orbit" else 0.0)
    centre, up_axis = torch.from_numpy(bounds.centre).float(), torch.tensor(UP_AXES[up])
    positions = centre + distance * _directions(torch.deg2rad(AZIMUTH + turns), radians(ELEVATION), up_axis)
    return Cameras(
        camera_to_worlds=look_at(positions, centre, up_axis),
        fx=focal,
        fy=focal,
        cx=size / 2.0,
        cy=size / 2.0,
        width=size,
        height=size,
        camera_type=CameraType.PERSPECTIVE,
        times=times_from_frames(torch.arange(num_frames), num_frames)[:, None],
    )


def _directions(
    azimuths: Float[Tensor, "frames"], elevation: float, up: Float[Tensor, "3"]
) -> Float[Tensor, "frames 3"]:
    """Unit vectors at `azimuths` around `up` and `elevation` above the horizon (radians)."""
    across = torch.tensor([1.0, 0.0, 0.0])
    level = azimuths[:, None].cos() * across + azimuths[:, None].sin() * torch.linalg.cross(up, across)
    return np.cos(elevation) * level + np.sin(elevation) * up
