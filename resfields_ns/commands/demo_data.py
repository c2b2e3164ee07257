"""`rf-demo-data`: write a small made-up capture to try the methods on."""

from pathlib import Path
from typing import Annotated

import tyro

from resfields_ns.commands.command_line import print_training, run_command


def demo_data(
    out: Annotated[Path, tyro.conf.Positional],
    seed: int = 0,
    frames: int = 30,
    size: int = 128,
    shine: float = 0.0,
    cameras: int = 4,
    poses: int = 0,
) -> None:
    """Write a made-up capture of a moving creature, seen by training cameras around it and one test camera.

    Example: rf-demo-data demo --frames 30

    Args:
        out: Folder to write, new or empty.
        seed: Decides the creature's colours and motion; the same seed gives the same files.
        frames: Number of frames.
        size: Width and height of the images in pixels.
        shine: Share of highlights in the colours, up to 1: they depend on the direction of view.
        cameras: Number of training cameras.
        poses: Number of random poses that the creature goes through; 0 lets it swing once.
    """
    from resfields_ns.captures.demo_capture import write_demo_capture  # slow to import, and not needed for --help

    names = write_demo_capture(
        out,
        seed=seed,
        num_frames=frames,
        size=size,
        show_progress=True,
        shine=shine,
        num_cameras=cameras,
        num_poses=poses,
    )
    print(f"Wrote {frames} frames of {len(names)} cameras to {out}")
    print_training(out, names, "tnerf-resfields-small")


def entrypoint() -> None:
    """Entry point of the console script."""
    run_command(demo_data)


if __name__ == "__main__":
    entrypoint()
