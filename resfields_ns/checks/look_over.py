"""Reading a capture and checking it, whatever is wrong with it."""

from dataclasses import dataclass
from pathlib import Path

from resfields_ns.checks.capture import Capture, load_capture
from resfields_ns.checks.checks import check_capture
from resfields_ns.checks.finding import Finding
from resfields_ns.checks.sampled_moments import Moment, sample_moments

_ADVICE = "mend this first: without it nothing else can be looked at; options of the dataparser go behind --"


@dataclass(frozen=True)
class Scene:
    """A capture that could be read.

    Args:
        capture: its images and cameras
        moments: the frames that were looked at
    """

    capture: Capture
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
