"""Colours of a surface seen through a tint."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from resfields_ns.mesh_sequences.colours.srgb import linear_from_srgb, srgb_from_linear
from resfields_ns.mesh_sequences.colours.surface_colours import SurfaceColours, blend_corners


@dataclass(frozen=True)
class TintedColours(SurfaceColours):
    """Colours multiplied, as amounts of light, by a factor (linear, 0..1) that the triangles' corners have."""

    colours: SurfaceColours
    corners: Float[np.ndarray, "triangles 3 3"]

    def at(
        self,
        triangles: Int[np.ndarray, "points"],  # noqa: F821
        barycentric: Float[np.ndarray, "points 3"],
    ) -> Float[np.ndarray, "points 3"]:
        tint = blend_corners(self.corners, triangles, barycentric)
        return srgb_from_linear(linear_from_srgb(self.colours.at(triangles, barycentric)) * tint)
