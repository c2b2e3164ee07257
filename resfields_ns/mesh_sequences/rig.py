"""Rigs: cameras around a sequence, all of which look at the middle of its box."""

from dataclasses import dataclass
from math import radians, sin, tan

import numpy as np
from jaxtyping import Float64

from resfields_ns.data.camera_views import centred_intrinsics, look_at_origin, world_matrix

_MARGIN = 1.02  # of the unit sphere, within the picture


@dataclass(frozen=True)
class RigCamera:
    """Where a camera stands on its way around the sequence, and how much it sees.

    Args:
        azimuth: degrees around the up axis, 0 is +z and 90 is +x; at the first frame
        elevation: degrees above the horizon
        turns: times that it goes around while the sequence plays once; 0 stands still
        fov: angle of view over the shorter side of the image, in degrees
        radius: distance from the middle of the box, where 1 is the radius of the sphere around the sequence; by
            default as close as the sphere fits into the image
    """

    azimuth: float
    elevation: float
    turns: float = 0.0
    fov: float = 40.0
    radius: float | None = None

    def __post_init__(self) -> None:
        if not -90.0 <= self.elevation <= 90.0:
            raise ValueError(f"elevation: expected -90 to 90 degrees, found {self.elevation}")
        if not 1.0 <= self.fov <= 170.0:
            raise ValueError(f"fov: expected 1 to 170 degrees, found {self.fov}")
        if self.radius is not None and self.radius <= 0.0:
            raise ValueError(f"radius: expected above 0, found {self.radius}")

    def world_matrices(
        self, num_frames: int, size: tuple[int, int], scale: float, centre: Float64[np.ndarray, "3"]
    ) -> Float64[np.ndarray, "frames 4 4"]:
        """World to pixels at each frame, for images of `size` (width, height) and a sphere of this place."""
        half_angle = radians(self.fov) / 2.0
        intrinsics = centred_intrinsics(size, 0.5 * min(size) / tan(half_angle))
        distance = _MARGIN / sin(half_angle) if self.radius is None else self.radius
        azimuths = self.azimuth + 360.0 * self.turns * np.arange(num_frames) / num_frames
        poses = [look_at_origin(azimuth, self.elevation, distance) for azimuth in azimuths]
        return np.stack([world_matrix(intrinsics, pose, scale, centre) for pose in poses])


@dataclass(frozen=True)
class Rig:
    """Cameras by name, and the size (width, height) of their images where the rig tells it."""

    cameras: dict[str, RigCamera]
    size: tuple[int, int] | None = None
