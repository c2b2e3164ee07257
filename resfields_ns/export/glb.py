"""Binary glTF 2.0 files: a surface at rest, one that moves, or one a frame, shown one after the other."""

from collections.abc import Iterable
from io import BytesIO
from pathlib import Path

import numpy as np
import pygltflib as gltf
from jaxtyping import Float, Int, UInt8
from PIL import Image

from resfields_ns.captures.meshes.colours import linear_from_srgb
from resfields_ns.export.surface import Surface
from resfields_ns.files import write_aside


def glb_of(surface: Surface, lit: bool = True) -> bytes:
    """A surface as a .glb file, whose colours no light changes unless it is `lit` (KHR_materials_unlit)."""
    buffer = _Buffer()
    mesh = gltf.Mesh(primitives=[_primitive(surface, buffer)])
    return _joined(gltf.GLTF2(nodes=[gltf.Node(mesh=0)], meshes=[mesh]), buffer, lit)


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
    sampler = gltf.AnimationSampler(input=times, output=weights)
    document = gltf.GLTF2(
        nodes=[gltf.Node(mesh=0)],
        meshes=[gltf.Mesh(primitives=[primitive], weights=[0.0] * (num_frames - 1))],
        animations=[gltf.Animation(name="Sequence", samplers=[sampler], channels=[channel])],
    )
    with write_aside(path) as partial:
        partial.write_bytes(_joined(document, buffer))


def write_switched_glb(
    surfaces: Iterable[Surface],
    names: list[str],
    starts: Float[np.ndarray, "surfaces"],
    stops: Float[np.ndarray, "surfaces"],
    end: float,
    path: Path,
) -> None:
    """Write a .glb file that shows each surface from its start to its stop, so that topology may change.

    Each is a node, whose scale steps from 0 to 1 and back; at rest the first is seen.
    The file appears whole or not at all.

    Args:
        surfaces: one or more, with triangles
        names: of the surfaces' nodes and meshes
        starts, stops: when each is seen, in seconds from 0 on, one after the other
        end: length of the animation in seconds, at least the last stop
        path: of the file
    """
    buffer = _Buffer()
    animation = gltf.Animation(name="Sequence", samplers=[], channels=[])
    primitives: list[gltf.Primitive] = []
    for index, (surface, start, stop) in enumerate(zip(surfaces, starts, stops, strict=True)):
        primitives.append(_primitive(surface, buffer))
        keys = np.unique([0.0, start, stop, end])
        seen = (start <= keys) & ((keys < stop) | ((keys == end) & (stop == end)))
        times = buffer.add(keys, gltf.SCALAR)
        scales = buffer.add(np.repeat(seen.astype(np.float32)[:, None], 3, axis=1), gltf.VEC3)
        animation.samplers.append(gltf.AnimationSampler(input=times, output=scales, interpolation=gltf.ANIM_STEP))
        target = gltf.AnimationChannelTarget(node=index, path="scale")
        animation.channels.append(gltf.AnimationChannel(sampler=index, target=target))
    nodes = [gltf.Node(name=name, mesh=i, scale=[1.0 if i == 0 else 0.0] * 3) for i, name in enumerate(names)]
    meshes = [gltf.Mesh(name=name, primitives=[one]) for name, one in zip(names, primitives, strict=True)]
    with write_aside(path) as partial:
        partial.write_bytes(_joined(gltf.GLTF2(nodes=nodes, meshes=meshes, animations=[animation]), buffer))


def _primitive(surface: Surface, buffer: "_Buffer") -> gltf.Primitive:
    """Of a surface; one with a texture has corners of its own for every triangle."""
    corners = np.arange(len(surface.vertices)) if surface.texture is None else surface.faces.reshape(-1)
    attributes = gltf.Attributes(
        POSITION=buffer.add(surface.vertices[corners], gltf.VEC3, gltf.ARRAY_BUFFER),
        NORMAL=buffer.add(surface.normals[corners], gltf.VEC3, gltf.ARRAY_BUFFER),
    )
    for name, values in surface.attributes.items():
        setattr(attributes, name, _add_shares(buffer, values[corners]))
    if surface.texture is None:
        attributes.COLOR_0 = _add_shares(buffer, linear_from_srgb(surface.colours))
        faces, material = surface.faces.reshape(-1), 0
    else:
        attributes.TEXCOORD_0 = buffer.add(surface.texture.corners.reshape(-1, 2), gltf.VEC2, gltf.ARRAY_BUFFER)
        faces, material = np.arange(len(corners)), buffer.add_picture(surface.texture.picture)
    indices = buffer.add(faces, gltf.SCALAR, gltf.ELEMENT_ARRAY_BUFFER)
    return gltf.Primitive(attributes=attributes, indices=indices, material=material)


