"""Boxes of mesh sequences."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64
from rich.console import Console
from rich.progress import track

from resfields_ns.mesh_sequences.mesh_sequence import MeshSequence
from resfields_ns.mesh_sequences.placement import Placement


@dataclass(frozen=True)
class Bounds:
    """A box along the axes."""

    lower: Float64[np.ndarray, "3"]
    upper: Float64[np.ndarray, "3"]

    @property
    def centre(self) -> Float64[np.ndarray, "3"]:
        return 0.5 * (self.lower + self.upper)

    @property
    def size(self) -> Float64[np.ndarray, "3"]:
        return self.upper - self.lower

    def padded(self, share: float) -> "Bounds":
        """The box, larger on every side by a share of its longest side."""
        padding = share * self.size.max()
        return Bounds(self.lower - padding, self.upper + padding)

    def moved(self, scale: float, offset: tuple[float, float, float]) -> "Bounds":
        """The box of scaled and moved points."""
        return Bounds(scale * self.lower + np.array(offset), scale * self.upper + np.array(offset))


def sequence_bounds(sequence: MeshSequence, frames: list[int], placement: Placement, show_progress: bool) -> Bounds:
    """The box of all vertices of the frames, once they are placed."""
    lower, upper = np.full(3, np.inf), np.full(3, -np.inf)
    for frame in track(frames, "Reading the meshes", console=Console(stderr=True), disable=not show_progress):
        vertices = placement(sequence.frame(frame).vertices)
        lower, upper = np.minimum(lower, vertices.min(axis=0)), np.maximum(upper, vertices.max(axis=0))
    if not (upper > lower).any():
        raise ValueError(f"expected meshes with an extent, found all vertices at {lower.tolist()}")
    return Bounds(lower, upper)
