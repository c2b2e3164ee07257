"""Animated surfaces of glTF 2.0."""

import math
from dataclasses import dataclass
from math import floor
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Float64, Int, Int64
from nerfstudio.utils.rich_utils import CONSOLE
from scipy.spatial.transform import Rotation, Slerp

from resfields_ns.captures.meshes.colours import (
    BlendedColours,
    SurfaceColours,
    TexturedColours,
    TintedColours,
    srgb_from_linear,
)
from resfields_ns.captures.meshes.gltf_file import GltfFile, entry
from resfields_ns.captures.meshes.mesh_frames import MeshFrame, MeshSequence, check_triangles, join_frames
from resfields_ns.captures.untrusted import blamed, check_numbers
from resfields_ns.options import Limits

_ROUNDING = 1e-4  # of a step in time


@dataclass(frozen=True)
class GltfChannel:
    """Values at key times, and how to go between them (glTF 2.0, appendix C)."""

    node: int
    path: str
    """Property of the node: translation, rotation, scale or weights."""
    interpolation: str
    """LINEAR, STEP or CUBICSPLINE."""
    times: Float[np.ndarray, "keys"]  # noqa: F821
    values: Float[np.ndarray, "keys *tangents size"]
    """With CUBICSPLINE, each key has (incoming tangent, value, outgoing tangent)."""

    def at(self, time: float) -> Float[np.ndarray, "size"]:  # noqa: F821
        """The value at a time; before the first and after the last key it stays as it is there."""
        key = int(np.clip(np.searchsorted(self.times, time, side="right") - 1, 0, max(len(self.times) - 2, 0)))
        if len(self.times) == 1:
            return self._value(0)
        length = self.times[key + 1] - self.times[key]
        s = float(np.clip((time - self.times[key]) / length, 0.0, 1.0))
        if self.interpolation == "STEP":
            return self._value(key + int(s > 1.0 - _ROUNDING))  # keys are float32
        if self.interpolation == "CUBICSPLINE":
            return self._spline(key, s, length)
        if self.path == "rotation":
            return Slerp([0.0, 1.0], Rotation.from_quat(self.values[key : key + 2]))(s).as_quat()
        return (1.0 - s) * self.values[key] + s * self.values[key + 1]

    def _value(self, key: int) -> Float[np.ndarray, "size"]:  # noqa: F821
        return self.values[key, 1] if self.interpolation == "CUBICSPLINE" else self.values[key]

    def _spline(self, key: int, s: float, length: float) -> Float[np.ndarray, "size"]:  # noqa: F821
        """The Hermite spline between two keys, at s of the way."""
        (_, start, leaving), (arriving, end, _) = self.values[key], self.values[key + 1]
        return (
            (2 * s**3 - 3 * s**2 + 1) * start
            + (s**3 - 2 * s**2 + s) * length * leaving
            + (3 * s**2 - 2 * s**3) * end
            + (s**3 - s**2) * length * arriving
        )


_SIZES = {"translation": 3, "rotation": 4, "scale": 3, "weights": None}
_INTERPOLATIONS = ("LINEAR", "STEP", "CUBICSPLINE")


def read_channels(file: GltfFile, animation: str | None) -> list[GltfChannel]:
    """Channels of the animation of that name, or of the first one."""
    animations = file.json.get("animations", [])
    if not animations:
        raise ValueError(f"{file.path}: expected an animation, found none")
    names = [str(other.get("name", index)) for index, other in enumerate(animations)]
    if animation is not None and animation not in names:
        raise ValueError(f"--animation: expected one of {', '.join(names)} of {file.path}, found {animation!r}")
    index = 0 if animation is None else names.index(animation)
    return [
        _read_channel(file, animations[index], channel, f"{file.path}: animation {names[index]}")
        for channel in animations[index]["channels"]
        if "node" in channel["target"]
    ]


