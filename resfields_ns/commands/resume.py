"""`rf-resume`: a run that was stopped goes on."""

from pathlib import Path
from typing import Annotated

import tyro

from resfields_ns.commands.command_line import run_command


def resume(run: Annotated[Path, tyro.conf.Positional]) -> None:
    """Go on with a run that was stopped, to its own end and to the same result as if it had not been.

    One that was stopped before it saved anything begins anew.

    Example: rf-resume outputs/demo/tnerf-resfields/2026-01-01_120000

    Args:
        run: Folder of the run, with its config.yml.
    """
    if not run.is_dir():
        raise ValueError(f"RUN: expected the folder of a run, found no folder {run}")
    from resfields_ns.host.resumed_run import resume_run  # slow to import, and not needed for --help

    resume_run(run)


def entrypoint() -> None:
    """Entry point of the console script."""
    run_command(resume)


if __name__ == "__main__":
    entrypoint()
