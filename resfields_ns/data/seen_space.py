"""The space that cameras see, as the cube [-1, 1]^3 of normalised space.

Notation: a frustum is what a camera sees between its near and its far depth, along its optical axis.
"""

from dataclasses import replace

import numpy as np
from jaxtyping import Float64

from resfields_ns.data.projection import Pinhole

_LARGEST_DEVIATION = 1e-3  # of R R^T from the identity; files round their numbers


def check_rotation(rotation: Float64[np.ndarray, "3 3"], name: str) -> None:
    """Raise ValueError if a matrix is no rotation; `name` says where it comes from."""
    deviation = np.abs(rotation @ rotation.T - np.eye(3)).max()
    if deviation > _LARGEST_DEVIATION or np.linalg.det(rotation) < 0:
        raise ValueError(f"{name}: expected a rotation, found {rotation.tolist()}")


def check_depths(near: float, far: float, name: str) -> None:
    """Raise ValueError if 0 <= near < far does not hold; `name` says where the depths come from."""
    if not 0 <= near < far:
        raise ValueError(f"{name}: expected 0 <= near < far, found near {near:g}, far {far:g}")


def cube_around_frusta(
    pinholes: list[Pinhole], sizes: list[tuple[int, int]], depths: list[tuple[float, float]]
) -> Float64[np.ndarray, "4 4"]:
    """Map [-1, 1]^3 to the smallest cube, along the axes, about the middle of all frusta's bounding box.

    Args:
        pinholes: poses in the world
        sizes: (width, height) of each camera's images, in the pixels of its intrinsics
        depths: near and far of each camera
    """
    corners = np.concatenate(
        [_corners(*frustum) for frustum in zip(pinholes, sizes, depths, strict=True)],
    )
    lower, upper = corners.min(axis=0), corners.max(axis=0)
    matrix = np.diag([*[(upper - lower).max() / 2] * 3, 1.0])
    matrix[:3, 3] = (lower + upper) / 2
    return matrix


def into_cube(pinhole: Pinhole, normalised_to_world: Float64[np.ndarray, "4 4"]) -> Pinhole:
    """A pinhole of the world in normalised space."""
    pose = pinhole.camera_to_world.copy()
    pose[:, 3] = (pose[:, 3] - normalised_to_world[:3, 3]) / normalised_to_world[0, 0]
    return replace(pinhole, camera_to_world=pose)


def _corners(pinhole: Pinhole, size: tuple[int, int], depths: tuple[float, float]) -> Float64[np.ndarray, "8 3"]:
    width, height = size
    pixels = np.array([[x, y] for x in (0, width) for y in (0, height)])
    slopes = (pixels - [pinhole.cx, pinhole.cy]) / [pinhole.fx, -pinhole.fy]
    rays = np.column_stack([slopes, -np.ones(4)]) @ pinhole.camera_to_world[:, :3].T
    return np.concatenate([pinhole.camera_to_world[:, 3] + depth * rays for depth in depths])