def _read_channel(file: GltfFile, animation: dict[str, Any], channel: dict[str, Any], name: str) -> GltfChannel:
    sampler, target = entry(animation["samplers"], channel["sampler"], f"{name}: samplers"), channel["target"]
    interpolation = sampler.get("interpolation", "LINEAR")
    if target["path"] not in _SIZES or interpolation not in _INTERPOLATIONS:
        raise ValueError(
            f"{name}: expected channels of {', '.join(_SIZES)} by {', '.join(_INTERPOLATIONS)}, "
            f"found {target['path']!r} by {interpolation!r}"
        )
    times = file.accessor(sampler["input"]).astype(np.float64)
    values = file.accessor(sampler["output"]).astype(np.float64)
    if len(times) == 0 or not np.isfinite(times).all() or (np.diff(times) <= 0.0).any():
        raise ValueError(f"{name}: expected key times that grow, found {times[:4].tolist()}")
    tangents = (3,) if interpolation == "CUBICSPLINE" else ()
    if values.size == 0 or values.size % (len(times) * math.prod(tangents)) or not np.isfinite(values).all():
        raise ValueError(f"{name}: expected finite values for {len(times)} keys, found an array of {values.shape}")
    values = values.reshape(len(times), *tangents, -1)
    size = _SIZES[target["path"]]
    if size is not None and values.shape[-1] != size:
        raise ValueError(f"{name}: expected {size} numbers of a {target['path']}, found {values.shape[-1]}")
    rotations = values[:, 1] if tangents else values
    if target["path"] == "rotation" and (np.linalg.norm(rotations, axis=1) == 0.0).any():
        raise ValueError(f"{name}: expected rotations, found one of length 0")
    return GltfChannel(target["node"], target["path"], interpolation, times, values)


_TRIANGLES = 4


@dataclass(frozen=True)
class GltfPrimitive:
    """A surface at rest, what the weights of its morph targets add, and how much each joint of a skin moves it."""

    vertices: Float64[np.ndarray, "vertices 3"]
    faces: Int64[np.ndarray, "triangles 3"]
    colours: SurfaceColours
    targets: Float[np.ndarray, "targets vertices 3"]
    joints: Int[np.ndarray, "vertices influences"]
    joint_weights: Float[np.ndarray, "vertices influences"]

    def posed(
        self,
        target_weights: Float[np.ndarray, "targets"],  # noqa: F821
        transforms: Float64[np.ndarray, "joints 4 4"],
    ) -> MeshFrame:
        """The surface, moved by one transform of all of it or, where it has a skin, by those of its joints."""
        vertices = self.vertices + np.einsum("t,tvi->vi", target_weights, self.targets)
        if self.joints.shape[1]:
            per_vertex = np.einsum("vk,vkij->vij", self.joint_weights, transforms[self.joints])
            vertices = np.einsum("vij,vj->vi", per_vertex[:, :3, :3], vertices) + per_vertex[:, :3, 3]
        else:
            vertices = vertices @ transforms[0, :3, :3].T + transforms[0, :3, 3]
        return MeshFrame(vertices, self.faces, self.colours)


def read_primitive(file: GltfFile, primitive: dict[str, Any], num_joints: int, name: str) -> GltfPrimitive:
    """Read one primitive of a mesh; `num_joints` is that of its skin, 0 without one; errors call it `name`."""
    if primitive.get("mode", _TRIANGLES) != _TRIANGLES:
        raise ValueError(f"{name}: expected triangles (mode 4), found mode {primitive['mode']}")
    attributes = primitive["attributes"]
    vertices = file.accessor(attributes["POSITION"]).astype(np.float64)
    order = file.accessor(primitive["indices"]) if "indices" in primitive else np.arange(len(vertices))
    if len(order) % 3:
        raise ValueError(f"{name}: expected three indices for each triangle, found {len(order)}")
    faces = order.astype(np.int64).reshape(-1, 3)
    check_triangles(vertices, faces, name)
    targets = [file.accessor(target["POSITION"]) for target in primitive.get("targets", []) if "POSITION" in target]
    if len(targets) < len(primitive.get("targets", [])):
        raise ValueError(f"{name}: expected a POSITION in every morph target, found one without")
    joints, weights = _read_influences(file, attributes, len(vertices), num_joints, name)
    return GltfPrimitive(
        vertices=vertices,
        faces=faces,
        colours=_read_colours(file, primitive, faces, name),
        targets=np.stack(targets).astype(np.float64) if targets else np.zeros((0, *vertices.shape)),
        joints=joints,
        joint_weights=weights,
    )