def _add_shares(buffer: "_Buffer", values: Float[np.ndarray, "vertices 3"]) -> int:
    """Numbers in [0, 1], three a vertex and a fourth of 1, so that vertices lie on whole words."""
    opaque = np.column_stack([values, np.ones(len(values))])
    return buffer.add(np.round(65535.0 * opaque).astype(np.uint16), gltf.VEC4, gltf.ARRAY_BUFFER)


def _joined(document: gltf.GLTF2, buffer: "_Buffer", lit: bool = True) -> bytes:
    """Nodes, meshes and animations over a buffer, as a file of one scene; material 0 has colours of vertices, and each
    other one a picture."""
    document.scene = 0
    document.scenes = [gltf.Scene(nodes=list(range(len(document.nodes))))]
    document.images = [gltf.Image(bufferView=view, mimeType=gltf.IMAGEPNG) for view in buffer.pictures]
    document.textures = [gltf.Texture(source=index, sampler=0) for index in range(len(document.images))]
    if document.textures:
        document.samplers = [gltf.Sampler(minFilter=gltf.LINEAR, magFilter=gltf.LINEAR)]
    of_pictures = [gltf.TextureInfo(index=index) for index in range(len(document.textures))]
    document.materials = [_material(picture, lit) for picture in (None, *of_pictures)]
    if not lit:
        document.extensionsUsed = ["KHR_materials_unlit"]
    document.accessors, document.bufferViews = buffer.accessors, buffer.views
    document.buffers = [gltf.Buffer(byteLength=len(buffer.data))]
    document.set_binary_blob(bytes(buffer.data))
    return b"".join(document.save_to_bytes())


def _material(picture: gltf.TextureInfo | None, lit: bool) -> gltf.Material:
    surface = gltf.PbrMetallicRoughness(metallicFactor=0.0, baseColorTexture=picture)
    extensions = {} if lit else {"KHR_materials_unlit": {}}
    return gltf.Material(pbrMetallicRoughness=surface, doubleSided=True, extensions=extensions)


_COMPONENTS = {
    np.dtype(np.float32): gltf.FLOAT,
    np.dtype(np.uint32): gltf.UNSIGNED_INT,
    np.dtype(np.uint16): gltf.UNSIGNED_SHORT,
}


class _Buffer:
    """Arrays in one buffer, each with a view and an accessor of its own."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.views: list[gltf.BufferView] = []
        self.accessors: list[gltf.Accessor] = []
        self.pictures: list[int] = []

    def add(self, array: np.ndarray, kind: str, target: int | None = None) -> int:
        """Append an array, and return the index of its accessor.

        Numbers become float32 and whole ones uint32; uint16 stands for numbers in [0, 1].
        """
        share = array.dtype == np.uint16
        if not share:
            array = np.ascontiguousarray(array, np.uint32 if array.dtype.kind in "iu" else np.float32)
        rows = array.reshape(len(array), -1)
        self.views.append(gltf.BufferView(buffer=0, byteOffset=len(self.data), byteLength=array.nbytes, target=target))
        self.accessors.append(
            gltf.Accessor(
                bufferView=len(self.views) - 1,
                componentType=_COMPONENTS[array.dtype],
                normalized=share,
                count=len(array),
                type=kind,
                min=rows.min(axis=0).tolist(),
                max=rows.max(axis=0).tolist(),
            )
        )
        self.data += array.tobytes()
        return len(self.accessors) - 1

    def add_picture(self, picture: UInt8[np.ndarray, "height width 3"]) -> int:
        """Append a picture, and return the index of its material."""
        file = BytesIO()
        Image.fromarray(picture).save(file, "PNG")
        content = file.getvalue()
        self.pictures.append(len(self.views))
        self.views.append(gltf.BufferView(buffer=0, byteOffset=len(self.data), byteLength=len(content)))
        self.data += content + bytes(-len(content) % 4)
        return len(self.pictures)
