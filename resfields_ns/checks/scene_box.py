"""The scene box must hold the scene, with little room to spare."""

import numpy as np
import torch
from jaxtyping import Bool, Float

from resfields_ns.checks.capture import Capture
from resfields_ns.checks.checked_view import CheckedView
from resfields_ns.checks.finding import Finding, Limits
from resfields_ns.checks.sampled_moments import Moment
from resfields_ns.functional.rays import intersect_box

_CHECK = "scene box"
_CLOUD_OUTSIDE = Limits(0.001, 0.02)  # shares of the points; clouds are exact,
_DEPTH_OUTSIDE = Limits(0.02, 0.1)  # depth has outliers,
_FOREGROUND_OUTSIDE = Limits(0.01, 0.1)  # and masks have specks
_RAYS_PER_VIEW = 2000
_LARGEST_VOLUME = 30.0  # of the scene's bounds
_DEPTH_OUTLIERS = 1.0  # percent of the depth points, at either end of an axis
_PADDING = 0.05  # of the scene's bounds, on every side, in the box that is proposed


def check_scene_box(capture: Capture, moments: list[Moment]) -> list[Finding]:
    """Find what of clouds, depth and masks lies outside the box, and whether the box is far too large."""
    sides = capture.box[1] - capture.box[0]
    metres = " x ".join(f"{side:.2f}" for side in sides * capture.millimetres_per_unit / 1000.0)
    findings = [Finding("info", _CHECK, f"the box measures {metres} metres")]
    clouds = [moment.cloud for moment in moments if moment.cloud is not None]
    depths = [view.depth_points for moment in moments for view in moment.views if _has_foreground_depth(view)]
    bounds = _bounds(clouds, depths)
    proposal = "" if bounds is None else f", to {_padded(bounds)} or more: what the frames looked at need"
    outside = [
        ("cloud points", _share_outside(clouds, capture.box), _CLOUD_OUTSIDE),
        ("depth points", _share_outside(depths, capture.box), _DEPTH_OUTSIDE),
        ("foreground pixels", _share_missing(capture, moments), _FOREGROUND_OUTSIDE),
    ]
    for name, share, limits in outside:
        level = limits.level(share)
        if level != "info":
            text = f"{100.0 * share:.1f} % of the {name} lie outside the box, and cannot be learned"
            findings.append(Finding(level, _CHECK, text, f"enlarge the box{proposal}"))
    if bounds is not None and np.prod(sides) > _LARGEST_VOLUME * np.prod(bounds[1] - bounds[0]):
        ratio = np.prod(sides) / np.prod(bounds[1] - bounds[0])
        text = f"the box has {ratio:.0f} times the volume that the scene needs; samples are wasted on empty space"
        findings.append(Finding("warning", _CHECK, text, f"make the box smaller, such as {_padded(bounds)}"))
    return findings


def _has_foreground_depth(view: CheckedView) -> bool:
    """Depth without a mask sees the room as well, which the box need not hold."""
    return view.mask is not None and view.depth is not None


def _bounds(
    clouds: list[Float[np.ndarray, "_ 3"]], depths: list[Float[np.ndarray, "_ 3"]]
) -> Float[np.ndarray, "2 3"] | None:
    """Of the clouds, or else of the depth points without outliers."""
    if clouds:
        points = np.concatenate(clouds)
        return np.stack([points.min(axis=0), points.max(axis=0)])
    if sum(map(len, depths)):
        return np.percentile(np.concatenate(depths), [_DEPTH_OUTLIERS, 100.0 - _DEPTH_OUTLIERS], axis=0)
    return None


def _padded(bounds: Float[np.ndarray, "2 3"]) -> str:
    padding = _PADDING * (bounds[1] - bounds[0])
    corners = np.concatenate([bounds[0] - padding, bounds[1] + padding])
    return f"[{', '.join(f'{value:.3f}' for value in corners)}]"


def _share_outside(parts: list[Float[np.ndarray, "_ 3"]], box: Float[np.ndarray, "2 3"]) -> float:
    if not sum(map(len, parts)):
        return 0.0
    points = np.concatenate(parts)
    return float(1.0 - ((points >= box[0]) & (points <= box[1])).all(axis=1).mean())


def _share_missing(capture: Capture, moments: list[Moment]) -> float:
    """Share of the foreground whose rays miss the box."""
    missing = [
        _rays_miss(view, capture.box)
        for moment in moments
        for view in moment.views
        if view.mask is not None and view.mask.any()
    ]
    return float(np.concatenate(missing).mean()) if missing else 0.0


def _rays_miss(view: CheckedView, box: Float[np.ndarray, "2 3"]) -> Bool[np.ndarray, "rays"]:
    assert view.mask is not None
    rows, columns = np.nonzero(view.mask)
    chosen = np.linspace(0, len(rows) - 1, min(_RAYS_PER_VIEW, len(rows))).astype(np.int64)
    origin, directions = view.rays(np.stack([columns, rows], axis=-1)[chosen] + 0.5)
    origins = torch.from_numpy(origin).expand(len(chosen), 3)
    near, far = intersect_box(origins, torch.from_numpy(directions), torch.from_numpy(box))
    return (near >= far).numpy()
