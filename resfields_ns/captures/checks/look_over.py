"""Reading a capture and checking it, whatever is wrong with it."""

from dataclasses import dataclass
from pathlib import Path

from resfields_ns.captures.checks.camera_checks import check_box_coverage, check_cameras, check_scene_box
from resfields_ns.captures.checks.checked_capture import CheckedCapture, Moment, load_capture, sample_moments
from resfields_ns.captures.checks.depth_checks import check_depth_agreement, check_depth_clouds, check_depth_silhouettes
from resfields_ns.captures.checks.findings import Finding
from resfields_ns.captures.checks.recording_checks import (
    check_contrast,
    check_exposure,
    check_order,
    check_resources,
    check_times,
)
from resfields_ns.captures.checks.silhouette_checks import check_clouds, check_foreground, check_silhouettes
from resfields_ns.captures.meshes.mesh_points import read_points

_CHECKS = (
    check_order,
    check_cameras,
    check_box_coverage,
    check_scene_box,
    check_times,
    check_contrast,
    check_foreground,
    check_silhouettes,
    check_clouds,
    check_depth_silhouettes,
    check_depth_clouds,
    check_depth_agreement,
    check_exposure,
    check_resources,
)


def check_capture(capture: CheckedCapture, moments: list[Moment]) -> list[Finding]:
    """All that is found out about a capture; `moments` are the frames to look at."""
    return [finding for check in _CHECKS for finding in check(capture, moments)]


_QUICK_CHECKS = (check_cameras, check_box_coverage, check_scene_box, check_contrast, check_foreground)


def check_quickly(capture: CheckedCapture) -> None:
    """Raise ValueError, in the words of `rf-check`, for a capture that nothing can be learned from.

    Two frames are looked at, and the ground-truth clouds of all.
    """
    moments = sample_moments(capture, most=2)
    for check in _QUICK_CHECKS:
        for finding in check(capture, moments):
            if finding.level == "error":
                raise ValueError(f"{capture.folder}: {finding.text}: {finding.advice}")
    for cloud in capture.train.clouds or []:
        read_points(cloud)


_ADVICE = "mend this first: without it nothing else can be looked at; options of the dataparser go behind --"


@dataclass(frozen=True)
class Scene:
    """A capture that could be read.

    Args:
        capture: its images and cameras
        moments: the frames that were looked at
    """

    capture: CheckedCapture
    moments: list[Moment]


def look_over(folder: Path, dataparser: str, options: tuple[str, ...] = ()) -> tuple[Scene | None, list[Finding]]:
    """Read a capture with a dataparser and its `options`, and check it.

    What keeps the capture from being read is the only finding, and there is no scene.
    """
    try:
        capture = load_capture(folder, dataparser, options)
        scene = Scene(capture, sample_moments(capture))
    except ValueError as error:
        return None, [Finding("error", "reading", str(error), _ADVICE)]
    return scene, check_capture(scene.capture, scene.moments)
