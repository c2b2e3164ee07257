"""The normalised space of a capture and the scene's box in it."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from resfields_ns.data.seen_space import check_depths, cube_around_frusta
from resfields_ns.videos.calibration import Calibration

_PERCENTILES = (1.0, 99.0)
_POINTS_PADDING = 0.1  # of the box of the points that lie within the percentiles


@dataclass(frozen=True)
class SceneSpace:
    """A map from normalised space to the world, and the corners of the scene's box in normalised space."""

    normalised_to_world: Float64[np.ndarray, "4 4"]
    lower: Float64[np.ndarray, "3"]
    upper: Float64[np.ndarray, "3"]

    @classmethod
    def around_box(cls, lower: Float64[np.ndarray, "3"], upper: Float64[np.ndarray, "3"]) -> "SceneSpace":
        """A box in the world, whose longest side becomes -1 to 1."""
        centre, half = (lower + upper) / 2, (upper - lower) / 2
        matrix = np.diag([*[half.max()] * 3, 1.0])
        matrix[:3, 3] = centre
        return cls(matrix, -half / half.max(), half / half.max())

    @classmethod
    def around_frusta(cls, calibration: Calibration, depths: dict[str, tuple[float, float]]) -> "SceneSpace":
        """What the cameras see between a near and a far depth."""
        cameras = calibration.cameras
        matrix = cube_around_frusta(
            [camera.pinhole for camera in cameras.values()],
            [camera.size for camera in cameras.values()],
            [depths[name] for name in cameras],
        )
        return cls(matrix, -np.ones(3), np.ones(3))

    @classmethod
    def around_points(cls, points: Float64[np.ndarray, "points 3"]) -> "SceneSpace":
        """Points in the world, but for outliers along each axis."""
        lower, upper = np.percentile(points, _PERCENTILES, axis=0)
        padding = _POINTS_PADDING * (upper - lower).max()
        return cls.around_box(lower - padding, upper + padding)


def choose_space(
    calibration: Calibration, box: tuple[float, ...] | None, depths: tuple[float, float] | None
) -> SceneSpace:
    """The space of a box or of depths that the user gives, or of what the calibration tells.

    Args:
        box: lower, then upper corner, in the world
        depths: near and far, of all cameras
    """
    if box is not None and depths is not None:
        raise ValueError("--box, --depths: expected one of them, found both")
    if box is not None:
        corners = np.array(box, dtype=np.float64).reshape(2, 3)
        if not np.isfinite(corners).all() or not (corners[0] < corners[1]).all():
            raise ValueError(f"--box: expected every lower bound below its upper bound, found {list(box)}")
        return SceneSpace.around_box(*corners)
    if depths is not None:
        check_depths(*depths, "--depths")
        return SceneSpace.around_frusta(calibration, dict.fromkeys(calibration.cameras, depths))
    if calibration.depths is not None:
        return SceneSpace.around_frusta(calibration, calibration.depths)
    if calibration.points is not None and np.ptp(calibration.points, axis=0).max() > 0.0:
        return SceneSpace.around_points(calibration.points)
    raise ValueError("--box: expected the scene's box, or --depths, as the calibration tells neither, found none")
