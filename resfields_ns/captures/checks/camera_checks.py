"""Cameras by themselves, and the scene box."""

import math
from collections import defaultdict
from collections.abc import Iterator

import numpy as np
import torch
from jaxtyping import Bool, Float, Int

from resfields_ns.captures.checks.checked_capture import CapturedImage, CheckedCapture, CheckedView, Moment
from resfields_ns.captures.checks.findings import Finding, Limits
from resfields_ns.captures.spaces import unlikely_lengths
from resfields_ns.functional.rays import intersect_box

_CAMERAS = "cameras"
_ROTATION_TOLERANCE = 1e-3
_FIELD_OF_VIEW = (5.0, 120.0)  # degrees, along the image's width
_LARGEST_ASPECT = 1.05  # of a pixel, one way or the other
_SAME_PLACE = 0.01  # of the distance to the middle of the box


def check_cameras(capture: CheckedCapture, moments: list[Moment]) -> list[Finding]:
    """Check every camera's first image, and that no two cameras stand in one place."""
    sizes = sorted({image.camera.size for image in capture.images})
    views_per_frame = [len(moment.views) for moment in moments]
    text = f"{len(capture.cameras)} cameras, {len(capture.images)} images of "
    text += ", ".join(f"{width}x{height}" for width, height in sizes)
    findings = [Finding("info", _CAMERAS, text)]
    for images in capture.cameras.values():
        findings += _check_camera(images[0])
    findings += [finding for moment in moments[:1] for finding in _same_places(capture, moment)]
    if max(views_per_frame) == 1 and capture.num_frames > 1:
        text = "every frame is seen by one camera only: nothing can be compared between cameras"
        findings.append(Finding("info", _CAMERAS, text))
    return findings


def _check_camera(image: CapturedImage) -> Iterator[Finding]:
    camera, name = image.camera, image.camera_name
    rotation = camera.pose[:, :3]
    off = np.abs(rotation @ rotation.T - np.eye(3)).max()
    if off > _ROTATION_TOLERANCE or np.linalg.det(rotation) < 0.0:
        text = f"{name}: pose is no rotation (R R^T differs from 1 by {off:.2g}, det {np.linalg.det(rotation):.2f})"
        yield Finding("error", _CAMERAS, text, "write a proper rotation: no scale, no mirrored axis, no rounding")
    fx, fy, cx, cy = camera.fx, camera.fy, camera.cx, camera.cy
    width, height = camera.size
    if not (0.0 <= cx <= width and 0.0 <= cy <= height):
        text = f"{name}: principal point ({cx:.1f}, {cy:.1f}) lies outside the image of {width}x{height} pixels"
        yield Finding("error", _CAMERAS, text, "give the intrinsics of images of this size")
    degrees = math.degrees(2.0 * math.atan(0.5 * width / fx))
    if not _FIELD_OF_VIEW[0] <= degrees <= _FIELD_OF_VIEW[1]:
        text = f"{name}: sees {degrees:.1f} degrees along its width"
        text += f", expected {_FIELD_OF_VIEW[0]:.0f} to {_FIELD_OF_VIEW[1]:.0f}"
        yield Finding("warning", _CAMERAS, text, "give the focal length in pixels of images of this size")
    if max(fx / fy, fy / fx) > _LARGEST_ASPECT:
        text = f"{name}: focal lengths {fx:.1f} and {fy:.1f} make pixels that are not square"
        yield Finding("warning", _CAMERAS, text, "check that the images were not stretched after calibration")


def _same_places(capture: CheckedCapture, moment: Moment) -> Iterator[Finding]:
    centre = capture.box.mean(axis=0)
    poses = np.stack([view.camera.pose for view in moment.views])
    if len(poses) > 2 and np.allclose(poses, poses[0]):
        text = f"all {len(poses)} cameras have one pose: nothing of the scene's depth is seen"
        yield Finding("error", _CAMERAS, text, "give each camera the pose of its own calibration")
        return
    for position, view in enumerate(moment.views):
        distances = [np.linalg.norm(view.camera.centre - other.camera.centre) for other in moment.views[:position]]
        closest = int(np.argmin(distances)) if distances else -1
        if distances and distances[closest] < _SAME_PLACE * np.linalg.norm(view.camera.centre - centre):
            text = f"{view.camera_name} and {moment.views[closest].camera_name} stand in the same place"
            yield Finding("warning", _CAMERAS, text, "check that the calibration of one was not written twice")


