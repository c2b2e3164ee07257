"""The surfaces of a trained run as mesh files, one a frame."""

from pathlib import Path
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float
from rich.console import Console
from rich.progress import Progress

from resfields_ns.export.mesh_files import write_mesh
from resfields_ns.export.surface import extract_surface
from resfields_ns.export.trained_run import TrainedRun
from resfields_ns.models.surface_model import SurfaceModel
from resfields_ns.timeline import times_from_frames


def export_meshes(
    run: TrainedRun,
    frames: list[int],
    folder: Path,
    resolution: int,
    file_format: Literal["ply", "obj", "glb"],
    units: Literal["normalised", "world"],
    chunk_size: int,
) -> list[Path]:
    """Write the surface at each frame of the run (counted from 0) and return the files.

    Names hold the capture's own frame numbers: mesh_000010.ply. A frame without a surface is named on stderr and
    skipped. `resolution` and `chunk_size` are those of `extract_surface`. Raises ValueError where the model knows none.
    """
    if not isinstance(run.model, SurfaceModel):
        raise ValueError(f"--load-config: expected a model with a surface, found {type(run.model).__name__}")
    transform = np.eye(4) if units == "normalised" else _normalised_to_world(run)
    console = Console(stderr=True)
    written = []
    with Progress(console=console) as progress:
        for frame in progress.track(frames, description="Exporting"):
            number = run.train_dataset.metadata["frame_numbers"][frame]
            time = float(times_from_frames(torch.tensor(frame), run.num_frames))
            surface = extract_surface(run.model, time, resolution, chunk_size)
            if len(surface.faces) == 0:
                console.print(f"Frame {number} has no surface in the scene box: skipped")
                continue
            path = folder / f"mesh_{number:06d}.{file_format}"
            write_mesh(surface, path, transform)
            written.append(path)
    return written


def _normalised_to_world(run: TrainedRun) -> Float[np.ndarray, "4 4"]:
    return run.train_dataset.metadata["normalised_to_world"].double().numpy()
