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
    """Make a run from a checkpoint of the authors' released code (markomih/ResFields), to view and evaluate.

    Known are all six methods of dynamic scenes with both densities, videos and temporal signed distances. The run
    cannot be trained on.

    Example: rf-import-released last.ckpt --data basketball --frames 0:100

    Args:
        checkpoint: The Lightning checkpoint.
        data: The capture, video or mesh sequence that it was trained on.
        output_dir: Folder of all runs.
        frames: Frames of the data that it was trained on, as start:stop:step.
    """
    from resfields_ns.released.imported_run import import_run  # slow to import, and not needed for --help

    run = import_run(checkpoint, data, output_dir, frames)
    residuals = run.residuals
    layers = ", ".join(str(layer) for layer in residuals.residual_layers)
    print(f"Method: {run.description}")
    print(f"Residual layers: {f'{layers} of rank {residuals.rank}' if layers else 'none'}")
    print(f"Frames: {run.num_frames}{'' if run.tells_frames else f' (those of {data}; the checkpoint does not tell)'}")
    print(f"Steps: {run.num_steps}")
    print(f"Parameters: {run.num_parameters}")
    print(f"Wrote the run to {run.folder}")


def entrypoint() -> None:
    """Entry point of the console script."""
    run_command(import_released)


if __name__ == "__main__":
    entrypoint()
