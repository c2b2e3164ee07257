"""`rf-track`: a mesh moved by a learnt scene flow."""

from pathlib import Path
from typing import Literal

from resfields_ns.commands.command_line import run_command
from resfields_ns.options import Limits


def track(
    load_config: Path,
    output_path: Path,
    start_frame: int = 0,
    fps: float = 30.0,
    units: Literal["normalised", "world"] = "normalised",
    up: Literal["y", "z"] = "y",
) -> None:
    """Carry the vertices of one frame along the flow that a run of sceneflow-resfields predicts, to every other frame.

    The .glb file is animated, with a morph target a frame, and tells how far the vertices have gone astray.

    Example: rf-track --load-config RUN/config.yml --output-path tracked.glb

    Args:
        load_config: The run's config.yml.
        output_path: The .glb file to write.
        start_frame: Frame of the run, counted from 0, whose vertices are tracked, forward and backward.
        fps: Frames a second.
        units: Units of the points: those that the model is trained in, or those of the mesh sequence.
        up: Axis of the sequence that points up; the file's is y.
    """
    if output_path.suffix.lower() != ".glb":
        raise ValueError(f"--output-path: expected a name in .glb, found {output_path}")
    if output_path.is_dir():
        raise ValueError(f"--output-path: expected a file, found the folder {output_path}")
    Limits(above=0).check("--fps", fps)
    from resfields_ns.export.tracked_mesh import export_tracked_mesh  # slow to import, and not needed for --help
    from resfields_ns.host.trained_run import load_trained_run

    run = load_trained_run(load_config)
    Limits(least=0, most=run.num_frames - 1).check("--start-frame", start_frame)
    errors = export_tracked_mesh(run, start_frame, fps, units, output_path, up)
    print(
        f"Wrote {len(errors)} frames to {output_path}; the vertices are {errors.mean():.4f} from the mesh's own on "
        f"average, {errors.max():.4f} at frame {errors.argmax()} (in units of the box [-1, 1]^3)"
    )


def entrypoint() -> None:
    """Entry point of the console script."""
    run_command(track)


if __name__ == "__main__":
    entrypoint()
