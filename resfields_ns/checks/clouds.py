"""Clouds against masks: the surface's points must fill each camera's silhouette, and stay inside it."""

from collections import defaultdict

import numpy as np
from jaxtyping import Float

from resfields_ns.checks.capture import Capture
from resfields_ns.checks.checked_view import CheckedView
from resfields_ns.checks.finding import Finding, judge_cameras
from resfields_ns.checks.outline import extents, mask_extents, reach_beyond
from resfields_ns.checks.pixel_limits import pixel_limits
from resfields_ns.checks.sampled_moments import Moment

_ADVICE = (
    "check this camera's intrinsics (image size, principal point), extrinsics and time offset; if all cameras are off "
    "alike, check that clouds and cameras share one space and one frame numbering"
)
_FEWEST_POINTS = 100


def check_clouds(capture: Capture, moments: list[Moment]) -> list[Finding]:
    """Compare the projected clouds with the masks of every camera."""
    distances: dict[str, list[float]] = defaultdict(list)
    outlines: dict[str, list[float]] = defaultdict(list)
    for moment in moments:
        for view in moment.views:
            if moment.cloud is None or view.mask is None or not view.mask.any():
                continue
            pixels, visible = view.project(moment.cloud)
            if visible.sum() >= _FEWEST_POINTS:
                distances[view.camera].extend(view.distances_to_foreground(pixels[visible]))
                outlines[view.camera].append(_outline_error(pixels[visible], view))
    if not outlines:
        return []
    outline = {camera: float(np.median(errors)) for camera, errors in outlines.items()}
    median = {camera: float(np.median(outside)) for camera, outside in distances.items()}
    tail = {camera: float(np.percentile(outside, 95)) for camera, outside in distances.items()}
    return judge_cameras(
        "clouds",
        outline,
        {camera: pixel_limits(capture, camera) for camera in outline},
        describe=lambda camera: (
            f"{camera}: outlines of cloud and mask are {outline[camera]:.1f} pixels apart; points lie "
            f"{median[camera]:.1f} (median) and {tail[camera]:.1f} (95 %) pixels outside the mask"
        ),
        advice=_ADVICE,
        summary=f"outlines of clouds and masks are at most {max(outline.values()):.1f} pixels apart",
        measured={
            "cloud outline, px": outline,
            "cloud outside mask, median, px": median,
            "cloud outside mask, 95 %, px": tail,
        },
    )


def _outline_error(pixels: Float[np.ndarray, "points 2"], view: CheckedView) -> float:
    """How far the points reach beyond the mask, or fall short of it by more than their spacing explains."""
    assert view.mask is not None
    spacing = np.sqrt(view.mask.sum() / len(pixels))
    short = np.median((mask_extents(view.mask) - extents(pixels)).clip(min=0.0))
    return float(max(reach_beyond(pixels, view.mask), short - 2.0 * spacing))
