"""Moving meshes of one topology as animated glTF 2.0 files."""

from pathlib import Path

import numpy as np
import pygltflib as gltf
from jaxtyping import Float, Int

from resfields_ns.export.write_aside import write_aside


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
