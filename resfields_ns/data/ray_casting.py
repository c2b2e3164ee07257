"""Casting rays at a triangle mesh: which point of which triangle a pixel sees, and how far away it is."""

from dataclasses import dataclass

import numpy as np
import trimesh
from jaxtyping import Bool, Float, Int


@dataclass(frozen=True)
class RayHits:
    """Nearest hits: of the rays marked in `hit`, the triangles, barycentric coordinates and ray parameters."""

    hit: Bool[np.ndarray, "rays"]  # noqa: F821
    triangles: Int[np.ndarray, "hits"]  # noqa: F821
    barycentric: Float[np.ndarray, "hits 3"]
    distances: Float[np.ndarray, "hits"]  # noqa: F821

    def interpolate(
        self, vertex_values: Float[np.ndarray, "vertices 3"], faces: Int[np.ndarray, "faces 3"]
    ) -> Float[np.ndarray, "hits 3"]:
        """The values of the vertices, at the points hit."""
        return np.einsum("hc,hcv->hv", self.barycentric, vertex_values[faces[self.triangles]])


def cast_rays(
    mesh: trimesh.Trimesh, origin: Float[np.ndarray, "3"], directions: Float[np.ndarray, "rays 3"]
) -> RayHits:
    """Nearest hit of each ray origin + distance * direction; distances are in units of the direction's length."""
    first = mesh.ray.intersects_first(np.broadcast_to(origin, directions.shape), directions)
    hit = first >= 0
    triangles, rays = first[hit], directions[hit]
    corners = mesh.triangles[triangles]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    distances = np.einsum("hi,hi->h", corners[:, 0] - origin, normals) / np.einsum("hi,hi->h", rays, normals)
    barycentric = trimesh.triangles.points_to_barycentric(corners, origin + distances[:, None] * rays)
    return RayHits(hit, triangles, barycentric, distances)