def _read_influences(
    file: GltfFile, attributes: dict[str, int], num_vertices: int, num_joints: int, name: str
) -> tuple[np.ndarray, np.ndarray]:
    """Joints and weights of every vertex; the weights of a vertex are made to sum to one.

    Vertices that no joint moves, which exporters write though they may not, follow joint 0, as in viewers.
    """
    sets = (
        [key.removeprefix("JOINTS_") for key in sorted(attributes) if key.startswith("JOINTS_")] if num_joints else []
    )
    if num_joints and not sets:
        raise ValueError(f"{name}: expected JOINTS_0 and WEIGHTS_0 for its skin, found neither")
    empty = np.zeros((num_vertices, 0))
    joints = np.concatenate([empty] + [file.accessor(attributes[f"JOINTS_{k}"]) for k in sets], axis=1).astype(np.int64)
    weights = np.concatenate([empty] + [file.accessor(attributes[f"WEIGHTS_{k}"]) for k in sets], axis=1)
    if joints.size and not 0 <= joints.min() <= joints.max() < num_joints:
        found = f"{joints.min()} to {joints.max()}"
        raise ValueError(f"{name}: expected joints from 0 to {num_joints - 1}, found {found}")
    if not sets:
        return joints, weights
    total = weights.sum(axis=1)
    if not (np.isfinite(weights).all() and (total >= 0.0).all()):
        raise ValueError(f"{name}: expected weights that sum to 1 at every vertex, found {total.min()}")
    if (free := total == 0.0).any():
        text = f"{name}: {free.sum()} of {num_vertices} vertices have no weight: they follow joint 0 of the skin."
        CONSOLE.print(text, soft_wrap=True)
        joints[free], weights[free] = 0, np.eye(1, weights.shape[1])
    return joints, weights / weights.sum(axis=1, keepdims=True)


def _read_colours(
    file: GltfFile, primitive: dict[str, Any], faces: Int64[np.ndarray, "triangles 3"], name: str
) -> SurfaceColours:
    """Base colour: texture times the material's factor times COLOR_0, the last two of which are linear."""
    material = file.entry("materials", primitive["material"]) if "material" in primitive else {}
    surface = material.get("pbrMetallicRoughness", {})
    attributes = primitive["attributes"]
    tint = np.broadcast_to(np.array(surface.get("baseColorFactor", [1.0] * 4)[:3], np.float64), (*faces.shape, 3))
    if "COLOR_0" in attributes:
        tint = tint * file.accessor(attributes["COLOR_0"])[:, :3][faces]
    if "baseColorTexture" not in surface:
        return BlendedColours(srgb_from_linear(tint))
    place = surface["baseColorTexture"]
    if "KHR_texture_transform" in place.get("extensions", {}):
        raise ValueError(f"{name}: expected texture coordinates as they stand, found KHR_texture_transform")
    source = file.entry("textures", place["index"]).get("source")
    if source is None:
        raise ValueError(f"{name}: expected a png or jpg texture, found one of an extension")
    uv = file.accessor(attributes[f"TEXCOORD_{place.get('texCoord', 0)}"]).astype(np.float64)
    textured = TexturedColours(uv[faces], file.image(source))
    return textured if (tint == 1.0).all() else TintedColours(textured, tint)


_FPS = 30.0
_MOST_FRAMES = 100_000


