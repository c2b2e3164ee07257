"""Masks by themselves: how much of each image they call foreground."""

from collections import defaultdict
from collections.abc import Iterator

import numpy as np

from resfields_ns.checks.capture import Capture, CapturedImage
from resfields_ns.checks.checked_view import read_view
from resfields_ns.checks.finding import Finding
from resfields_ns.checks.sampled_moments import Moment

_CHECK = "foreground"
_LEAST_SHARE = 0.002  # of the image
_LARGEST_SHARE = 0.9  # of the image
_LEAST_OF_USUAL = 0.2  # of the camera's usual share
_LEAST_OF_OTHERS = 0.1  # of what is usual among the cameras
_ADVICE = "look at the masks: threshold (--mask-threshold), inverted values, a segmentation that lost the subject"


def check_foreground(capture: Capture, moments: list[Moment]) -> list[Finding]:
    """Check the foreground's share, in the frames looked at and in the smallest mask file of each camera.

    A mask that lost its subject compresses better than the others.
    """
    masks: dict[str, list[tuple[CapturedImage, float]]] = defaultdict(list)
    for moment in moments:
        for view in moment.views:
            if view.mask is not None:
                masks[view.camera].append((view.source, float(view.mask.mean())))
    if not masks:
        text = "no masks: the background is learned along with the subject"
        return [Finding("info", _CHECK, text)]
    usual = {camera: float(np.median([share for _, share in shares])) for camera, shares in masks.items()}
    percent = {camera: 100.0 * share for camera, share in usual.items()}
    text = f"the foreground covers {min(percent.values()):.1f} to {max(percent.values()):.1f} % of the cameras' images"
    findings = [Finding("info", _CHECK, text, measured={"foreground, %": percent})]
    among_cameras = float(np.median(list(usual.values())))
    for camera, shares in masks.items():
        if usual[camera] < max(_LEAST_SHARE, _LEAST_OF_OTHERS * among_cameras):
            text = f"{camera}: masks call {percent[camera]:.2f} % of the image foreground"
            text += f", where {100.0 * among_cameras:.1f} % is usual among the cameras"
            findings.append(Finding("error", _CHECK, text, _ADVICE))
        elif usual[camera] > _LARGEST_SHARE:
            text = f"{camera}: masks call {percent[camera]:.0f} % of the image foreground"
            findings.append(Finding("warning", _CHECK, text, _ADVICE))
        else:
            findings += _lost(capture, camera, shares)
    return findings


def _lost(capture: Capture, camera: str, shares: list[tuple[CapturedImage, float]]) -> Iterator[Finding]:
    """A camera's mask with far less foreground than the others, where there is one."""
    usual = float(np.median([share for _, share in shares]))
    try:
        shares = [*shares, _smallest_mask(capture, camera)]
    except ValueError as error:
        yield Finding("error", _CHECK, str(error), "write these files anew")
    image, share = min(shares, key=lambda pair: pair[1])
    if share < _LEAST_OF_USUAL * usual:
        text = f"{camera}: {image.mask_path} calls {100.0 * share:.2f} % of the image foreground"
        text += f", where {100.0 * usual:.1f} % is usual"
        yield Finding("warning", _CHECK, text, _ADVICE)


def _smallest_mask(capture: Capture, camera: str) -> tuple[CapturedImage, float]:
    sizes = [(image.mask_path.stat().st_size, image) for image in capture.cameras[camera] if image.mask_path]
    smallest = min(sizes, key=lambda size: size[0])[1]
    mask = read_view(smallest).mask
    assert mask is not None
    return smallest, float(mask.mean())
