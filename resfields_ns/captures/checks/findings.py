"""What checks of a capture find, and how it is told."""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Literal

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from resfields_ns.captures.checks.checked_capture import CheckedCapture, CheckedView
from resfields_ns.files import write_aside

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


_SMALLEST_WARNING, _SMALLEST_ERROR = 2.0, 4.0  # pixels
_WARNING_SIDE, _ERROR_SIDE = 0.002, 0.02  # of the image's longer side


def pixel_limits(capture: CheckedCapture, camera: str) -> Limits:
    """Limits for the reprojections of a camera."""
    longer_side = max(capture.cameras[camera][0].camera.size)
    return Limits(max(_SMALLEST_WARNING, _WARNING_SIDE * longer_side), max(_SMALLEST_ERROR, _ERROR_SIDE * longer_side))


_WARNING_DISTANCE, _ERROR_DISTANCE = 0.02, 0.04  # of the distance to the scene
_WARNING_PIXELS, _ERROR_PIXELS = 1.0, 3.0  # of a pixel's size in the scene


def millimetre_limits(capture: CheckedCapture, view: CheckedView) -> Limits:
    """Limits, in millimetres, for depths of a view: coarse images and distant scenes are measured less exactly."""
    distance = capture.millimetres_per_unit * float(view.distances_to(capture.box.mean(axis=0, keepdims=True))[0])
    pixel = distance / view.camera.fx
    return Limits(
        max(_WARNING_DISTANCE * distance, _WARNING_PIXELS * pixel),
        max(_ERROR_DISTANCE * distance, _ERROR_PIXELS * pixel),
    )


_STYLES = {"error": "bold red", "warning": "yellow", "info": "dim"}
_LEVELS = list(_STYLES)


def count(findings: list[Finding], level: str) -> int:
    """How many findings have a level."""
    return sum(finding.level == level for finding in findings)


def print_report(findings: list[Finding], console: Console) -> None:
    """Print what was measured of each camera, the findings from errors to information, and how many there are."""
    measured = _measured_table(findings)
    if measured.row_count:
        console.print(measured)
    table = Table("level", "check", "found", "what to do", title="Findings", show_lines=True)
    for finding in sorted(findings, key=lambda finding: _LEVELS.index(finding.level)):
        text, advice = escape(finding.text), escape(finding.advice)
        table.add_row(finding.level, finding.check, text, advice, style=_STYLES[finding.level])
    console.print(table)
    console.print(f"{count(findings, 'error')} errors, {count(findings, 'warning')} warnings")


def write_json(findings: list[Finding], capture: Path, dataparser: str, path: Path) -> None:
    """Write the findings with all measured numbers, and how many errors and warnings there are."""
    content = {
        "capture": str(capture),
        "dataparser": dataparser,
        "errors": count(findings, "error"),
        "warnings": count(findings, "warning"),
        "findings": [asdict(finding) for finding in findings],
    }
    with write_aside(path) as partial:
        partial.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def _measured_table(findings: list[Finding]) -> Table:
    """Each quantity's range over the cameras; the JSON has all values."""
    table = Table("measured of each camera", "lowest", "median", "highest", title="Measured")
    for name, values in ((name, values) for finding in findings for name, values in finding.measured.items()):
        ordered = sorted(values, key=lambda camera: values[camera])
        low, high = (f"{values[camera]:.2f} ({camera})" for camera in (ordered[0], ordered[-1]))
        table.add_row(name, low, f"{median(values.values()):.2f}", high)
    return table
