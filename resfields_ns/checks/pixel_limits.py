"""How many pixels reprojections may be off."""

from resfields_ns.checks.capture import Capture
from resfields_ns.checks.finding import Limits

_SMALLEST_WARNING, _SMALLEST_ERROR = 2.0, 4.0  # pixels
_WARNING_SHARE, _ERROR_SHARE = 0.002, 0.02  # of the image's longer side


def pixel_limits(capture: Capture, camera: str) -> Limits:
    """Limits for the reprojections of a camera."""
    longer_side = max(capture.cameras[camera][0].size)
    return Limits(
        max(_SMALLEST_WARNING, _WARNING_SHARE * longer_side), max(_SMALLEST_ERROR, _ERROR_SHARE * longer_side)
    )
