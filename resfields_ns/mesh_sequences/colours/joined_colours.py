"""Colours of a surface made of parts."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from resfields_ns.mesh_sequences.colours.surface_colours import SurfaceColours


@dataclass(frozen=True)
class JoinedColours(SurfaceColours):
    """Parts with colours of their own; the triangles of part i follow those of the parts before it."""

    parts: list[SurfaceColours]
    counts: list[int]
    """Number of triangles of each part."""

    def at(
        self,
        triangles: Int[np.ndarray, "points"],  # noqa: F821
        barycentric: Float[np.ndarray, "points 3"],
    ) -> Float[np.ndarray, "points 3"]:
        ends = np.cumsum(self.counts)
        part_of_point = np.searchsorted(ends, triangles, side="right")
        colours = np.zeros((len(triangles), 3))
        for index, part in enumerate(self.parts):
            chosen = part_of_point == index
            colours[chosen] = part.at(triangles[chosen] - (ends[index] - self.counts[index]), barycentric[chosen])
        return colours
