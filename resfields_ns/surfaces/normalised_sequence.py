"""Mesh sequences moved into the box that fields are trained in."""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float64

from resfields_ns.mesh_sequences.bounds import Bounds
from resfields_ns.mesh_sequences.mesh_frame import MeshFrame
from resfields_ns.mesh_sequences.mesh_sequence import MeshSequence

ANIME_PADDING = 0.01  # in the file's units (the released code's)
BOX_PADDING = 0.05  # as a share of the longest side


@dataclass(frozen=True)
class Normalisation:
    """normalised = scale * source + offset."""

    scale: float
    offset: Float64[np.ndarray, "3"]

    @classmethod
    def of_extremes(cls, bounds: Bounds) -> "Normalisation":
        """The smallest and the largest coordinate of any axis, padded by 0.01 units, become -1 and 1.

        The released code's for `.anime` files. An axis that spans less than another stays off the middle.
        """
        lower, upper = bounds.lower.min() - ANIME_PADDING, bounds.upper.max() + ANIME_PADDING
        scale = 2.0 / (upper - lower)
        return cls(scale, np.full(3, -1.0 - scale * lower))

    @classmethod
    def of_box(cls, bounds: Bounds) -> "Normalisation":
        """The box, padded by 5% of its longest side, becomes centred and 2 long."""
        scale = 2.0 / bounds.padded(BOX_PADDING).size.max()
        return cls(scale, -scale * bounds.centre)

    @classmethod
    def none(cls) -> "Normalisation":
        """The source's own units."""
        return cls(1.0, np.zeros(3))

    @property
    def to_source(self) -> Float64[np.ndarray, "4 4"]:
        """Normalised to source."""
        matrix = np.diag([1.0 / self.scale] * 3 + [1.0])
        matrix[:3, 3] = -self.offset / self.scale
        return matrix


@dataclass(frozen=True)
class NormalisedSequence(MeshSequence):
    """Some frames of a sequence, normalised."""

    source: MeshSequence
    frames: list[int]
    normalisation: Normalisation

    def __len__(self) -> int:
        return len(self.frames)

    def frame(self, index: int) -> MeshFrame:
        frame = self.source.frame(self.frames[index])
        return replace(frame, vertices=self.normalisation.scale * frame.vertices + self.normalisation.offset)
