"""What is known of implicit surfaces at points, and how a field's numbers are compared with it.

Signed distances, the paper's supervision (4.2).
"""

from abc import ABC, abstractmethod
from typing import ClassVar

import numpy as np
from jaxtyping import Float, Int
from torch import Tensor

from resfields_ns.captures.meshes.mesh_points import inside, sample_surface, signed_distances
from resfields_ns.functional.losses import absolute_percentage, occupancy_cross_entropy, oriented_points

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


class SignedDistances(Supervision):
    """Distances at 1/2 points on the surface, 3/8 near it and 1/8 anywhere, compared by MAPE (paper, A.3).

    Args:
        far_weight: how often points that are far from the surface count
    """

    is_distance = True
    needs_gradient = False
    needs_inside = True

    def __init__(self, far_weight: float = 1.0) -> None:
        self.far_weight = far_weight

    def draw(
        self,
        vertices: Float[np.ndarray, "vertices 3"],
        faces: Int[np.ndarray, "triangles 3"],
        count: int,
        rng: np.random.Generator,
    ) -> dict[str, np.ndarray]:
        on_surface, anywhere = count // 2, count // 8
        points = sample_surface(vertices, faces, count - anywhere, rng)[0]
        points[on_surface:] += NEAR_STD * rng.standard_normal(points[on_surface:].shape)
        points = np.concatenate((points, box_points(anywhere, rng)))
        distances = np.zeros(count, np.float32)
        distances[on_surface:] = signed_distances(points[on_surface:], vertices, faces)
        return {"points": points.astype(np.float32), "distances": distances}

    def losses(
        self, values: Float[Tensor, "points"], gradients: Float[Tensor, "points 3"] | None, known: dict[str, Tensor]
    ) -> dict[str, Float[Tensor, ""]]:
        del gradients
        return {"distance": absolute_percentage(values, known["distances"], self.far_weight)}


class OrientedPoints(Supervision):
    """Points on the surface with its normals, and as many anywhere, compared by Siren's loss (Sitzmann et al. 2020b).

    No distance is computed: the eikonal equation makes the field's number one. The normals decide what is inside.
    """

    is_distance = True
    needs_gradient = True
    needs_inside = False

    def draw(
        self,
        vertices: Float[np.ndarray, "vertices 3"],
        faces: Int[np.ndarray, "triangles 3"],
        count: int,
        rng: np.random.Generator,
    ) -> dict[str, np.ndarray]:
        on_surface = np.arange(count) < count // 2
        surface_points, surface_normals = sample_surface(vertices, faces, count // 2, rng)
        points = np.concatenate((surface_points, box_points(count - count // 2, rng)))
        normals = np.zeros((count, 3), np.float32)
        normals[on_surface] = surface_normals
        return {"points": points.astype(np.float32), "normals": normals, "on_surface": on_surface}

    def losses(
        self, values: Float[Tensor, "points"], gradients: Float[Tensor, "points 3"] | None, known: dict[str, Tensor]
    ) -> dict[str, Float[Tensor, ""]]:
        assert gradients is not None
        return oriented_points(values, gradients, known["normals"], known["on_surface"])


class Occupancy(Supervision):
    """Which side 1/2 points near the surface and 1/2 anywhere are on; it becomes the decision boundary.

    Occupancy networks (Mescheder et al. 2019), whose points are all anywhere: those near it make it sharp.
    """

    is_distance = False
    needs_gradient = False
    needs_inside = True

    def draw(
        self,
        vertices: Float[np.ndarray, "vertices 3"],
        faces: Int[np.ndarray, "triangles 3"],
        count: int,
        rng: np.random.Generator,
    ) -> dict[str, np.ndarray]:
        anywhere = count // 2
        near = sample_surface(vertices, faces, count - anywhere, rng)[0]
        near += NEAR_STD * rng.standard_normal(near.shape)
        points = np.concatenate((near, box_points(anywhere, rng)))
        return {"points": points.astype(np.float32), "inside": inside(points, vertices, faces)}

    def losses(
        self, values: Float[Tensor, "points"], gradients: Float[Tensor, "points 3"] | None, known: dict[str, Tensor]
    ) -> dict[str, Float[Tensor, ""]]:
        del gradients
        return {"occupancy": occupancy_cross_entropy(values, known["inside"])}
