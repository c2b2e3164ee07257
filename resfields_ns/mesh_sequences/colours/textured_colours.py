"""Colours of a picture that is wrapped around the surface."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int, UInt8
from scipy.ndimage import map_coordinates

from resfields_ns.mesh_sequences.colours.surface_colours import SurfaceColours, blend_corners


@dataclass(frozen=True)
class TexturedColours(SurfaceColours):
    """Each corner of each triangle has a place (u, v) in a picture, v measured from its top; the picture repeats."""

    corners: Float[np.ndarray, "triangles 3 2"]
    picture: UInt8[np.ndarray, "height width 3"]

    def at(
        self,
        triangles: Int[np.ndarray, "points"],  # noqa: F821
        barycentric: Float[np.ndarray, "points 3"],
    ) -> Float[np.ndarray, "points 3"]:
        height, width = self.picture.shape[:2]
        u, v = blend_corners(self.corners, triangles, barycentric).T
        places = np.stack([v * height - 0.5, u * width - 0.5])
        channels = [
            map_coordinates(self.picture[..., channel], places, np.float64, order=1, mode="grid-wrap")
            for channel in range(3)
        ]
        return np.stack(channels, axis=-1) / 255.0
