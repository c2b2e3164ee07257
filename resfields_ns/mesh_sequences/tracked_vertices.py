"""Mesh sequences of one topology: every vertex is tracked through all frames."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64

from resfields_ns.mesh_sequences.mesh_sequence import MeshSequence


@dataclass(frozen=True)
class TrackedVertices:
    """Where every vertex is at every frame, and the triangles that they keep."""

    positions: Float64[np.ndarray, "frames vertices 3"]
    faces: Int64[np.ndarray, "triangles 3"]


def read_tracked_vertices(sequence: MeshSequence, frames: list[int], name: str) -> TrackedVertices:
    """Read frames of a sequence; errors call it `name`.

    Raises ValueError if the frames do not share one topology: as many vertices, and the same triangles of them.
    """
    first = sequence.frame(frames[0])
    positions = np.empty((len(frames), *first.vertices.shape))
    for place, index in enumerate(frames):
        frame = sequence.frame(index)
        if len(frame.vertices) != len(first.vertices) or not np.array_equal(frame.faces, first.faces):
            found = f"{len(frame.vertices)} vertices and {len(frame.faces)} triangles"
            if (len(frame.vertices), len(frame.faces)) == (len(first.vertices), len(first.faces)):
                found = "other triangles of as many vertices"
            raise ValueError(
                f"{name}: expected one topology, the {len(first.vertices)} vertices and {len(first.faces)} triangles "
                f"of frame {frames[0]} at every frame, found {found} at frame {index}"
            )
        positions[place] = frame.vertices
    return TrackedVertices(positions, first.faces)
