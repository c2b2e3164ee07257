"""`rf-report`: trained runs on one page to hand on."""

from dataclasses import replace
from pathlib import Path
from shutil import rmtree
from typing import Annotated

import tyro

from resfields_ns.commands.command_line import run_command
from resfields_ns.files import blame_full_disk
from resfields_ns.options import Limits


def report(
    runs: Annotated[list[Path], tyro.conf.Positional],
    output_path: Path = Path("report.html"),
    resolution: int = 64,
    seconds: float = 3.0,
) -> None:
    """Write one HTML file about runs, in columns, that opens anywhere and loads nothing from the network.

    It plays the meshes and a film, shows test views beside the truth, metrics, training curves, coefficients of
    residuals, config and machine. A report that was stopped leaves OUTPUT.partial, and the same command goes on there.

    Example: rf-report outputs/demo/tnerf-resfields/2026-01-01_120000

    Args:
        runs: Folders of runs, with their config.yml.
        output_path: The .html file to write.
        resolution: Cells of the meshes along the longest side of the scene box.
        seconds: Length of the film, of 12 pictures a second.
    """
    if output_path.suffix != ".html":
        raise ValueError(f"--output-path: expected a name in .html, found {output_path}")
    if output_path.is_dir():
        raise ValueError(f"--output-path: expected a file, found the folder {output_path}")
    if not runs:
        raise ValueError("RUNS: expected the folder of a run, or of several, found none")
    Limits(least=2).check("--resolution", resolution)
    Limits(above=0).check("--seconds", seconds)
    from resfields_ns.host.trained_run import config_of_run  # slow to import, and not needed for --help
    from resfields_ns.report.report_page import write_report
    from resfields_ns.report.run_parts import gather_parts, name_of_parts, names_of_runs

    configs = [config_of_run(run) for run in runs]
    partial = output_path.with_name(f"{output_path.name}.partial")
    kept = f"what is made is kept in {partial}, from which the same command goes on"
    with blame_full_disk(output_path, kept):
        parts = [
            gather_parts(config, partial / name_of_parts(config, resolution, seconds), resolution, seconds)
            for config in configs
        ]
        names = names_of_runs([config.parent for config in configs])
        write_report([replace(part, name=name) for part, name in zip(parts, names, strict=True)], output_path)
    rmtree(partial)
    print(f"Wrote {output_path} ({output_path.stat().st_size / 1e6:.1f} MB)")


def entrypoint() -> None:
    """Entry point of the console script."""
    run_command(report)


if __name__ == "__main__":
    entrypoint()
