"""Surfaces as mesh files with vertex colours."""

from pathlib import Path

import numpy as np
import trimesh
from jaxtyping import Float

from resfields_ns.export.surface import Surface
from resfields_ns.export.write_aside import write_aside


def write_mesh(surface: Surface, path: Path, transform: Float[np.ndarray, "4 4"]) -> None:
    """Write a surface, its points moved by `transform`, to a ply, obj or glb file, as the suffix says.

    Faces look outward after the transform too. The file appears whole or not at all.
    """
    colours = np.round(255.0 * surface.colours).astype(np.uint8)
    mesh = trimesh.Trimesh(surface.vertices, surface.faces, vertex_colors=colours, process=False)
    mesh.apply_transform(transform)
    with write_aside(path) as partial:
        mesh.export(partial)
