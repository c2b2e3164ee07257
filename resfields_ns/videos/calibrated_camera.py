"""A camera as its calibration tells it."""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float64

from resfields_ns.data.intrinsics import Intrinsics
from resfields_ns.data.projection import Pinhole

_LARGEST_STRETCH = 0.01  # of a picture's sides against those of the calibration


@dataclass(frozen=True)
class CalibratedCamera:
    """Optics and pose of a fixed camera.

    Args:
        intrinsics: for pictures of the size that they hold
        world_to_camera: [R | t] to OpenCV axes (x right, y down, z forward)
    """

    intrinsics: Intrinsics
    world_to_camera: Float64[np.ndarray, "3 4"]

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the pictures."""
        return self.intrinsics.width, self.intrinsics.height

    @property
    def pinhole(self) -> Pinhole:
        """The camera without its distortion, with OpenGL axes."""
        i = self.intrinsics
        rotation, translation = self.world_to_camera[:, :3], self.world_to_camera[:, 3]
        pose = np.column_stack([rotation.T * [1.0, -1.0, -1.0], -rotation.T @ translation])
        return Pinhole(fx=i.fx, fy=i.fy, cx=i.cx, cy=i.cy, camera_to_world=pose)

    @property
    def world_matrix(self) -> Float64[np.ndarray, "4 4"]:
        """World to pixels, without distortion."""
        i = self.intrinsics
        matrix = np.array([[i.fx, 0.0, i.cx], [0.0, i.fy, i.cy], [0.0, 0.0, 1.0]])
        return np.vstack([matrix @ self.world_to_camera, [0.0, 0.0, 0.0, 1.0]])

    def resized(self, size: tuple[int, int]) -> "CalibratedCamera":
        """The camera of pictures that are resized to (width, height)."""
        i = self.intrinsics
        x, y = size[0] / i.width, size[1] / i.height
        intrinsics = replace(i, width=size[0], height=size[1], fx=x * i.fx, fy=y * i.fy, cx=x * i.cx, cy=y * i.cy)
        return replace(self, intrinsics=intrinsics)


def check_proportion(name: str, size: tuple[int, int], expected: tuple[int, int], reference: str) -> None:
    """Raise ValueError if a (width, height) is not in the proportion of another; `name` says whose it is."""
    if abs(size[0] / expected[0] * expected[1] / size[1] - 1.0) > _LARGEST_STRETCH:
        raise ValueError(
            f"{name}: expected pictures in the proportion of {expected[0]}x{expected[1]}, as {reference} tells, "
            f"found {size[0]}x{size[1]}"
        )