_COVERAGE = "cameras and box"
_POINTS = 2000  # drawn in the box
_LEAST_SEEN = 0.02  # share of the box, by a camera
_LEAST_SEEN_TWICE = 0.1  # share of the box, from two places
_PLACE_DECIMALS = 3  # of positions in normalised units
_POSE_ADVICE = "check the axes (OpenCV or OpenGL), the units and the direction (camera to world?) of its extrinsics"
_BOX_ADVICE = "make the box smaller, or add cameras: one place alone tells no depth"


def check_box_coverage(capture: CheckedCapture, moments: list[Moment]) -> list[Finding]:
    """Find cameras that do not see the box, and boxes of which too little is seen from two sides."""
    points = np.random.default_rng(0).uniform(capture.box[0], capture.box[1], size=(_POINTS, 3))
    seen = [(view, view.camera.project(points)[1]) for moment in moments for view in moment.views]
    share = {
        name: [float(visible.mean()) for view, visible in seen if view.camera_name == name] for name in capture.cameras
    }
    percent = {name: 100.0 * max(shares) for name, shares in share.items() if shares}
    text = f"cameras see {min(percent.values()):.0f} to {max(percent.values()):.0f} % of the scene box"
    findings = [Finding("info", _COVERAGE, text, measured={"box seen, %": percent})]
    for name, value in percent.items():
        if value < 100.0 * _LEAST_SEEN:
            text = f"{name}: sees {value:.1f} % of the scene box"
            findings.append(Finding("error", _COVERAGE, text, _POSE_ADVICE))
    twice = float(np.mean(_seen_counts(seen) >= 2))
    if twice < _LEAST_SEEN_TWICE:
        text = f"training images from two places see {100.0 * twice:.0f} % of the scene box together"
        findings.append(Finding("warning", _COVERAGE, text, _BOX_ADVICE))
    return findings


def _seen_counts(seen: list[tuple[CheckedView, Bool[np.ndarray, "points"]]]) -> Int[np.ndarray, "points"]:
    """From how many places each point is seen in training images."""
    by_place: dict[tuple[float, ...], list[Bool[np.ndarray, "points"]]] = defaultdict(list)
    for view, visible in seen:
        if view.split == "train":
            by_place[tuple(view.camera.centre.round(_PLACE_DECIMALS).tolist())].append(visible)
    return np.sum([np.any(visible, axis=0) for visible in by_place.values()], axis=0)


_BOX = "scene box"
_CLOUD_OUTSIDE = Limits(0.001, 0.02)  # shares of the points; clouds are exact,
_DEPTH_OUTSIDE = Limits(0.02, 0.1)  # depth has outliers,
_FOREGROUND_OUTSIDE = Limits(0.01, 0.1)  # and masks have specks
_RAYS_PER_VIEW = 2000
_LARGEST_VOLUME = 30.0  # of the scene's bounds
_DEPTH_OUTLIERS = 1.0  # percent of the depth points, at either end of an axis
_LENGTH_ADVICE = (
    "if {:g} times as much is right, another unit was taken for metres: --metres-per-unit of rf-videos, --depth-unit"
)
_PADDING = 0.05  # of the scene's bounds, on every side, in the box that is proposed


def check_scene_box(capture: CheckedCapture, moments: list[Moment]) -> list[Finding]:
    """Find what of clouds, depth and masks lies outside the box, and whether the box is far too large."""
    sides = capture.box[1] - capture.box[0]
    metres = " x ".join(f"{side:.2f}" for side in sides * capture.millimetres_per_unit / 1000.0)
    findings = [Finding("info", _BOX, f"the box measures {metres} metres")]
    cameras = [image.camera for image in capture.images]
    for text, factor in unlikely_lengths(cameras, capture.box, capture.millimetres_per_unit / 1000.0).items():
        findings.append(Finding("warning", _BOX, text, _LENGTH_ADVICE.format(factor)))
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
            findings.append(Finding(level, _BOX, text, f"enlarge the box{proposal}"))
    if bounds is not None and np.prod(sides) > _LARGEST_VOLUME * np.prod(bounds[1] - bounds[0]):
        ratio = np.prod(sides) / np.prod(bounds[1] - bounds[0])
        text = f"the box has {ratio:.0f} times the volume that the scene needs; samples are wasted on empty space"
        findings.append(Finding("warning", _BOX, text, f"make the box smaller, such as {_padded(bounds)}"))
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


def _share_missing(capture: CheckedCapture, moments: list[Moment]) -> float:
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
    origin, directions = view.camera.rays(np.stack([columns, rows], axis=-1)[chosen] + 0.5)
    origins = torch.from_numpy(origin).expand(len(chosen), 3)
    near, far = intersect_box(origins, torch.from_numpy(directions), torch.from_numpy(box))
    return (near >= far).numpy()
