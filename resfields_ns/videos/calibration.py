"""What calibrations of all formats have in common."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from resfields_ns.videos.calibrated_camera import CalibratedCamera


@dataclass(frozen=True)
class Calibration:
    """Cameras, and what else a calibration tells about the scene.

    Args:
        cameras: by the names of their videos
        depths: near and far depth of what each camera sees
        points: of the scene, in the world
    """

    cameras: dict[str, CalibratedCamera]
    depths: dict[str, tuple[float, float]] | None = None
    points: Float64[np.ndarray, "points 3"] | None = None
