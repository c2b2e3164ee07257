"""`rf-import-released`: a run from a checkpoint of the authors' released code."""

from pathlib import Path
from typing import Annotated

import tyro

from resfields_ns.commands.command_line import run_command


def import_released(
    checkpoint: Annotated[Path, tyro.conf.Positional],
    data: Path,
    output_dir: Path = Path("outputs"),
    frames: str = "::",
) -> None:
    """Make a run from a checkpoint of the authors' released code (markomih/ResFields, dysdf), to view and evaluate.

    All six methods are known, with both densities. The run cannot be trained on.

    Example: rf-import-released last.ckpt --data basketball --frames 0:100

    Args:
        checkpoint: The Lightning checkpoint.
        data: The capture that it was trained on.
        output_dir: Folder of all runs.
        frames: Frames of the capture that it was trained on, as start:stop:step.
    """
    from resfields_ns.released.imported_run import import_run  # slow to import, and not needed for --help

    run = import_run(checkpoint, data, output_dir, frames)
    method, field = run.method, run.method.field
    layers = ", ".join(str(layer) for layer in field.residual_layers)
    frames_from = "" if method.num_frames else " (the capture's; the checkpoint does not tell)"
    print(f"Method: {method.name} with density {method.density}, colour by {field.colour}")
    print(f"Residual layers: {f'{layers} of rank {field.rank}' if layers else 'none'}")
    print(f"Frames: {run.num_frames}{frames_from}")
    print(f"Steps: {run.num_steps}")
    print(f"Parameters: {run.num_parameters}")
    print(f"Wrote the run to {run.folder}")


def entrypoint() -> None:
    """Entry point of the console script."""
    run_command(import_released)


if __name__ == "__main__":
    entrypoint()
