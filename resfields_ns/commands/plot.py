"""`rf-plot`: what the residuals of a run have learnt."""

from pathlib import Path
from typing import Annotated

import tyro

from resfields_ns.commands.command_line import run_command
from resfields_ns.files import write_aside


def plot(run: Annotated[Path, tyro.conf.Positional], output_dir: Path = Path("plots")) -> None:
    """Plot the coefficients v(t) of every layer over the frames, and how alike frames are by them (Figure A.1).

    A picture a layer, named by it (LAYER.png), and coefficients.html, which holds them all.

    Example: rf-plot outputs/demo/tnerf-resfields/2026-01-01_120000

    Args:
        run: Folder of the run, with its config.yml.
        output_dir: Folder for the pictures and the page.
    """
    if output_dir.exists() and not output_dir.is_dir():
        raise ValueError(f"--output-dir: expected a folder, found the file {output_dir}")
    from resfields_ns.host.trained_run import config_of_run, load_trained_run  # slow to import, not needed for --help
    from resfields_ns.report.plots import as_uri, coefficient_figures
    from resfields_ns.report.report_page import write_plots

    trained = load_trained_run(config_of_run(run))
    figures = coefficient_figures(trained)
    if not figures:
        raise ValueError(
            f"{run}: expected a run that was trained as one, with residual layers made of coefficients, found none"
        )
    for name, figure in figures.items():
        with write_aside(output_dir / f"{name}.png") as partial:
            figure.savefig(partial, dpi=150)
    page = output_dir / "coefficients.html"
    write_plots(trained.name, {name: as_uri(figure) for name, figure in figures.items()}, page)
    print(f"Wrote plots of {len(figures)} layers to {page}, and as pictures beside it")


def entrypoint() -> None:
    """Entry point of the console script."""
    run_command(plot)


if __name__ == "__main__":
    entrypoint()