class GltfSequence(MeshSequence):
    """The default scene while an animation plays, from its start to its last key, both included.

    Nodes, skins and morph targets move it; colours are base colours, without light, transparency and sampler settings.
    """

    def __init__(self, path: Path, fps: float | None = None, animation: str | None = None) -> None:
        """Open the animation of that name (by default the first), sampled `fps` times a second (by default 30)."""
        self.path = path
        self.fps = _FPS if fps is None else fps
        Limits(above=0).check("--fps", self.fps)
        with blamed(path, "glTF 2.0", "one that breaks its rules"):
            file = GltfFile(path)
            self.channels = read_channels(file, animation)
            self.nodes: list[dict[str, Any]] = file.json["nodes"]
            self.order = _nodes_from_roots(file)
            self.skins = [
                (self._joints(skin, index), _inverse_bind_matrices(file, skin, f"{path}: skin {index}"))
                for index, skin in enumerate(file.json.get("skins", []))
            ]
            self.meshes = {node: self._read_mesh(file, node) for node, _ in self.order if "mesh" in self.nodes[node]}
        if not self.meshes:
            raise ValueError(f"{path}: expected a mesh in its scene, found none")
        duration = max((float(channel.times[-1]) for channel in self.channels), default=0.0)
        if duration * self.fps > _MOST_FRAMES:
            raise ValueError(
                f"{path}, --fps: expected {_MOST_FRAMES} frames or fewer, found {self.fps} a second for {duration:.4g} "
                "seconds"
            )
        self.num_frames = floor(duration * self.fps + _ROUNDING) + 1

    def __len__(self) -> int:
        return self.num_frames

    def frame(self, index: int) -> MeshFrame:
        moved: dict[tuple[int, str], np.ndarray] = {
            (channel.node, channel.path): channel.at(index / self.fps) for channel in self.channels
        }
        places: dict[int | None, np.ndarray] = {None: np.eye(4)}
        for node, parent in self.order:
            places[node] = places[parent] @ self._local_transform(node, moved)
        parts = []
        for node, (primitives, default_weights) in self.meshes.items():
            weights = moved.get((node, "weights"), default_weights)
            transforms = self._transforms(node, places)
            if transforms[:, :3, :3].any():  # what is scaled to nothing is hidden
                parts += [primitive.posed(weights, transforms) for primitive in primitives]
        if not parts:
            raise ValueError(f"{self.path}: frame {index}: expected a mesh, found all of them scaled to nothing")
        frame = join_frames(parts)
        check_numbers(frame.vertices, f"{self.path}: frame {index}")
        return frame

    def _joints(self, skin: dict[str, Any], index: int) -> list[int]:
        outside = sorted(set(skin["joints"]) - {node for node, _ in self.order})
        if outside:
            raise ValueError(f"{self.path}: skin {index}: expected joints in the scene, found node {outside[0]}")
        return skin["joints"]

    def _read_mesh(self, file: GltfFile, node: int) -> tuple[list[GltfPrimitive], np.ndarray]:
        """Primitives of a node's mesh, and the weights of its morph targets where nothing animates them."""
        mesh = file.entry("meshes", self.nodes[node]["mesh"])
        num_joints = (
            len(entry(self.skins, self.nodes[node]["skin"], f"{self.path}: skins")[0])
            if "skin" in self.nodes[node]
            else 0
        )
        name = f"{self.path}: mesh {self.nodes[node]['mesh']}"
        primitives = [read_primitive(file, primitive, num_joints, name) for primitive in mesh["primitives"]]
        num_targets = len(primitives[0].targets)
        weights = np.array(self.nodes[node].get("weights", mesh.get("weights", [0.0] * num_targets)), np.float64)
        animated = [c.values.shape[-1] for c in self.channels if (c.node, c.path) == (node, "weights")]
        for count in (len(weights), *animated):
            if count != num_targets:
                raise ValueError(f"{name}: expected weights for {num_targets} morph targets, found {count}")
        return primitives, weights

    def _transforms(self, node: int, places: dict[int | None, np.ndarray]) -> Float64[np.ndarray, "joints 4 4"]:
        """Of a node's mesh: its place in the scene or, with a skin, what its joints do to it."""
        if self.nodes[node].get("skin") is None:
            return places[node][None]
        joints, inverse_bind_matrices = self.skins[self.nodes[node]["skin"]]
        return np.stack([places[joint] for joint in joints]) @ inverse_bind_matrices

    def _local_transform(self, node: int, moved: dict[tuple[int, str], np.ndarray]) -> Float64[np.ndarray, "4 4"]:
        try:
            return _transform(self.nodes[node] | {path: value for (of, path), value in moved.items() if of == node})
        except (ValueError, TypeError) as error:
            raise ValueError(
                f"{self.path}: node {node}: expected a place of translation, rotation and scale, or a matrix, "
                f"found none ({error})"
            ) from None


def _transform(properties: dict[str, Any]) -> Float64[np.ndarray, "4 4"]:
    if "matrix" in properties:
        return np.array(properties["matrix"], np.float64).reshape(4, 4).T
    transform = np.eye(4)
    transform[:3, :3] = Rotation.from_quat(properties.get("rotation", [0.0, 0.0, 0.0, 1.0])).as_matrix()
    transform[:3, :3] *= properties.get("scale", [1.0, 1.0, 1.0])
    transform[:3, 3] = properties.get("translation", [0.0, 0.0, 0.0])
    return transform


def _nodes_from_roots(file: GltfFile) -> list[tuple[int, int | None]]:
    """(node, parent) of the default scene's nodes, parents first."""
    nodes = file.json["nodes"]
    if "scenes" in file.json:
        roots = file.entry("scenes", file.json.get("scene", 0)).get("nodes", [])
    else:
        roots = sorted(set(range(len(nodes))) - {child for node in nodes for child in node.get("children", [])})
    order: list[tuple[int, int | None]] = [(root, None) for root in roots]
    for node, _ in order:
        order += [(child, node) for child in entry(nodes, node, f"{file.path}: nodes").get("children", [])]
        if len(order) > len(nodes):
            raise ValueError(f"{file.path}: expected nodes with one parent each, found a node that is met twice")
    return order


def _inverse_bind_matrices(file: GltfFile, skin: dict[str, Any], name: str) -> Float64[np.ndarray, "joints 4 4"]:
    count = len(skin["joints"])
    if "inverseBindMatrices" not in skin:
        return np.broadcast_to(np.eye(4), (count, 4, 4))
    matrices = file.accessor(skin["inverseBindMatrices"]).astype(np.float64)
    if matrices.shape[1:] != (4, 4) or len(matrices) < count:
        raise ValueError(f"{name}: expected {count} inverse bind matrices, found an array of {matrices.shape}")
    return matrices[:count]
