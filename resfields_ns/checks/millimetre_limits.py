"""How far depths may be off."""

from resfields_ns.checks.capture import Capture
from resfields_ns.checks.checked_view import CheckedView
from resfields_ns.checks.finding import Limits

_WARNING_SHARE, _ERROR_SHARE = 0.02, 0.04  # of the distance to the scene
_WARNING_PIXELS, _ERROR_PIXELS = 1.0, 3.0  # of a pixel's size in the scene


def millimetre_limits(capture: Capture, view: CheckedView) -> Limits:
    """Limits, in millimetres, for depths of a view: coarse images and distant scenes are measured less exactly."""
    distance = capture.millimetres_per_unit * float(view.distances_to(capture.box.mean(axis=0, keepdims=True))[0])
    pixel = distance / view.focal_length
    return Limits(
        max(_WARNING_SHARE * distance, _WARNING_PIXELS * pixel), max(_ERROR_SHARE * distance, _ERROR_PIXELS * pixel)
    )
