"""Cameras by themselves: rotations, lenses and places that can be."""

import math
from collections.abc import Iterator

import numpy as np

from resfields_ns.checks.capture import Capture, CapturedImage
from resfields_ns.checks.finding import Finding
from resfields_ns.checks.sampled_moments import Moment

_CHECK = "cameras"
_ROTATION_TOLERANCE = 1e-3
_FIELD_OF_VIEW = (5.0, 120.0)  # degrees, along the image's width
_LARGEST_ASPECT = 1.05  # of a pixel, one way or the other
_SAME_PLACE = 0.01  # of the distance to the middle of the box


def check_cameras(capture: Capture, moments: list[Moment]) -> list[Finding]:
    """Check every camera's first image, and that no two cameras stand in one place."""
    sizes = sorted({image.size for image in capture.images})
    views_per_frame = [len(moment.views) for moment in moments]
    text = f"{len(capture.cameras)} cameras, {len(capture.images)} images of "
    text += ", ".join(f"{width}x{height}" for width, height in sizes)
    findings = [Finding("info", _CHECK, text)]
    for images in capture.cameras.values():
        findings += _check_camera(images[0])
    findings += [finding for moment in moments[:1] for finding in _same_places(capture, moment)]
    if max(views_per_frame) == 1 and capture.num_frames > 1:
        text = "every frame is seen by one camera only: nothing can be compared between cameras"
        findings.append(Finding("info", _CHECK, text))
    return findings


def _check_camera(image: CapturedImage) -> Iterator[Finding]:
    cameras, index, name = image.dataset.cameras, image.index, image.camera
    rotation = cameras.camera_to_worlds[index, :, :3].double().numpy()
    off = np.abs(rotation @ rotation.T - np.eye(3)).max()
    if off > _ROTATION_TOLERANCE or np.linalg.det(rotation) < 0.0:
        text = f"{name}: pose is no rotation (R R^T differs from 1 by {off:.2g}, det {np.linalg.det(rotation):.2f})"
        yield Finding("error", _CHECK, text, "write a proper rotation: no scale, no mirrored axis, no rounding")
    fx, fy, cx, cy = (float(values[index]) for values in (cameras.fx, cameras.fy, cameras.cx, cameras.cy))
    width, height = image.size
    if not (0.0 <= cx <= width and 0.0 <= cy <= height):
        text = f"{name}: principal point ({cx:.1f}, {cy:.1f}) lies outside the image of {width}x{height} pixels"
        yield Finding("error", _CHECK, text, "give the intrinsics of images of this size")
    degrees = math.degrees(2.0 * math.atan(0.5 * width / fx))
    if not _FIELD_OF_VIEW[0] <= degrees <= _FIELD_OF_VIEW[1]:
        text = f"{name}: sees {degrees:.1f} degrees along its width"
        text += f", expected {_FIELD_OF_VIEW[0]:.0f} to {_FIELD_OF_VIEW[1]:.0f}"
        yield Finding("warning", _CHECK, text, "give the focal length in pixels of images of this size")
    if max(fx / fy, fy / fx) > _LARGEST_ASPECT:
        text = f"{name}: focal lengths {fx:.1f} and {fy:.1f} make pixels that are not square"
        yield Finding("warning", _CHECK, text, "check that the images were not stretched after calibration")


def _same_places(capture: Capture, moment: Moment) -> Iterator[Finding]:
    centre = capture.box.mean(axis=0)
    for position, view in enumerate(moment.views):
        distances = [np.linalg.norm(view.pose[:, 3] - other.pose[:, 3]) for other in moment.views[:position]]
        closest = int(np.argmin(distances)) if distances else -1
        if distances and distances[closest] < _SAME_PLACE * np.linalg.norm(view.pose[:, 3] - centre):
            text = f"{view.camera} and {moment.views[closest].camera} stand in the same place"
            yield Finding("warning", _CHECK, text, "check that the calibration of one was not written twice")
