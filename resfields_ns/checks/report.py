"""Findings as tables for people and as JSON for machines."""

import json
from dataclasses import asdict
from pathlib import Path
from statistics import median

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from resfields_ns.checks.finding import Finding
from resfields_ns.export.write_aside import write_aside

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
