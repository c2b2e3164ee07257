"""Triangles of a glTF mesh, which morph targets and a skin may move."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Float64, Int, Int64

from resfields_ns.mesh_sequences.colours.blended_colours import BlendedColours
from resfields_ns.mesh_sequences.colours.srgb import srgb_from_linear
from resfields_ns.mesh_sequences.colours.surface_colours import SurfaceColours
from resfields_ns.mesh_sequences.colours.textured_colours import TexturedColours
from resfields_ns.mesh_sequences.colours.tinted_colours import TintedColours
from resfields_ns.mesh_sequences.gltf_file import GltfFile
from resfields_ns.mesh_sequences.mesh_frame import MeshFrame, check_triangles

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
    """Joints and weights of every vertex; the weights of a vertex are made to sum to one."""
    sets = (
        [key.removeprefix("JOINTS_") for key in sorted(attributes) if key.startswith("JOINTS_")] if num_joints else []
    )
    if num_joints and not sets:
        raise ValueError(f"{name}: expected JOINTS_0 and WEIGHTS_0 for its skin, found neither")
    empty = np.zeros((num_vertices, 0))
    joints = np.concatenate([empty] + [file.accessor(attributes[f"JOINTS_{k}"]) for k in sets], axis=1).astype(np.int64)
    weights = np.concatenate([empty] + [file.accessor(attributes[f"WEIGHTS_{k}"]) for k in sets], axis=1)
    if joints.size and joints.max() >= num_joints:
        raise ValueError(f"{name}: expected joints below {num_joints}, found {joints.max()}")
    total = weights.sum(axis=1, keepdims=True)
    if sets and not (total > 0.0).all():
        raise ValueError(f"{name}: expected weights that sum to 1 at every vertex, found {total.min()}")
    return joints, weights / np.where(total > 0.0, total, 1.0)


def _read_colours(
    file: GltfFile, primitive: dict[str, Any], faces: Int64[np.ndarray, "triangles 3"], name: str
) -> SurfaceColours:
    """Base colour: texture times the material's factor times COLOR_0, the last two of which are linear."""
    material = file.json["materials"][primitive["material"]] if "material" in primitive else {}
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
    source = file.json["textures"][place["index"]].get("source")
    if source is None:
        raise ValueError(f"{name}: expected a png or jpg texture, found one of an extension")
    uv = file.accessor(attributes[f"TEXCOORD_{place.get('texCoord', 0)}"]).astype(np.float64)
    textured = TexturedColours(uv[faces], file.image(source))
    return textured if (tint == 1.0).all() else TintedColours(textured, tint)
