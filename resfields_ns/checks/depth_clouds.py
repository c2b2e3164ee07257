"""Depth against clouds: what a camera sees of the surface must be where its depth says."""

from collections import defaultdict

import numpy as np

from resfields_ns.checks.capture import Capture
from resfields_ns.checks.finding import Finding, Limits, judge_cameras
from resfields_ns.checks.millimetre_limits import millimetre_limits
from resfields_ns.checks.sampled_moments import Moment

_ADVICE = "check this camera's depth scale (millimetres?), depth kind (z or ray) and extrinsics"
_FEWEST_POINTS = 100
_NEAR_SIDE = 80.0  # percentile of what a camera sees, from the far side of the subject to the near one


def check_depth_clouds(capture: Capture, moments: list[Moment]) -> list[Finding]:
    """How far each camera's readings lie behind (or, negative, before) the near side of the clouds, along its rays.

    Points on the far side lie behind the readings, by as much as the subject is thick; those on the near side, which
    are the upper part of all differences, lie on them.
    """
    biases: dict[str, list[float]] = defaultdict(list)
    limits: dict[str, Limits] = {}
    for moment in moments:
        for view in moment.views:
            if moment.cloud is None or view.depth is None:
                continue
            residuals = capture.millimetres_per_unit * view.depth_residuals(moment.cloud)
            residuals = residuals[~np.isnan(residuals)]
            if len(residuals) >= _FEWEST_POINTS:
                biases[view.camera].append(float(np.percentile(residuals, _NEAR_SIDE)))
                limits[view.camera] = millimetre_limits(capture, view)
    if not biases:
        return []
    bias = {camera: float(np.median(values)) for camera, values in biases.items()}
    return judge_cameras(
        "depth on clouds",
        {camera: abs(value) for camera, value in bias.items()},
        limits,
        describe=lambda camera: (
            f"{camera}: depth lies {abs(bias[camera]):.0f} millimetres {'behind' if bias[camera] > 0 else 'before'} "
            f"the clouds; expected at most {limits[camera].warning:.0f}"
        ),
        advice=_ADVICE,
        summary=f"depth lies within {max(map(abs, bias.values())):.1f} millimetres of the clouds",
        measured={"depth behind clouds, mm": bias},
    )
