"""Mesh sequences: what all share, their frames, their boxes, where they stand."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from jaxtyping import Float64, Int64
from rich.console import Console
from rich.progress import track

from resfields_ns.captures.meshes.colours import JoinedColours, SurfaceColours
from resfields_ns.captures.untrusted import check_numbers
from resfields_ns.options import Limits


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
    check_numbers(vertices, f"{name}: vertices")
    if faces.min() < 0 or faces.max() >= len(vertices):
        wrong = faces.min() if faces.min() < 0 else faces.max()
        raise ValueError(f"{name}: expected triangles of {len(vertices)} vertices, found vertex {wrong}")


class MeshSequence(ABC):
    """Frames of a moving surface; a frame is read, or computed, when it is asked for."""

    @abstractmethod
    def __len__(self) -> int:
        """Number of frames."""

    @abstractmethod
    def frame(self, index: int) -> MeshFrame:
        """One frame, in the units and axes of the source.

        Raises ValueError if what the source holds of it is broken.
        """


TURNED_UP = {
    "y": np.eye(3),
    "z": np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]]),
}
"""Rotations that turn the axis of this name to y."""


@dataclass(frozen=True)
class Placement:
    """world = metres_per_unit * (the source's point, turned so that its `up` axis is +y) + offset."""

    up: Literal["y", "z"] = "y"
    metres_per_unit: float = 1.0
    offset: tuple[float, float, float] = (0.0, 0.0, 0.0)

    def __post_init__(self) -> None:
        Limits(above=0).check("--metres-per-unit", self.metres_per_unit)
        for shift in self.offset:
            Limits().check("--offset", shift)

    def __call__(self, vertices: Float64[np.ndarray, "vertices 3"]) -> Float64[np.ndarray, "vertices 3"]:
        return self.metres_per_unit * vertices @ TURNED_UP[self.up].T + np.array(self.offset)


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


def sequence_bounds(
    sequence: MeshSequence, frames: list[int], placement: Placement, show_progress: bool, name: str
) -> Bounds:
    """The box of all vertices of the frames, once they are placed; errors call the sequence `name`."""
    lower, upper = np.full(3, np.inf), np.full(3, -np.inf)
    for frame in track(frames, "Reading the meshes", console=Console(stderr=True), disable=not show_progress):
        vertices = placement(sequence.frame(frame).vertices)
        lower, upper = np.minimum(lower, vertices.min(axis=0)), np.maximum(upper, vertices.max(axis=0))
    if not (upper > lower).any():
        raise ValueError(f"{name}: expected meshes with an extent, found all vertices at {lower.tolist()}")
    return Bounds(lower, upper)


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
class SequenceChain(MeshSequence):
    """Sequences that follow one another, as one."""

    parts: list[MeshSequence]

    def __len__(self) -> int:
        return sum(map(len, self.parts))

    def frame(self, index: int) -> MeshFrame:
        for part in self.parts:
            if index < len(part):
                return part.frame(index)
            index -= len(part)
        raise IndexError(index)


@dataclass(frozen=True)
class NormalisedSequence(MeshSequence):
    """Some frames of a sequence, normalised.

    Args:
        source: the sequence, which may be a chain of several
        frames: which of it
        normalisation: what moves them
        lengths: how many frames are of each of several sequences, which follow one another; None: it is one
    """

    source: MeshSequence
    frames: list[int]
    normalisation: Normalisation
    lengths: tuple[int, ...] | None = None

    def __len__(self) -> int:
        return len(self.frames)

    def frame(self, index: int) -> MeshFrame:
        frame = self.source.frame(self.frames[index])
        return replace(frame, vertices=self.normalisation.scale * frame.vertices + self.normalisation.offset)
