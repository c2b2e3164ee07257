"""`rf-export`: meshes of a trained run, one a frame."""

from pathlib import Path
from typing import Literal

from resfields_ns.commands.command_line import run_command
from resfields_ns.options import Limits


def export(
    load_config: Path,
    output_dir: Path,
    resolution: int = 128,
    frames: str = "::",
    format: Literal["ply", "obj", "glb"] = "ply",
    units: Literal["normalised", "world"] = "normalised",
    residual_scale: float = 1.0,
    residual_rank: int | None = None,
    chunk_size: int = 65_536,
) -> None:
    """Write the surface at every frame as a mesh with vertex colours.

    Files are named by the capture's frame numbers, mesh_000010.ply. A frame without a surface gets none. meshes.json
    tells of which run they are and which of them are missing: the same command goes on where it was stopped.

    Example: rf-export --load-config RUN/config.yml --output-dir meshes --frames 0:50:10

    Args:
        load_config: The run's config.yml.
        output_dir: Folder for the meshes of this run alone; those that are made otherwise are replaced.
        resolution: Cells along the longest side of the scene box.
        frames: Frames of the run, counted from 0, as start:stop:step.
        format: Format of the files.
        units: Units of the points: those that the model is trained in, or those of the capture's cameras.
        residual_scale: Factor on the residual weights; 0 shows what the base weights alone hold.
        residual_rank: Keep the best approximation of this rank of every residual; by default all of it.
        chunk_size: Points evaluated at once, which bounds the memory.
    """
    Limits(least=2).check("--resolution", resolution)
    Limits(least=1).check("--chunk-size", chunk_size)
    if output_dir.exists() and not output_dir.is_dir():
        raise ValueError(f"--output-dir: expected a folder, found the file {output_dir}")
    from resfields_ns.export.surface import export_meshes  # slow to import, and not needed for --help
    from resfields_ns.host.trained_run import load_trained_run
    from resfields_ns.timeline import parse_frames

    run = load_trained_run(load_config)
    run.show_residuals(residual_scale, residual_rank)
    indices = parse_frames(frames, run.num_frames)
    shown = {"residual_scale": residual_scale, "residual_rank": residual_rank}
    written = export_meshes(run, indices, output_dir, resolution, format, units, chunk_size, shown)
    if not written:
        raise ValueError(f"{load_config}: expected a surface in the scene box, found none in any frame asked for")
    print(f"Wrote {len(written)} of {len(indices)} meshes to {output_dir}")


def entrypoint() -> None:
    """Entry point of the console script."""
    run_command(export)


if __name__ == "__main__":
    entrypoint()
