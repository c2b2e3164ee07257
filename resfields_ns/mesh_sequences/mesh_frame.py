"""One frame of a mesh sequence."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64

from resfields_ns.mesh_sequences.colours.joined_colours import JoinedColours
from resfields_ns.mesh_sequences.colours.surface_colours import SurfaceColours


@dataclass(frozen=True)
class MeshFrame:
    """Triangles, and the colours of their points."""

    vertices: Float64[np.ndarray, "vertices 3"]
    faces: Int64[np.ndarray, "triangles 3"]
    colours: SurfaceColours


def join_frames(parts: list[MeshFrame]) -> MeshFrame:
    """Several surfaces as one."""
    if len(parts) == 1:
        return parts[0]
    starts = np.cumsum([0] + [len(part.vertices) for part in parts[:-1]])
    return MeshFrame(
        vertices=np.concatenate([part.vertices for part in parts]),
        faces=np.concatenate([part.faces + start for part, start in zip(parts, starts, strict=True)]),
        colours=JoinedColours([part.colours for part in parts], [len(part.faces) for part in parts]),
    )


def check_triangles(
    vertices: Float64[np.ndarray, "vertices 3"], faces: Int64[np.ndarray, "triangles 3"], name: str
) -> None:
    """Raise ValueError, naming the mesh by `name`, if it has no triangle, a wild vertex or a vertex that is missing."""
    if len(faces) == 0:
        raise ValueError(f"{name}: expected triangles, found none")
    if not np.isfinite(vertices).all():
        raise ValueError(f"{name}: expected finite vertices, found {vertices[~np.isfinite(vertices)][0]}")
    if faces.min() < 0 or faces.max() >= len(vertices):
        wrong = faces.min() if faces.min() < 0 else faces.max()
        raise ValueError(f"{name}: expected triangles of {len(vertices)} vertices, found vertex {wrong}")
