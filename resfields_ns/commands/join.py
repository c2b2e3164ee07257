"""`rf-join`: runs on chunks of a capture's frames, made one run."""

from pathlib import Path
from typing import Annotated

import tyro

from resfields_ns.commands.command_line import run_command


def join(runs: Annotated[tuple[Path, ...], tyro.conf.Positional], output_dir: Path = Path("outputs")) -> None:
    """Make one run of runs that were trained on consecutive chunks of a capture's frames.

    It is rendered, exported, viewed and evaluated over all of time, and needs the others no more. It cannot be trained
    on. Between two chunks, it shows the nearer frame.

    Example: rf-join outputs/demo/tnerf-resfields/first outputs/demo/tnerf-resfields/second

    Args:
        runs: Folders of the runs, with their config.yml: of one method, with the same options but for --frames.
        output_dir: Folder of all runs.
    """
    from resfields_ns.host.joined_run import join_runs  # slow to import, and not needed for --help

    print(f"Wrote the run to {join_runs(runs, output_dir)}")


def entrypoint() -> None:
    """Entry point of the console script."""
    run_command(join)


if __name__ == "__main__":
    entrypoint()
