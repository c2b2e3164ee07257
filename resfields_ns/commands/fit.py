"""`rf-fit`: new shapes, fitted by their codes to a run that has learnt others."""

from pathlib import Path

from resfields_ns.commands.command_line import run_command
from resfields_ns.options import Limits


def fit(
    load_config: Path,
    data: Path,
    frames: str = "::",
    sequences: str = "::",
    output_dir: Path = Path("outputs"),
    steps: int = 300,
    learning_rate: float = 5e-3,
) -> None:
    """Fit new shapes by their codes alone: the weights of a run that has learnt other shapes stay as they are.

    What is made is a run of its own, with a frame for each shape, to measure, render and export like any other.

    Example: rf-fit --load-config RUN/config.yml --data NEW_MESHES

    Args:
        load_config: The config.yml of a run with codes of shapes (sdf-codes).
        data: Meshes of the new shapes, in the units of those of the run.
        frames: Shapes to fit, counted from 0, as start:stop:step; of a folder of several sequences, the frames of each.
        sequences: Sequences to fit, of a folder of several.
        output_dir: Folder of all runs.
        steps: Training steps.
        learning_rate: Of the codes.
    """
    Limits(least=1).check("--steps", steps)
    Limits(above=0).check("--learning-rate", learning_rate)
    from resfields_ns.host.fitted_run import fit_shapes  # slow to import, and not needed for --help

    fit_shapes(load_config, data, frames, sequences, output_dir, steps, learning_rate)


def entrypoint() -> None:
    """Entry point of the console script."""
    run_command(fit)


if __name__ == "__main__":
    entrypoint()
