"""Inside or outside, and nothing else."""

import numpy as np
from jaxtyping import Float, Int
from torch import Tensor

from resfields_ns.functional.surface_losses import occupancy_cross_entropy
from resfields_ns.supervisions.mesh_points import inside, sample_surface
from resfields_ns.supervisions.supervision import NEAR_STD, Supervision, box_points


class Occupancy(Supervision):
    """Which side 7/8 points near the surface and 1/8 anywhere are on; it becomes the decision boundary.

    Occupancy networks (Mescheder et al. 2019), at the points of the paper's signed distances.
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
        anywhere = count // 8
        near = sample_surface(vertices, faces, count - anywhere, rng)[0]
        near += NEAR_STD * rng.standard_normal(near.shape)
        points = np.concatenate((near, box_points(anywhere, rng)))
        return {"points": points.astype(np.float32), "inside": inside(points, vertices, faces)}

    def losses(
        self, values: Float[Tensor, "points"], gradients: Float[Tensor, "points 3"] | None, known: dict[str, Tensor]
    ) -> dict[str, Float[Tensor, ""]]:
        del gradients
        return {"occupancy": occupancy_cross_entropy(values, known["inside"])}
