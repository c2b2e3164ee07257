"""Every camera must look at the scene box, and most of the box must be seen by two."""

from collections import defaultdict

import numpy as np
from jaxtyping import Bool, Int

from resfields_ns.checks.capture import Capture
from resfields_ns.checks.checked_view import CheckedView
from resfields_ns.checks.finding import Finding
from resfields_ns.checks.sampled_moments import Moment

_CHECK = "cameras and box"
_POINTS = 2000  # drawn in the box
_LEAST_SEEN = 0.02  # share of the box, by a camera
_LEAST_SEEN_TWICE = 0.1  # share of the box, from two places
_PLACE_DECIMALS = 3  # of positions in normalised units
_POSE_ADVICE = "check the axes (OpenCV or OpenGL), the units and the direction (camera to world?) of its extrinsics"
_BOX_ADVICE = "make the box smaller, or add cameras: one place alone tells no depth"


def check_box_coverage(capture: Capture, moments: list[Moment]) -> list[Finding]:
    """Find cameras that do not see the box, and boxes of which too little is seen from two sides."""
    points = np.random.default_rng(0).uniform(capture.box[0], capture.box[1], size=(_POINTS, 3))
    seen = [(view, view.project(points)[1]) for moment in moments for view in moment.views]
    share = {name: [float(visible.mean()) for view, visible in seen if view.camera == name] for name in capture.cameras}
    percent = {name: 100.0 * max(shares) for name, shares in share.items() if shares}
    text = f"cameras see {min(percent.values()):.0f} to {max(percent.values()):.0f} % of the scene box"
    findings = [Finding("info", _CHECK, text, measured={"box seen, %": percent})]
    for name, value in percent.items():
        if value < 100.0 * _LEAST_SEEN:
            text = f"{name}: sees {value:.1f} % of the scene box"
            findings.append(Finding("error", _CHECK, text, _POSE_ADVICE))
    twice = float(np.mean(_seen_counts(seen) >= 2))
    if twice < _LEAST_SEEN_TWICE:
        text = f"training images from two places see {100.0 * twice:.0f} % of the scene box together"
        findings.append(Finding("warning", _CHECK, text, _BOX_ADVICE))
    return findings


def _seen_counts(seen: list[tuple[CheckedView, Bool[np.ndarray, "points"]]]) -> Int[np.ndarray, "points"]:
    """From how many places each point is seen in training images."""
    by_place: dict[tuple[float, ...], list[Bool[np.ndarray, "points"]]] = defaultdict(list)
    for view, visible in seen:
        if view.source.split == "train":
            by_place[tuple(view.pose[:, 3].round(_PLACE_DECIMALS).tolist())].append(visible)
    return np.sum([np.any(visible, axis=0) for visible in by_place.values()], axis=0)
