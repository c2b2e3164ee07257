"""Depth of one camera against masks of another: its points must fall on the other's foreground."""

from collections import defaultdict

import numpy as np

from resfields_ns.checks.capture import Capture
from resfields_ns.checks.finding import Finding, judge_cameras
from resfields_ns.checks.outline import reach_beyond
from resfields_ns.checks.pairs import disagreement, view_pairs
from resfields_ns.checks.pixel_limits import pixel_limits
from resfields_ns.checks.sampled_moments import Moment

_ADVICE = (
    "check this camera's extrinsics, intrinsics, depth scale, depth kind (z or ray) and time offset, and that its "
    "colour and depth are registered; noise of a depth camera shows here too"
)
_FEWEST_POINTS = 20


def check_depth_silhouettes(capture: Capture, moments: list[Moment]) -> list[Finding]:
    """How far outside another camera's mask a camera's depth points land."""
    measurements: list[tuple[str, str, float]] = []
    distances: dict[str, list[float]] = defaultdict(list)
    for view, other in view_pairs(moments):
        if view.depth is None or other.mask is None or not other.mask.any():
            continue
        pixels, visible = other.project(view.depth_points)
        if visible.sum() < _FEWEST_POINTS:
            continue
        outside = other.distances_to_foreground(pixels[visible])
        distances[view.camera].extend(outside)
        error = max(float(np.percentile(outside, 95)), reach_beyond(pixels[visible], other.mask))
        measurements.append((view.camera, other.camera, error))
    if not measurements:
        return []
    error = disagreement(measurements)
    median = {camera: float(np.median(outside)) for camera, outside in distances.items()}
    tail = {camera: float(np.percentile(outside, 95)) for camera, outside in distances.items()}
    return judge_cameras(
        "depth in masks",
        error,
        {camera: pixel_limits(capture, camera) for camera in error},
        describe=lambda camera: (
            f"{camera}: with at least half of the other cameras, depth seen from the other one reaches "
            f"{error[camera]:.1f} pixels or more beyond the mask"
        ),
        advice=_ADVICE,
        summary=f"depth seen from other cameras reaches at most {max(error.values()):.1f} pixels beyond their masks",
        measured={
            "depth beyond masks, px": error,
            "depth outside masks, median, px": median,
            "depth outside masks, 95 %, px": tail,
        },
    )
