"""Poses of cameras that look at something.

Notation: cameras have OpenCV axes (x right, y down, z forward); those of nerfstudio are OpenGL's (x right, y up, z
backward).
"""

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from resfields_ns.captures.camera import Camera

OPENGL_FROM_OPENCV = np.array([1.0, -1.0, -1.0, 1.0])
"""Factors of a pose's columns, from the one to the other, both ways."""


def camera_around_origin(
    azimuth: float, elevation: float, distance: float, size: tuple[int, int], focal: float
) -> Camera:
    """A camera that looks at the origin from a distance.

    Args:
        azimuth: degrees around the up axis +y, 0 is +z and 90 is +x
        elevation: degrees above the horizon
        size: (width, height) of its images, whose middle is the principal point
        focal: in pixels
    """
    azimuth, elevation = np.radians([azimuth, elevation])
    backward = np.array([np.sin(azimuth) * np.cos(elevation), np.sin(elevation), np.cos(azimuth) * np.cos(elevation)])
    right = np.array([np.cos(azimuth), 0.0, -np.sin(azimuth)])
    pose = np.column_stack([right, np.cross(right, backward), -backward, distance * backward])
    return Camera(*size, focal, focal, size[0] / 2, size[1] / 2, pose=pose)


def look_at(
    positions: Float[Tensor, "pictures 3"], target: Float[Tensor, "3"], up: Float[Tensor, "3"]
) -> Float[Tensor, "pictures 3 4"]:
    """Camera-to-world poses (x right, y up, z backward)."""
    backward = F.normalize(positions - target, dim=-1)
    right = F.normalize(torch.linalg.cross(up.expand_as(backward), backward), dim=-1)
    return torch.stack((right, torch.linalg.cross(backward, right), backward, positions), dim=-1)
