"""The mesh of a scene-flow run, moved by the flow that the run predicts."""

from pathlib import Path
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float

from resfields_ns.export.animated_glb import write_animated_glb
from resfields_ns.export.tracking import track_points
from resfields_ns.export.trained_run import TrainedRun
from resfields_ns.models.scene_flow_model import SceneFlowModel


def export_tracked_mesh(
    run: TrainedRun, start_frame: int, fps: float, units: Literal["normalised", "world"], path: Path
) -> Float[np.ndarray, "frames"]:
    """Carry the vertices of a frame through the sequence and write them as an animated .glb file.

    A vertex keeps the colour of its place in the box of the start frame. Returns how far the vertices of every frame
    are from the mesh's own, on average, in normalised units. Raises ValueError if the run has learnt no scene flow.
    """
    if not isinstance(run.model, SceneFlowModel):
        raise ValueError(f"--load-config: expected a run of sceneflow-resfields, found {type(run.model).__name__}")
    metadata = run.train_dataset.metadata
    positions: torch.Tensor = metadata["positions"].to(run.model.device)
    tracked = track_points(run.model.field, positions[start_frame], start_frame)
    start = positions[start_frame].cpu().numpy()
    lower, upper = start.min(axis=0), start.max(axis=0)
    colours = (start - lower) / np.where(upper > lower, upper - lower, 1.0)
    vertices = tracked.double().cpu().numpy()
    if units == "world":
        to_world = metadata["normalised_to_world"].double().numpy()
        vertices = vertices @ to_world[:3, :3].T + to_world[:3, 3]
    write_animated_glb(vertices, metadata["faces"].numpy(), colours, fps, path)
    return (tracked - positions).norm(dim=-1).mean(dim=-1).cpu().numpy()
