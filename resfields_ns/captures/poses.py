"""Views of pinhole cameras: where they stand, what they project, and the rays of their pixels.

Notation: cameras have OpenCV axes (x right, y down, z forward) and pixel centres at +0.5; K are the intrinsics; a pose
[R | t] maps normalised space to a camera's; world = scale * normalised + centre.
"""

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Float64
from torch import Tensor


def look_at_origin(azimuth: float, elevation: float, distance: float) -> Float64[np.ndarray, "3 4"]:
    """Pose of a camera that looks at the origin from a distance; angles in degrees, azimuth 0 is +z, +y is up."""
    azimuth, elevation = np.radians([azimuth, elevation])
    backward = np.array([np.sin(azimuth) * np.cos(elevation), np.sin(elevation), np.cos(azimuth) * np.cos(elevation)])
    right = np.array([np.cos(azimuth), 0.0, -np.sin(azimuth)])
    rotation = np.stack([right, np.cross(right, backward), -backward])
    return np.column_stack([rotation, -rotation @ (distance * backward)])


def centred_intrinsics(size: tuple[int, int], focal: float) -> Float64[np.ndarray, "3 3"]:
    """K of images of `size` (width, height) pixels, seen along the axis through their middle."""
    return np.array([[focal, 0.0, size[0] / 2], [0.0, focal, size[1] / 2], [0.0, 0.0, 1.0]])


def world_matrix(
    intrinsics: Float64[np.ndarray, "3 3"],
    pose: Float64[np.ndarray, "3 4"],
    scale: float,
    centre: Float64[np.ndarray, "3"],
) -> Float64[np.ndarray, "4 4"]:
    """World to pixels."""
    world_pose = np.column_stack([pose[:, :3], scale * pose[:, 3] - pose[:, :3] @ centre])
    return np.vstack([intrinsics @ world_pose, [0.0, 0.0, 0.0, 1.0]])


def scale_matrix(scale: float, centre: Float64[np.ndarray, "3"]) -> Float64[np.ndarray, "4 4"]:
    """Normalised space to world."""
    matrix = np.diag([scale] * 3 + [1.0])
    matrix[:3, 3] = centre
    return matrix


def pixel_centres(size: tuple[int, int]) -> Float64[np.ndarray, "pixels 2"]:
    """(x, y) of the pixels of an image of `size` (width, height), row by row."""
    x, y = np.meshgrid(np.arange(size[0]) + 0.5, np.arange(size[1]) + 0.5)
    return np.stack([x, y], axis=-1).reshape(-1, 2)


def pixel_directions(
    pixels: Float64[np.ndarray, "pixels 2"], intrinsics: Float64[np.ndarray, "3 3"]
) -> Float64[np.ndarray, "pixels 3"]:
    """Rays through points of the image, in the camera's axes, with z = 1."""
    return np.column_stack([pixels, np.ones(len(pixels))]) @ np.linalg.inv(intrinsics).T


def look_at(
    positions: Float[Tensor, "pictures 3"], target: Float[Tensor, "3"], up: Float[Tensor, "3"]
) -> Float[Tensor, "pictures 3 4"]:
    """Camera-to-world poses (x right, y up, z backward)."""
    backward = F.normalize(positions - target, dim=-1)
    right = F.normalize(torch.linalg.cross(up.expand_as(backward), backward), dim=-1)
    return torch.stack((right, torch.linalg.cross(backward, right), backward, positions), dim=-1)
