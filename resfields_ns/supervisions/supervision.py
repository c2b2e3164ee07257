"""What all supervisions of implicit surfaces share."""

from abc import ABC, abstractmethod
from typing import ClassVar

import numpy as np
from jaxtyping import Float, Int
from torch import Tensor

NEAR_STD = 0.01  # of the offsets of points near the surface (paper, A.3), in units of the box [-1, 1]^3


class Supervision(ABC):
    """What is known of a surface at points in [-1, 1]^3, and how a field's numbers are compared with it."""

    is_distance: ClassVar[bool]
    """Whether the field's number becomes a distance; else its sign alone means something."""
    needs_gradient: ClassVar[bool]
    """Whether the comparison asks for the field's gradient by the point."""
    needs_inside: ClassVar[bool]
    """Whether the surface must have an inside, which holes leave open."""

    @abstractmethod
    def draw(
        self,
        vertices: Float[np.ndarray, "vertices 3"],
        faces: Int[np.ndarray, "triangles 3"],
        count: int,
        rng: np.random.Generator,
    ) -> dict[str, np.ndarray]:
        """`points` float32 [count, 3] around a surface, kind after kind, and what is known at them by name."""

    @abstractmethod
    def losses(
        self, values: Float[Tensor, "points"], gradients: Float[Tensor, "points 3"] | None, known: dict[str, Tensor]
    ) -> dict[str, Float[Tensor, ""]]:
        """The weighted terms of the loss of a field's numbers, negative inside, given what is known at the points."""


def box_points(count: int, rng: np.random.Generator) -> Float[np.ndarray, "count 3"]:
    """Uniform points in [-1, 1]^3."""
    return rng.uniform(-1.0, 1.0, (count, 3))
