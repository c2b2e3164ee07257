"""Times: frames must come evenly, from every camera, and each must show something new."""

import re
from collections.abc import Iterator, Sequence
from filecmp import cmp
from pathlib import Path

import numpy as np

from resfields_ns.checks.capture import Capture, CapturedImage
from resfields_ns.checks.finding import Finding, Limits
from resfields_ns.checks.sampled_moments import Moment

_CHECK = "times"
_LARGEST_GAP = 1.5  # of the usual step
_FROZEN = Limits(0.02, 0.5)  # share of a camera's steps without a new image
_FREEZE_ADVICE = "look for dropped frames in this camera's recording, and match frames by time rather than by count"


def check_times(capture: Capture, moments: list[Moment]) -> list[Finding]:
    """Find gaps between frames, frames that cameras lack, and images that repeat the one before."""
    del moments
    findings = [Finding("info", _CHECK, f"{capture.num_frames} frames")]
    if capture.num_frames == 1:
        findings.append(Finding("warning", _CHECK, "one frame only", "choose more frames if the scene moves"))
    findings += _gaps(capture)
    findings += _missing_frames(capture)
    findings += _frozen_cameras(capture)
    return findings


def _gaps(capture: Capture) -> Iterator[Finding]:
    for name, images in _training_cameras(capture).items():
        numbers = [_file_number(image.path) for image in images]
        yield from _uneven(f"{name}: file numbers", numbers, images)
        yield from _uneven(f"{name}: times, in frames,", [image.position for image in images], images)


def _training_cameras(capture: Capture) -> dict[str, list[CapturedImage]]:
    return {name: images for name, images in capture.cameras.items() if images[0].split == "train"}


def _uneven(what: str, values: Sequence[float], images: list[CapturedImage]) -> Iterator[Finding]:
    steps = np.diff(values)
    if len(steps) == 0 or not (steps > 0.0).all():
        return
    usual, largest = float(np.median(steps)), int(np.argmax(steps))
    if steps[largest] > _LARGEST_GAP * usual:
        count = int((steps > _LARGEST_GAP * usual).sum())
        before, after = images[largest].path.name, images[largest + 1].path.name
        text = f"{what} step by {usual:.4g}, but at {count} places by up to {steps[largest]:.4g} ({before} to {after})"
        advice = "use an even range of frames without the gap: motion across it is learned as a jump"
        yield Finding("warning", _CHECK, text, advice)


def _file_number(path: Path) -> float:
    """The number that a file's name ends in; NaN, which no step is made of, without one."""
    digits = re.search(r"\d+$", path.stem)
    return float("nan") if digits is None else float(digits[0])


def _missing_frames(capture: Capture) -> Iterator[Finding]:
    for name, images in _training_cameras(capture).items():
        missing = set(range(capture.num_frames)) - {image.frame for image in images}
        if missing and len(missing) < capture.num_frames / 2:
            text = f"{name}: lacks {len(missing)} of {capture.num_frames} frames, the first being {min(missing)}"
            yield Finding("warning", _CHECK, text, "use the frames that all cameras have, or look for lost images")


def _frozen_cameras(capture: Capture) -> Iterator[Finding]:
    """Images with the very bytes of the image before; only files of equal size are opened."""
    for name, images in capture.cameras.items():
        sizes = [image.path.stat().st_size for image in images]
        repeats = [
            position
            for position in range(1, len(images))
            if sizes[position] == sizes[position - 1]
            and cmp(images[position].path, images[position - 1].path, shallow=False)
        ]
        level = _FROZEN.level(len(repeats) / max(len(images) - 1, 1))
        if level != "info":
            text = f"{name}: {len(repeats)} of {len(images)} images repeat the one before"
            text += f", the first being {images[repeats[0]].path.name}"
            yield Finding(level, _CHECK, text, _FREEZE_ADVICE)
