"""What is done to an extracted surface before it is written: stray pieces, smoothing, fewer triangles."""

from dataclasses import dataclass

import fast_simplification
import numpy as np
import trimesh
from jaxtyping import Int
from scipy.spatial import KDTree

from resfields_ns.export.surface import Surface


@dataclass(frozen=True)
class MeshFinish:
    """The steps, in their order; None leaves one out.

    Args:
        pieces: how many connected pieces stay, those of the largest area
        smoothing: rounds of Taubin's smoothing (1995), which keeps the volume; vertices keep their colours
        triangles: at most so many, by quadric errors (Garland & Heckbert 1997); a vertex gets the colour of the nearest
            vertex that was there before
    """

    pieces: int | None = None
    smoothing: int | None = None
    triangles: int | None = None

    def __call__(self, surface: Surface) -> Surface:
        """The surface after the steps."""
        if self.pieces is not None and len(surface.faces):
            surface = _largest_pieces(surface, self.pieces)
        if self.smoothing is not None and len(surface.faces):
            mesh = trimesh.Trimesh(surface.vertices, surface.faces, process=False)
            smooth = trimesh.smoothing.filter_taubin(mesh, iterations=self.smoothing).vertices
            surface = Surface(np.array(smooth, np.float32), surface.faces, surface.colours)
        if self.triangles is not None and len(surface.faces) > self.triangles:
            surface = _simplified(surface, self.triangles)
        return surface


def _largest_pieces(surface: Surface, count: int) -> Surface:
    mesh = trimesh.Trimesh(surface.vertices, surface.faces, process=False)
    labels = trimesh.graph.connected_component_labels(mesh.edges, node_count=len(surface.vertices))[surface.faces[:, 0]]
    areas = np.bincount(labels, weights=mesh.area_faces)
    kept = np.isin(labels, np.argsort(-areas, kind="stable")[:count])
    return _with_faces(surface, surface.faces[kept])


def _with_faces(surface: Surface, faces: Int[np.ndarray, "faces 3"]) -> Surface:
    """Some of the faces, and the vertices that they need."""
    used, renumbered = np.unique(faces, return_inverse=True)
    return Surface(surface.vertices[used], renumbered.reshape(-1, 3), surface.colours[used])


def _simplified(surface: Surface, triangles: int) -> Surface:
    vertices, faces, *_ = fast_simplification.simplify(
        surface.vertices.astype(np.float64), surface.faces.astype(np.int32), target_count=triangles
    )
    nearest = KDTree(surface.vertices).query(vertices)[1]
    return Surface(vertices.astype(np.float32), faces.astype(np.int64), surface.colours[nearest])
