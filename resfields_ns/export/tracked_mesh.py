"""The mesh of a scene-flow run, moved by the flow that the run predicts, as an animated glTF 2.0 file."""

from pathlib import Path
from typing import Literal

import numpy as np
import pygltflib as gltf
import torch
from jaxtyping import Float, Int
from torch import Tensor

from resfields_ns.captures.sequence import TrackedSurfaces
from resfields_ns.fields.sceneflow_field import SceneFlowField
from resfields_ns.files import write_aside
from resfields_ns.functional.motion import Flow
from resfields_ns.functional.segments import TimedPoints
from resfields_ns.host.dataparsing import sequence_of
from resfields_ns.host.trained_run import TrainedRun
from resfields_ns.models.sceneflow_model import SceneFlowModel
from resfields_ns.timeline import times_from_frames


def write_animated_glb(
    positions: Float[np.ndarray, "frames vertices 3"],
    faces: Int[np.ndarray, "triangles 3"],
    colours: Float[np.ndarray, "vertices 3"],
    fps: float,
    path: Path,
) -> None:
    """Write a .glb file that plays the frames, `fps` a second, and moves linearly between them.

    Every frame but the first is a morph target, of which the animation shows one at a time. The file appears whole or
    not at all.

    Args:
        positions: of the vertices at every frame
        faces: triangles of all frames
        colours: linear RGB in [0, 1]
        fps: frames a second
        path: of the file
    """
    num_frames, num_vertices, _ = positions.shape
    buffer = _Buffer()
    primitive = gltf.Primitive(
        attributes=gltf.Attributes(
            POSITION=buffer.add(positions[0], gltf.VEC3, gltf.ARRAY_BUFFER),
            COLOR_0=buffer.add(colours, gltf.VEC3, gltf.ARRAY_BUFFER),
        ),
        indices=buffer.add(faces.reshape(-1), gltf.SCALAR, gltf.ELEMENT_ARRAY_BUFFER),
        material=0,
        targets=[
            gltf.Attributes(POSITION=buffer.add(later - positions[0], gltf.VEC3, gltf.ARRAY_BUFFER))
            for later in positions[1:]
        ],
    )
    times = buffer.add(np.arange(num_frames) / fps, gltf.SCALAR)
    weights = buffer.add(np.eye(num_frames)[:, 1:].reshape(-1), gltf.SCALAR)
    channel = gltf.AnimationChannel(sampler=0, target=gltf.AnimationChannelTarget(node=0, path="weights"))
    document = gltf.GLTF2(
        scene=0,
        scenes=[gltf.Scene(nodes=[0])],
        nodes=[gltf.Node(mesh=0)],
        meshes=[gltf.Mesh(primitives=[primitive], weights=[0.0] * (num_frames - 1))],
        materials=[gltf.Material(pbrMetallicRoughness=gltf.PbrMetallicRoughness(metallicFactor=0.0), doubleSided=True)],
        animations=[
            gltf.Animation(
                name="Sequence", samplers=[gltf.AnimationSampler(input=times, output=weights)], channels=[channel]
            )
        ],
        accessors=buffer.accessors,
        bufferViews=buffer.views,
        buffers=[gltf.Buffer(byteLength=len(buffer.data))],
    )
    document.set_binary_blob(bytes(buffer.data))
    with write_aside(path) as partial:
        document.save_binary(str(partial))


class _Buffer:
    """Arrays in one buffer, each with a view and an accessor of its own."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.views: list[gltf.BufferView] = []
        self.accessors: list[gltf.Accessor] = []

    def add(self, array: np.ndarray, kind: str, target: int | None = None) -> int:
        """Append an array, as float32 or uint32, and return the index of its accessor."""
        whole = array.dtype.kind in "iu"
        array = np.ascontiguousarray(array, np.uint32 if whole else np.float32)
        rows = array.reshape(len(array), -1)
        self.views.append(gltf.BufferView(buffer=0, byteOffset=len(self.data), byteLength=array.nbytes, target=target))
        self.accessors.append(
            gltf.Accessor(
                bufferView=len(self.views) - 1,
                componentType=gltf.UNSIGNED_INT if whole else gltf.FLOAT,
                count=len(array),
                type=kind,
                min=rows.min(axis=0).tolist(),
                max=rows.max(axis=0).tolist(),
            )
        )
        self.data += array.tobytes()
        return len(self.accessors) - 1


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
    run: TrainedRun, start_frame: int, fps: float, units: Literal["normalised", "world"], path: Path
) -> Float[np.ndarray, "frames"]:
    """Carry the vertices of a frame through the sequence and write them as an animated .glb file.

    A vertex keeps the colour of its place in the box of the start frame. Returns how far the vertices of every frame
    are from the mesh's own, on average, in normalised units. Raises ValueError if the run has learnt no scene flow.
    """
    if not isinstance(run.model, SceneFlowModel):
        raise ValueError(f"--load-config: expected a run of sceneflow-resfields, found {type(run.model).__name__}")
    surfaces = sequence_of(run.train_dataset, TrackedSurfaces)
    positions = surfaces.positions.to(run.model.device)
    tracked = track_points(run.model.field, positions[start_frame], start_frame)
    start = positions[start_frame].cpu().numpy()
    lower, upper = start.min(axis=0), start.max(axis=0)
    colours = (start - lower) / np.where(upper > lower, upper - lower, 1.0)
    vertices = tracked.double().cpu().numpy()
    if units == "world":
        vertices = surfaces.to_world(vertices)
    write_animated_glb(vertices, surfaces.faces.numpy(), colours, fps, path)
    return (tracked - positions).norm(dim=-1).mean(dim=-1).cpu().numpy()
