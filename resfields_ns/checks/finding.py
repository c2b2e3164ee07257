"""What a check of a capture finds."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

Level = Literal["error", "warning", "info"]
Measured = Mapping[str, Mapping[str, float]]
"""Quantity with its unit -> camera -> value."""


@dataclass(frozen=True)
class Finding:
    """One thing found out about a capture.

    Args:
        level: an error spoils training, a warning harms it, information does neither
        check: the check that found it
        text: what was found
        advice: what to do about it; empty where there is nothing to do
        measured: the numbers behind it
    """

    level: Level
    check: str
    text: str
    advice: str = ""
    measured: Measured = field(default_factory=dict)


@dataclass(frozen=True)
class Limits:
    """Values above which a measurement is a warning or an error."""

    warning: float
    error: float

    def level(self, value: float) -> Level:
        """The level of a measured value."""
        if value > self.error:
            return "error"
        return "warning" if value > self.warning else "info"


def judge_cameras(
    check: str,
    judged: Mapping[str, float],
    limits: Mapping[str, Limits],
    describe: Callable[[str], str],
    advice: str,
    summary: str,
    measured: Measured,
) -> list[Finding]:
    """The `summary` with all that was measured, then a finding, put into words by `describe`, for each camera above
    its limits, the worst first."""
    findings = [Finding("info", check, summary, measured=measured)]
    for camera in sorted(judged, key=lambda camera: -judged[camera]):
        level = limits[camera].level(judged[camera])
        if level != "info":
            findings.append(Finding(level, check, describe(camera), advice))
    return findings
