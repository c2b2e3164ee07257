"""Depth: against masks, against clouds, and against one another."""

from collections import defaultdict

import numpy as np

from resfields_ns.captures.checks.checked_capture import CheckedCapture, Moment
from resfields_ns.captures.checks.findings import Finding, Limits, judge_cameras, millimetre_limits, pixel_limits
from resfields_ns.captures.checks.silhouette_checks import disagreement, reach_beyond, view_pairs

_MASK_ADVICE = (
    "check this camera's extrinsics, intrinsics, depth scale, depth kind (z or ray) and time offset, and that its "
    "colour and depth are registered; noise of a depth camera shows here too"
)
_FEWEST_IN_MASK = 20


def check_depth_silhouettes(capture: CheckedCapture, moments: list[Moment]) -> list[Finding]:
    """How far outside another camera's mask a camera's depth points land."""
    measurements: list[tuple[str, str, float]] = []
    distances: dict[str, list[float]] = defaultdict(list)
    for view, other in view_pairs(moments):
        if view.depth is None or other.mask is None or not other.mask.any():
            continue
        pixels, visible = other.camera.project(view.depth_points)
        if visible.sum() < _FEWEST_IN_MASK:
            continue
        outside = other.distances_to_foreground(pixels[visible])
        distances[view.camera_name].extend(outside)
        error = max(float(np.percentile(outside, 95)), reach_beyond(pixels[visible], other.mask))
        measurements.append((view.camera_name, other.camera_name, error))
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
        advice=_MASK_ADVICE,
        summary=f"depth seen from other cameras reaches at most {max(error.values()):.1f} pixels beyond their masks",
        measured={
            "depth beyond masks, px": error,
            "depth outside masks, median, px": median,
            "depth outside masks, 95 %, px": tail,
        },
    )


_CLOUD_ADVICE = "check this camera's depth scale (millimetres?), depth kind (z or ray) and extrinsics"
_FEWEST_ON_CLOUD = 100
_NEAR_SIDE = 80.0  # percentile of what a camera sees, from the far side of the subject to the near one


def check_depth_clouds(capture: CheckedCapture, moments: list[Moment]) -> list[Finding]:
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
            if len(residuals) >= _FEWEST_ON_CLOUD:
                biases[view.camera_name].append(float(np.percentile(residuals, _NEAR_SIDE)))
                limits[view.camera_name] = millimetre_limits(capture, view)
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
        advice=_CLOUD_ADVICE,
        summary=f"depth lies within {max(map(abs, bias.values())):.1f} millimetres of the clouds",
        measured={"depth behind clouds, mm": bias},
    )


_AGREEMENT_ADVICE = "check this camera's depth scale (millimetres?), depth kind (z or ray), extrinsics and time offset"
_FEWEST_SHARED = 20
_LEAST_SHARED = 0.05  # of the points for which the other camera has a reading


def check_depth_agreement(capture: CheckedCapture, moments: list[Moment]) -> list[Finding]:
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
        limits[view.camera_name] = millimetre_limits(capture, view)
        tolerance = limits[view.camera_name].warning
        residuals = capture.millimetres_per_unit * other.depth_residuals(view.depth_points)
        shared = residuals[residuals > -tolerance]
        if len(shared) < max(_FEWEST_SHARED, _LEAST_SHARED * (~np.isnan(residuals)).sum()):
            continue
        measurements.append((view.camera_name, other.camera_name, float(np.median(shared.clip(min=0.0)))))
        agreeing[view.camera_name].extend(np.abs(shared[shared < tolerance]))
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
        advice=_AGREEMENT_ADVICE,
        summary=f"depth points float at most {max(error.values()):.1f} millimetres before other cameras' surfaces",
        measured={"depth floating, mm": error, "depth agreement, median, mm": median},
    )
