"""Signed distances, the paper's supervision (4.2)."""

import numpy as np
from jaxtyping import Float, Int
from torch import Tensor

from resfields_ns.functional.surface_losses import absolute_percentage
from resfields_ns.supervisions.mesh_points import sample_surface, signed_distances
from resfields_ns.supervisions.supervision import NEAR_STD, Supervision, box_points


class SignedDistances(Supervision):
    """Distances at 1/2 points on the surface, 3/8 near it and 1/8 anywhere, compared by MAPE (paper, A.3)."""

    is_distance = True
    needs_gradient = False
    needs_inside = True

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
        return {"distance": absolute_percentage(values, known["distances"])}
