"""Masks against masks: what one camera sees, another one must see somewhere along the same ray."""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Float

from resfields_ns.checks.capture import Capture
from resfields_ns.checks.checked_view import CheckedView
from resfields_ns.checks.finding import Finding, judge_cameras
from resfields_ns.checks.outline import outermost_pixels
from resfields_ns.checks.pairs import disagreement, view_pairs
from resfields_ns.checks.pixel_limits import pixel_limits
from resfields_ns.checks.sampled_moments import Moment

_ADVICE = (
    "check this camera's extrinsics, intrinsics and time offset, and look at its masks for specks and missing parts"
)
_RAY_SAMPLES = 512


def check_silhouettes(capture: Capture, moments: list[Moment]) -> list[Finding]:
    """How many pixels rays through the outermost foreground pixels of a camera miss the foreground of another by.

    Silhouettes of one shape touch the same epipolar lines (Wong and Cipolla 2001).
    """
    measurements = list(_measurements(capture, moments))
    if not measurements:
        return []
    error = disagreement(measurements)
    return judge_cameras(
        "silhouettes",
        error,
        {camera: pixel_limits(capture, camera) for camera in error},
        describe=lambda camera: (
            f"{camera}: with at least half of the other cameras, the outlines of the masks miss each other by "
            f"{error[camera]:.1f} pixels or more"
        ),
        advice=_ADVICE,
        summary=f"outlines of different cameras' masks meet within {max(error.values()):.1f} pixels",
        measured={"silhouettes, px": error},
    )


def _measurements(capture: Capture, moments: list[Moment]) -> Iterator[tuple[str, str, float]]:
    centre, reach = capture.box.mean(axis=0), np.linalg.norm(capture.box[1] - capture.box[0]) / 2
    for view, other in view_pairs(moments):
        if view.mask is None or other.mask is None or not view.mask.any() or not other.mask.any():
            continue
        origin, directions = view.rays(outermost_pixels(view.mask))
        middle = float(view.distances_to(centre[None])[0])
        samples = np.linspace(max(middle - reach, 0.0), middle + reach, _RAY_SAMPLES)
        missed = _missed_by(other, origin + samples[:, None] * directions[:, None])
        if not np.isnan(missed).all():
            yield view.camera, other.camera, float(np.nanpercentile(missed, 95))


def _missed_by(view: CheckedView, points: Float[np.ndarray, "rays samples 3"]) -> Float[np.ndarray, "rays"]:
    """Smallest distance of each ray's points to the view's foreground in pixels; NaN for rays out of its sight."""
    pixels, visible = view.project(points.reshape(-1, 3))
    distances = np.full(len(pixels), np.inf)
    distances[visible] = view.distances_to_foreground(pixels[visible])
    smallest = distances.reshape(points.shape[:2]).min(axis=1)
    return np.where(np.isinf(smallest), np.nan, smallest)
