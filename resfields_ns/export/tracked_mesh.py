"""The mesh of a scene-flow run, moved by the flow that the run predicts, as an animated glTF 2.0 file."""

from pathlib import Path
from typing import Literal

import numpy as np
import torch
import trimesh
from jaxtyping import Float
from torch import Tensor

from resfields_ns.captures.sequence import TrackedSurfaces
from resfields_ns.export.glb import write_animated_glb
from resfields_ns.export.mesh_formats import Units, place_of
from resfields_ns.fields.sceneflow_field import SceneFlowField
from resfields_ns.functional.motion import Flow
from resfields_ns.functional.segments import TimedPoints
from resfields_ns.host.dataparsing import sequence_of
from resfields_ns.host.trained_run import TrainedRun
from resfields_ns.models.sceneflow_model import SceneFlowModel
from resfields_ns.timeline import times_from_frames


@torch.no_grad()
def track_points(
    field: SceneFlowField, points: Float[Tensor, "points 3"], start_frame: int
) -> Float[Tensor, "frames points 3"]:
    """Where points of a frame are at every frame, if they follow the forward flow to the end and the backward flow
    to the start; errors add up on the way."""
    later, earlier = [points], [points]
    for frame in range(start_frame, field.num_frames - 1):
        later.append(later[-1] + _flow(field, later[-1], frame).forward)
    for frame in range(start_frame, 0, -1):
        earlier.append(earlier[-1] + _flow(field, earlier[-1], frame).backward)
    return torch.stack(earlier[:0:-1] + later)


def _flow(field: SceneFlowField, points: Float[Tensor, "points 3"], frame: int) -> Flow:
    return field.flow(TimedPoints.at(points, times_from_frames(torch.tensor(frame), field.num_frames)))


def export_tracked_mesh(
    run: TrainedRun, start_frame: int, fps: float, units: Units, path: Path, up: Literal["y", "z"] = "y"
) -> Float[np.ndarray, "frames"]:
    """Carry the vertices of a frame through the sequence and write them as an animated .glb file.

    `units` and `up` are those of `place_of`. A vertex keeps the colour of its place in the box of the start frame.
    Returns how far the vertices of every frame are from the mesh's own, on average, in normalised units. Raises
    ValueError if the run has learnt no scene flow.
    """
    if not isinstance(run.model, SceneFlowModel):
        raise ValueError(f"--load-config: expected a run of sceneflow-resfields, found {type(run.model).__name__}")
    surfaces = sequence_of(run.train_dataset, TrackedSurfaces)
    positions = surfaces.positions.to(run.model.device)
    tracked = track_points(run.model.field, positions[start_frame], start_frame)
    start = positions[start_frame].cpu().numpy()
    lower, upper = start.min(axis=0), start.max(axis=0)
    colours = (start - lower) / np.where(upper > lower, upper - lower, 1.0)
    place = place_of(surfaces.to_world, units, up)
    vertices = trimesh.transform_points(tracked.double().cpu().numpy().reshape(-1, 3), place).reshape(tracked.shape)
    write_animated_glb(vertices, surfaces.faces.numpy(), colours, fps, path)
    return (tracked - positions).norm(dim=-1).mean(dim=-1).cpu().numpy()
