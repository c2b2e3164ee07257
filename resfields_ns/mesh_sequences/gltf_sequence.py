"""Animated surfaces of glTF 2.0."""

from math import floor
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float64
from scipy.spatial.transform import Rotation

from resfields_ns.mesh_sequences.gltf_animation import read_channels
from resfields_ns.mesh_sequences.gltf_file import GltfFile
from resfields_ns.mesh_sequences.gltf_primitive import GltfPrimitive, read_primitive
from resfields_ns.mesh_sequences.mesh_frame import MeshFrame, join_frames
from resfields_ns.mesh_sequences.mesh_sequence import MeshSequence

_FPS = 30.0
_ROUNDING = 1e-4  # of a frame
_MOST_FRAMES = 100_000


class GltfSequence(MeshSequence):
    """The default scene while an animation plays, from its start to its last key, both included.

    Nodes, skins and morph targets move it; colours are base colours, without light, transparency and sampler settings.
    """

    def __init__(self, path: Path, fps: float | None = None, animation: str | None = None) -> None:
        """Open the animation of that name (by default the first), sampled `fps` times a second (by default 30)."""
        self.path = path
        self.fps = _FPS if fps is None else fps
        if not 0.0 < self.fps < float("inf"):
            raise ValueError(f"--fps: expected above 0, found {self.fps}")
        try:
            file = GltfFile(path)
            self.channels = read_channels(file, animation)
            self.nodes: list[dict[str, Any]] = file.json["nodes"]
            self.order = _nodes_from_roots(file)
            self.skins = [
                (self._joints(skin, index), _inverse_bind_matrices(file, skin, f"{path}: skin {index}"))
                for index, skin in enumerate(file.json.get("skins", []))
            ]
            self.meshes = {node: self._read_mesh(file, node) for node, _ in self.order if "mesh" in self.nodes[node]}
        except (KeyError, IndexError, TypeError, AttributeError) as error:
            raise ValueError(f"{path}: expected glTF 2.0, found one that breaks its rules ({error!r})") from error
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
            parts += [primitive.posed(weights, transforms) for primitive in primitives]
        return join_frames(parts)

    def _joints(self, skin: dict[str, Any], index: int) -> list[int]:
        outside = sorted(set(skin["joints"]) - {node for node, _ in self.order})
        if outside:
            raise ValueError(f"{self.path}: skin {index}: expected joints in the scene, found node {outside[0]}")
        return skin["joints"]

    def _read_mesh(self, file: GltfFile, node: int) -> tuple[list[GltfPrimitive], np.ndarray]:
        """Primitives of a node's mesh, and the weights of its morph targets where nothing animates them."""
        mesh = file.json["meshes"][self.nodes[node]["mesh"]]
        num_joints = len(self.skins[self.nodes[node]["skin"]][0]) if "skin" in self.nodes[node] else 0
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
        if "skin" not in self.nodes[node]:
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
        roots = file.json["scenes"][file.json.get("scene", 0)].get("nodes", [])
    else:
        roots = sorted(set(range(len(nodes))) - {child for node in nodes for child in node.get("children", [])})
    order: list[tuple[int, int | None]] = [(root, None) for root in roots]
    for node, _ in order:
        order += [(child, node) for child in nodes[node].get("children", [])]
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
