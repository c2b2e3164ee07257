"""What is done to an extracted surface before it is written: stray pieces, smoothing, fewer triangles."""

from dataclasses import dataclass

import fast_simplification
import numpy as np
import trimesh
from jaxtyping import Bool, Float, Int
from scipy.spatial import KDTree

from resfields_ns.data.dynamic_dataset import DynamicDataset
from resfields_ns.data.visual_hull import hull_of_frame
from resfields_ns.export.surface import Surface
from resfields_ns.host.trained_run import TrainedRun
from resfields_ns.models.dynamic_model import DynamicModel

_HULL_RESOLUTION = 64  # cells along each side of the box


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


def supported_pieces(
    surface: Surface, hull: Bool[np.ndarray, "cells cells cells"], box: Float[np.ndarray, "2 3"]
) -> Surface:
    """The connected pieces of which at least half of the area lies in cells of the box that a visual hull holds."""
    mesh, labels = _pieces(surface)
    shares = (mesh.triangles_center - box[0]) / (box[1] - box[0])
    cells = np.clip((shares * hull.shape).astype(int), 0, np.array(hull.shape) - 1)
    held = hull[tuple(cells.T)]
    kept = np.bincount(labels, mesh.area_faces * held) >= 0.5 * np.bincount(labels, mesh.area_faces)
    return _with_faces(surface, surface.faces[kept[labels]])


def hull_of(run: TrainedRun, frame: int) -> Bool[np.ndarray, "cells cells cells"]:
    """The visual hull of a frame (counted from 0) in the run's box; ValueError where its capture has no masks."""
    dataset, model = run.train_dataset, run.model
    if not isinstance(model, DynamicModel) or not isinstance(dataset, DynamicDataset) or not dataset.capture.has_masks:
        raise ValueError("--pieces hull: expected a run on a capture with masks (rf-masks makes some), found none")
    return hull_of_frame(dataset, frame, _HULL_RESOLUTION, model.config.hull_least_views).numpy()


def _largest_pieces(surface: Surface, count: int) -> Surface:
    mesh, labels = _pieces(surface)
    areas = np.bincount(labels, weights=mesh.area_faces)
    kept = np.isin(labels, np.argsort(-areas, kind="stable")[:count])
    return _with_faces(surface, surface.faces[kept])


def _pieces(surface: Surface) -> tuple[trimesh.Trimesh, Int[np.ndarray, "faces"]]:
    """The mesh, and the number of the connected piece that each face belongs to."""
    mesh = trimesh.Trimesh(surface.vertices, surface.faces, process=False)
    labels = trimesh.graph.connected_component_labels(mesh.edges, node_count=len(surface.vertices))
    return mesh, labels[surface.faces[:, 0]]


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
