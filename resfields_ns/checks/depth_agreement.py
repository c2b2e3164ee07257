"""Depth of one camera against depth of another: no point may float before the surface that the other one sees."""

from collections import defaultdict

import numpy as np

from resfields_ns.checks.capture import Capture
from resfields_ns.checks.finding import Finding, Limits, judge_cameras
from resfields_ns.checks.millimetre_limits import millimetre_limits
from resfields_ns.checks.pairs import disagreement, view_pairs
from resfields_ns.checks.sampled_moments import Moment

_ADVICE = "check this camera's depth scale (millimetres?), depth kind (z or ray), extrinsics and time offset"
_FEWEST_POINTS = 20
_LEAST_SHARED = 0.05  # of the points for which the other camera has a reading


def check_depth_agreement(capture: Capture, moments: list[Moment]) -> list[Finding]:
    """How far a camera's depth points float before the readings of another, in millimetres.

    Points well behind a reading are hidden from that camera, and tell nothing; if a camera's depth is too large, it is
    the points of the others that float before its readings.
    """
    measurements: list[tuple[str, str, float]] = []
    agreeing: dict[str, list[float]] = defaultdict(list)
    limits: dict[str, Limits] = {}
    for view, other in view_pairs(moments):
        if view.depth is None or other.depth is None:
            continue
        limits[view.camera] = millimetre_limits(capture, view)
        tolerance = limits[view.camera].warning
        residuals = capture.millimetres_per_unit * other.depth_residuals(view.depth_points)
        shared = residuals[residuals > -tolerance]
        if len(shared) < max(_FEWEST_POINTS, _LEAST_SHARED * (~np.isnan(residuals)).sum()):
            continue
        measurements.append((view.camera, other.camera, float(np.median(shared.clip(min=0.0)))))
        agreeing[view.camera].extend(np.abs(shared[shared < tolerance]))
    if not measurements:
        return []
    error = disagreement(measurements)
    median = {camera: float(np.median(residuals)) for camera, residuals in agreeing.items() if residuals}
    return judge_cameras(
        "depth agreement",
        error,
        limits,
        describe=lambda camera: (
            f"{camera}: with at least half of the other cameras, depth points of one float {error[camera]:.0f} "
            f"millimetres or more before the surface that the other sees; expected at most {limits[camera].warning:.0f}"
        ),
        advice=_ADVICE,
        summary=f"depth points float at most {max(error.values()):.1f} millimetres before other cameras' surfaces",
        measured={"depth floating, mm": error, "depth agreement, median, mm": median},
    )
