"""`rf-import`: a run from a file that rf-export-run wrote."""

from pathlib import Path
from typing import Annotated

import tyro

from resfields_ns.commands.command_line import run_command


def import_run(
    file: Annotated[Path, tyro.conf.Positional], data: Path | None = None, output_dir: Path = Path("outputs")
) -> None:
    """Make a run from a file that rf-export-run wrote, to render, export, view and evaluate.

    Nothing in the file is run. The run cannot be trained on.

    Example: rf-import dancer.safetensors

    Args:
        file: The .safetensors file.
        data: What the run was trained on; evaluating needs it, rendering and exporting do not.
        output_dir: Folder of all runs.
    """
    from resfields_ns.host.run_file import import_run_file  # slow to import, and not needed for --help

    print(f"Wrote the run to {import_run_file(file, output_dir, data)}")


def entrypoint() -> None:
    """Entry point of the console script."""
    run_command(import_run)


if __name__ == "__main__":
    entrypoint()
