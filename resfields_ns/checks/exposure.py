"""Exposure and white balance: one surface must look alike to all cameras.

Notation: colours v in 0..255 are taken as v = 255 L^(1 / 2.2); a difference of one stop is a factor of two in L.
"""

from collections import defaultdict

import numpy as np
from jaxtyping import Float, Real, UInt8

from resfields_ns.checks.capture import Capture
from resfields_ns.checks.checked_view import CheckedView
from resfields_ns.checks.finding import Finding, Limits, judge_cameras
from resfields_ns.checks.millimetre_limits import millimetre_limits
from resfields_ns.checks.pairs import view_pairs
from resfields_ns.checks.sampled_moments import Moment

_GAMMA = 2.2
_DARKEST, _BRIGHTEST = 8, 247  # values beyond are clipped or noise
_FEWEST_POINTS = 20  # that a pair of cameras shares, over all frames looked at
_ON_SHARED_POINTS = Limits(0.3, 1.5)  # stops; shading that depends on the view stays below
_ON_FOREGROUND = Limits(1.0, 3.0)  # stops; cameras see different sides of the subject
_ADVICE = (
    "lock exposure, gain and white balance of all cameras, or match their colours before training; "
    "otherwise they are learned as light that depends on the view; mend what is wrong with the camera's geometry first"
)

Stops = Float[np.ndarray, "3"]


def check_exposure(capture: Capture, moments: list[Moment]) -> list[Finding]:
    """Compare colours of points that two cameras see where there is depth, and else how bright the foregrounds are."""
    shared = _on_shared_points(capture, moments)
    if shared:
        worst = {camera: max(abs(_brightness(offset)), _tint(offset)) for camera, offset in shared.items()}
        return _judge(shared, worst, _ON_SHARED_POINTS, "on points that several cameras see")
    foreground = _on_foreground(moments)
    worst = {camera: abs(_brightness(offset)) for camera, offset in foreground.items()}
    return _judge(foreground, worst, _ON_FOREGROUND, "on the foreground as each camera sees it")


def _judge(offsets: dict[str, Stops], judged: dict[str, float], limits: Limits, where: str) -> list[Finding]:
    if len(offsets) < 2:
        return []
    brightness = {camera: _brightness(offset) for camera, offset in offsets.items()}
    tint = {camera: _tint(offset) for camera, offset in offsets.items()}
    return judge_cameras(
        "exposure",
        judged,
        dict.fromkeys(judged, limits),
        describe=lambda camera: (
            f"{camera}: {abs(brightness[camera]):.2f} stops {'brighter' if brightness[camera] > 0 else 'darker'} than "
            f"the others {where}; its colour channels differ by {tint[camera]:.2f} stops"
        ),
        advice=_ADVICE,
        summary=f"cameras differ by at most {max(map(abs, brightness.values())):.2f} stops {where}",
        measured={"exposure, stops": brightness, "tint, stops": tint},
    )


def _brightness(offset: Stops) -> float:
    return float(offset.mean())


def _tint(offset: Stops) -> float:
    """How far a camera's colour channels are from having one offset."""
    return float(np.ptp(offset))


def _on_shared_points(capture: Capture, moments: list[Moment]) -> dict[str, Stops]:
    """Each camera's offset from the median one, by least squares from the differences of pairs."""
    differences: dict[tuple[str, str], list[Float[np.ndarray, "points 3"]]] = defaultdict(list)
    for view, other in view_pairs(moments):
        if view.depth is not None and other.depth is not None:
            differences[view.camera, other.camera].append(_differences(capture, view, other))
    medians = {
        pair: np.median(np.concatenate(parts), axis=0)
        for pair, parts in differences.items()
        if sum(map(len, parts)) >= _FEWEST_POINTS
    }
    cameras = sorted({camera for pair in medians for camera in pair})
    if not cameras:
        return {}
    signs = np.array([[(camera == a) - float(camera == b) for camera in cameras] for a, b in medians])
    offsets = np.linalg.lstsq(signs, np.stack(list(medians.values())), rcond=None)[0]
    return dict(zip(cameras, offsets - np.median(offsets, axis=0), strict=True))


def _differences(capture: Capture, view: CheckedView, other: CheckedView) -> Float[np.ndarray, "points 3"]:
    """In stops, at the depth points of a view that the other one sees at the same depth."""
    points = view.depth_points
    residuals = capture.millimetres_per_unit * np.abs(other.depth_residuals(points))
    points = points[residuals < millimetre_limits(capture, other).warning]
    ours, theirs = (_colours(seer, points) for seer in (view, other))
    usable = np.all([(c >= _DARKEST) & (c <= _BRIGHTEST) for c in (ours, theirs)], axis=(0, 2))
    return _stops(ours[usable]) - _stops(theirs[usable])


def _colours(view: CheckedView, points: Float[np.ndarray, "points 3"]) -> UInt8[np.ndarray, "points 3"]:
    columns, rows = np.floor(view.project(points)[0]).astype(np.int64).T
    return view.image[rows.clip(0, view.height - 1), columns.clip(0, view.width - 1)]


def _stops(colours: Real[np.ndarray, "*batch 3"]) -> Float[np.ndarray, "*batch 3"]:
    return _GAMMA * np.log2(colours / 255.0)


def _on_foreground(moments: list[Moment]) -> dict[str, Stops]:
    """Each camera's offset from the median one, of its mean colour where an image is not black."""
    colours: dict[str, list[Stops]] = defaultdict(list)
    for moment in moments:
        for view in moment.views:
            pixels = view.image.reshape(-1, 3) if view.mask is None else view.image[view.mask]
            pixels = pixels[pixels.max(axis=1) >= _DARKEST]
            if len(pixels):
                colours[view.camera].append(pixels.mean(axis=0).clip(min=1.0))
    if not colours:
        return {}
    stops = {camera: _stops(np.mean(parts, axis=0)) for camera, parts in colours.items()}
    middle = np.median(list(stops.values()), axis=0)
    return {camera: offset - middle for camera, offset in stops.items()}
