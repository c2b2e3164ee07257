"""DeformingThings4D's `.anime`: headerless, little-endian.

int32 nf, nv, nt; float32 [nv, 3] vertices of frame 0; int32 [nt, 3] faces; float32 [nf - 1, nv, 3] offsets of the later
frames from frame 0.
"""

from pathlib import Path

import numpy as np

from resfields_ns.mesh_sequences.colours.blended_colours import colours_by_position
from resfields_ns.mesh_sequences.mesh_frame import MeshFrame, check_triangles
from resfields_ns.mesh_sequences.mesh_sequence import MeshSequence

_COUNTS_SIZE = 12  # bytes


class AnimeFile(MeshSequence):
    """A moving surface without colours: a point keeps the colour of its place in the box of frame 0."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.vertices, self.offsets, self.faces = _read(path)
        check_triangles(self.vertices, self.faces, f"{path}: frame 0")
        self.colours = colours_by_position(self.vertices, self.faces)

    def __len__(self) -> int:
        return len(self.offsets) + 1

    def frame(self, index: int) -> MeshFrame:
        vertices = self.vertices if index == 0 else self.vertices + self.offsets[index - 1]
        check_triangles(vertices, self.faces, f"{self.path}: frame {index}")
        return MeshFrame(vertices, self.faces, self.colours)


def _read(path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Vertices of frame 0, offsets of the others (as they lie in the file), and faces."""
    size = path.stat().st_size
    if size < _COUNTS_SIZE:
        raise ValueError(f"{path}: expected an .anime file of {_COUNTS_SIZE} bytes or more, found {size}")
    num_frames, num_vertices, num_triangles = (int(n) for n in np.fromfile(path, "<i4", 3))
    if min(num_frames, num_vertices, num_triangles) < 1:
        counts = f"{num_frames}, {num_vertices} and {num_triangles}"
        raise ValueError(f"{path}: expected one or more frames, vertices and triangles, found {counts}")
    expected = _COUNTS_SIZE + 4 * 3 * (num_vertices + num_triangles + (num_frames - 1) * num_vertices)
    if size != expected:
        raise ValueError(
            f"{path}: expected {expected} bytes for {num_frames} frames of {num_vertices} vertices and "
            f"{num_triangles} triangles, found {size}"
        )
    with path.open("rb") as file:
        file.seek(_COUNTS_SIZE)
        vertices = np.fromfile(file, "<f4", num_vertices * 3).reshape(-1, 3)
        faces = np.fromfile(file, "<i4", num_triangles * 3).reshape(-1, 3)
        offsets = np.fromfile(file, "<f4").reshape(-1, num_vertices, 3)
    return vertices.astype(np.float64), offsets, faces.astype(np.int64)
