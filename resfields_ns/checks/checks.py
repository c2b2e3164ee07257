"""All checks of a capture, in the order in which they are reported."""

from resfields_ns.checks.box_coverage import check_box_coverage
from resfields_ns.checks.cameras import check_cameras
from resfields_ns.checks.capture import Capture
from resfields_ns.checks.clouds import check_clouds
from resfields_ns.checks.depth_agreement import check_depth_agreement
from resfields_ns.checks.depth_clouds import check_depth_clouds
from resfields_ns.checks.depth_silhouettes import check_depth_silhouettes
from resfields_ns.checks.exposure import check_exposure
from resfields_ns.checks.finding import Finding
from resfields_ns.checks.foreground import check_foreground
from resfields_ns.checks.resources import check_resources
from resfields_ns.checks.sampled_moments import Moment
from resfields_ns.checks.scene_box import check_scene_box
from resfields_ns.checks.silhouettes import check_silhouettes
from resfields_ns.checks.times import check_times

_CHECKS = (
    check_cameras,
    check_box_coverage,
    check_scene_box,
    check_times,
    check_foreground,
    check_silhouettes,
    check_clouds,
    check_depth_silhouettes,
    check_depth_clouds,
    check_depth_agreement,
    check_exposure,
    check_resources,
)


def check_capture(capture: Capture, moments: list[Moment]) -> list[Finding]:
    """All that is found out about a capture; `moments` are the frames to look at."""
    return [finding for check in _CHECKS for finding in check(capture, moments)]
