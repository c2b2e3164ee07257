"""Writes `docs/family.md` from the records of `benchmarks.family`.

python -m benchmarks.family_table
"""

import json
from pathlib import Path
from statistics import mean
from typing import Any

from benchmarks.family import METHODS, RESULTS

PAGE = Path(__file__).parents[1] / "docs" / "family.md"
COLUMNS = {
    "PSNR": ("results", "psnr", ".2f"),
    "PSNR, training cameras": ("results", "training_psnr", ".2f"),
    "SSIM": ("results", "ssim", ".4f"),
    "Chamfer L1 x 1000": ("results", "chamfer_l1_x1000", ".1f"),
    "s/step": (None, "seconds_per_step", ".3f"),
    "peak memory, GB": (None, "peak_memory_gb", ".2f"),
}


def rows(records: list[dict[str, Any]]) -> list[str]:
    """Lines of the table: each method without and with residual layers, means over seeds."""
    lines = ["| method | layers | seeds | " + " | ".join(COLUMNS) + " |", "|---" * (len(COLUMNS) + 3) + "|"]
    for method in METHODS:
        for residual in (False, True):
            runs = [run for run in records if run["method"] == method and run["residual"] == residual]
            if not runs:
                continue
            values = [
                format(mean((run[group] if group else run)[name] for run in runs), digits)
                for group, name, digits in COLUMNS.values()
            ]
            name, layers = ("", "residual") if residual else (method.removesuffix("-resfields"), "plain")
            lines.append(f"| {name} | {layers} | {len(runs)} | " + " | ".join(values) + " |")
    return lines


def page(records: list[dict[str, Any]]) -> str:
    """The whole page."""
    (size,) = {json.dumps(record["size"]) for record in records}
    facts = records[0]["facts"]
    hardware = facts["hardware"]
    settings = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in json.loads(size).items())
    return "\n".join(
        [
            "# The dynamic family, small",
            "",
            "Every method without and with residual layers, on one capture of an animated fox (4 training cameras, 1",
            f"orbiting test camera, {len(facts['frames'])} frames of 160 x 160), equal steps and seeds.",
            f"The size, equal for all rows: {settings}.",
            f"Machine: {hardware['cpu']}, {hardware['cores']} cores, GPU {hardware['gpu']}; one thread a run, two",
            "runs at a time: seconds a step are coarse. Made by `python -m benchmarks.family --data CAPTURE --jobs 2`",
            "and `python -m benchmarks.family_table`; the records are in `benchmarks/results/family`.",
            "",
            *rows(records),
            "",
        ]
    )


def main() -> None:
    """Write the page."""
    records = [json.loads(path.read_text(encoding="utf8")) for path in sorted(RESULTS.glob("*.json"))]
    PAGE.write_text(page(records), encoding="utf8")
    print("\n".join(rows(records)))


if __name__ == "__main__":
    main()
