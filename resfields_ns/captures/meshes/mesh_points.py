"""Random points on a triangle mesh, which side of it and how far from it a point is, and files of points."""

from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor


def sample_surface(
    vertices: Float[np.ndarray, "vertices 3"],
    faces: Int[np.ndarray, "triangles 3"],
    count: int,
    rng: np.random.Generator,
) -> tuple[Float[np.ndarray, "count 3"], Float[np.ndarray, "count 3"]]:
    """Points uniform over the area, and the unit normals of their triangles, which look where the triangles look."""
    import trimesh

    mesh = trimesh.Trimesh(vertices, faces, process=False)
    points, triangles = trimesh.sample.sample_surface(mesh, count, seed=rng)[:2]
    return np.asarray(points), mesh.face_normals[triangles]


def inside(
    points: Float[np.ndarray, "points 3"],
    vertices: Float[np.ndarray, "vertices 3"],
    faces: Int[np.ndarray, "triangles 3"],
) -> Bool[np.ndarray, "points"]:
    """Where the winding number is above one half (Jacobson et al. 2013; fast: Barill et al. 2018, by libigl).

    A hole in the surface is closed where the winding number is one half, about as a soap film would close it. Surfaces
    whose triangles all look inward have the same inside.
    """
    import igl

    return np.abs(igl.fast_winding_number(vertices, faces, points)) > 0.5


def signed_distances(
    points: Float[np.ndarray, "points 3"],
    vertices: Float[np.ndarray, "vertices 3"],
    faces: Int[np.ndarray, "triangles 3"],
) -> Float[np.ndarray, "points"]:
    """Distances to the nearest triangle, negative `inside`.

    The sign may change away from the triangles, across the hole of an open surface. (libigl's own signed distance
    would scale the distances there, and where the winding number is approximate.)
    """
    import igl

    distances = np.sqrt(igl.point_mesh_squared_distance(points, vertices, faces)[0])
    return np.where(inside(points, vertices, faces), -distances, distances)


def read_points(path: Path) -> Float[Tensor, "points 3"]:
    """Points of a PLY file, as they stand; a ValueError names a file without points or with non-finite ones."""
    from resfields_ns.captures.meshes.mesh_loading import load_mesh

    points = np.asarray(getattr(load_mesh(path), "vertices", np.empty((0, 3))), np.float32)
    if len(points) == 0 or not np.isfinite(points).all():
        raise ValueError(f"{path}: expected finite points, found {len(points)} points")
    return torch.from_numpy(points)
