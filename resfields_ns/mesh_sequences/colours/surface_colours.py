"""What all ways to colour a surface share."""

from abc import ABC, abstractmethod

import numpy as np
from jaxtyping import Float, Int


class SurfaceColours(ABC):
    """Colours (sRGB, 0..1) of the points of a surface made of triangles."""

    @abstractmethod
    def at(
        self,
        triangles: Int[np.ndarray, "points"],  # noqa: F821
        barycentric: Float[np.ndarray, "points 3"],
    ) -> Float[np.ndarray, "points 3"]:
        """Colours of points, each given by its triangle's index and its weights of the triangle's corners."""


def blend_corners(
    corner_values: Float[np.ndarray, "triangles 3 values"],
    triangles: Int[np.ndarray, "points"],  # noqa: F821
    barycentric: Float[np.ndarray, "points 3"],
) -> Float[np.ndarray, "points values"]:
    """Values of points, blended from those of their triangles' corners."""
    return np.einsum("pc,pcv->pv", barycentric, corner_values[triangles])
