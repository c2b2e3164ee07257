"""Colours of vertices."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from resfields_ns.mesh_sequences.colours.surface_colours import SurfaceColours, blend_corners


@dataclass(frozen=True)
class BlendedColours(SurfaceColours):
    """Each corner of each triangle has a colour; the points between them blend the three."""

    corners: Float[np.ndarray, "triangles 3 3"]

    def at(
        self,
        triangles: Int[np.ndarray, "points"],  # noqa: F821
        barycentric: Float[np.ndarray, "points 3"],
    ) -> Float[np.ndarray, "points 3"]:
        return np.clip(blend_corners(self.corners, triangles, barycentric), 0.0, 1.0)


def colours_by_normal(
    vertices: Float[np.ndarray, "vertices 3"], faces: Int[np.ndarray, "triangles 3"]
) -> BlendedColours:
    """Colours (1 + n) / 2 by the smooth normal n: for a surface that comes without colours."""
    corners = vertices[faces]
    normals = np.zeros(vertices.shape)
    weighted = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    for corner in range(3):
        np.add.at(normals, faces[:, corner], weighted)
    lengths = np.linalg.norm(normals, axis=1, keepdims=True)
    unit = normals / np.where(lengths > 0.0, lengths, 1.0)
    return BlendedColours((0.5 + 0.5 * unit)[faces])


def colours_by_position(
    vertices: Float[np.ndarray, "vertices 3"], faces: Int[np.ndarray, "triangles 3"]
) -> BlendedColours:
    """Colours by the place in the vertices' box, x red, y green, z blue: for a moving surface without colours."""
    lower, upper = vertices.min(axis=0), vertices.max(axis=0)
    return BlendedColours(((vertices - lower) / np.where(upper > lower, upper - lower, 1.0))[faces])
