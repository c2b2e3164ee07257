"""Depth: against masks, against clouds, and against one another."""

from collections import defaultdict

import numpy as np
from jaxtyping import Float64

from resfields_ns.captures.checks.checked_capture import CheckedCapture, CheckedView, Moment
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
_AGREEMENT = "depth agreement"
_FEWEST_SHARED = 20
_LEAST_SHARED = 0.05  # of the points for which the other camera has a reading


def check_depth_agreement(capture: CheckedCapture, moments: list[Moment]) -> list[Finding]:
    """How far a camera's depth points float before the readings of another, in millimetres.

    Points well behind a reading are hidden from that camera, and tell nothing; if a camera's depth is too large, it is
    the points of the others that float before its readings. Depth in a wrong unit is told by its factor.
    """
    pairs = [(view, other) for view, other in view_pairs(moments) if view.depth is not None and other.depth is not None]
    factor = _common_factor(pairs)
    if factor is not None:
        text = f"depth of all cameras is {_in_words(factor)} times what agrees with their places: its unit is another"
        unit = capture.train.metres_per_count / factor
        return [Finding("error", _AGREEMENT, text, f"read it with --depth-unit {unit:.2g}, or check the cameras' unit")]
    measurements: list[tuple[str, str, float]] = []
    agreeing: dict[str, list[float]] = defaultdict(list)
    limits: dict[str, Limits] = {}
    for view, other in pairs:
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
    own = {camera: _own_factor(pairs, camera) for camera in limits}
    said = {camera: f"; its depth is {_in_words(by)} times what agrees with theirs" for camera, by in own.items() if by}
    findings = judge_cameras(
        _AGREEMENT,
        error,
        limits,
        describe=lambda camera: (
            f"{camera}: with at least half of the other cameras, depth points of one float {error[camera]:.0f} "
            f"millimetres or more before the surface that the other sees; expected at most "
            f"{limits[camera].warning:.0f}{said.get(camera, '')}"
        ),
        advice=_AGREEMENT_ADVICE,
        summary=f"depth points float at most {max(error.values()):.1f} millimetres before other cameras' surfaces",
        measured={"depth floating, mm": error, "depth agreement, median, mm": median},
    )
    flagged = {camera for camera in error if limits[camera].level(error[camera]) != "info"}
    for camera, by in own.items():
        if camera not in flagged and by is not None and max(by, 1.0 / by) > _LARGE_FACTOR:
            text = f"{camera}: its depth is {_in_words(by)} times what agrees with the others' points"
            findings.append(Finding("error", _AGREEMENT, text, _AGREEMENT_ADVICE))
    return findings


Pairs = list[tuple[CheckedView, CheckedView]]
_FACTORS = np.exp(np.linspace(np.log(1 / 2000), np.log(2000), 761))  # 2 % apart
_FINE_STEPS = np.linspace(0.7, 1.3, 241)
_MOST_PAIRS, _POINTS_COMPARED = 24, 200  # of each view
_SURFACE, _EXACT = 0.03, 0.002  # of the depth: readings of one surface agree so well, and those with the very factor
_FLOATS = 0.01  # of the depth, before a surface
_ALIKE = 0.85  # of the points that agree do so exactly
_LEAST_AGREEING = 0.03  # of the points compared,
_MUCH_MORE = 2.0  # times as many as with the depth as it is
_SMALLEST_FACTOR = 0.02  # beside 1
_LARGE_FACTOR = 1.25  # that is told even of depth that floats before nothing
_RATIO_STEP = 0.01  # of the logarithm
_LEAST_OF_RATIOS = 0.15  # that lie around the commonest one


def _common_factor(pairs: Pairs) -> float | None:
    """By which factor the depth of all cameras is too large, where without it surfaces agree far better.

    Depth in a wrong unit puts points farther along their rays, or nearer, by one factor: where they are not on other
    cameras' surfaces as they are, the factor is looked for that brings most of them there.
    """
    pairs = [pairs[place] for place in np.random.default_rng(0).permutation(len(pairs))[:_MOST_PAIRS]]
    near, exact = (_agreements(pairs, np.ones(1), tolerance)[0] for tolerance in (_SURFACE, _EXACT))
    if not pairs or (near > _LEAST_AGREEING and exact > _ALIKE * near):
        return None
    coarse, _ = _best(pairs, _FACTORS, _SURFACE)
    factor, agreement = _best(pairs, coarse * _FINE_STEPS, _EXACT)
    found = agreement >= max(_LEAST_AGREEING, _MUCH_MORE * exact)
    return 1.0 / factor if found and abs(factor - 1.0) > _SMALLEST_FACTOR else None


def _best(pairs: Pairs, factors: Float64[np.ndarray, "factors"], tolerance: float) -> tuple[float, float]:
    """The factor of most agreement, and how much that is."""
    agreements = _agreements(pairs, factors, tolerance)
    best = int(np.argmax(agreements))
    return float(factors[best]), float(agreements[best])


def _agreements(
    pairs: Pairs, factors: Float64[np.ndarray, "factors"], tolerance: float
) -> Float64[np.ndarray, "factors"]:
    """Share of depth points on the surfaces of other cameras, less thrice those that float before, times each factor.

    `tolerance` is of the depth.
    """
    score, compared = np.zeros(len(factors)), 0
    for view, other in pairs:
        points = view.depth_points[:: max(1, len(view.depth_points) // _POINTS_COMPARED)]
        moved = view.camera.centre + factors[:, None, None] * (points - view.camera.centre)
        distances = other.distances_to(moved.reshape(-1, 3))
        readings = other.depth_residuals(moved.reshape(-1, 3)) + distances
        before = factors[:, None] * (readings / distances).reshape(len(factors), -1) - 1.0
        compared += len(points)
        score += (np.abs(before) < tolerance).sum(axis=1)
        score -= 3.0 * (before > max(tolerance, _FLOATS)).sum(axis=1)
    return score / max(compared, 1)


def _own_factor(pairs: Pairs, camera: str) -> float | None:
    """By which factor the depth of one camera is too large: its readings over the distances of others' points.

    Those of points that it does not see are anything below; the factor is the ratio that is by far the commonest.
    """
    ratios = [
        1.0 + other.depth_residuals(view.depth_points) / other.distances_to(view.depth_points)
        for view, other in pairs
        if other.camera_name == camera
    ]
    logs = np.log(np.concatenate(ratios))
    logs = logs[np.isfinite(logs)]
    if len(logs) < _FEWEST_SHARED:
        return None
    steps, counts = np.unique((logs / _RATIO_STEP).round(), return_counts=True)
    near = logs[np.abs(logs - _RATIO_STEP * steps[counts.argmax()]) < 1.5 * _RATIO_STEP]
    factor = float(np.exp(np.median(near)))
    found = len(near) >= _LEAST_OF_RATIOS * len(logs) and abs(factor - 1.0) > _SMALLEST_FACTOR
    return factor if found else None


def _in_words(factor: float) -> str:
    return f"{factor:.1f}" if factor >= 2.0 else f"{factor:.2f}"
