"""Points with normals: all that a raw scan has."""

import numpy as np
from jaxtyping import Float, Int
from torch import Tensor

from resfields_ns.functional.surface_losses import oriented_points
from resfields_ns.supervisions.mesh_points import sample_surface
from resfields_ns.supervisions.supervision import Supervision, box_points


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
