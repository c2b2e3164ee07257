"""Motion as rigid transformations."""

from jaxtyping import Float
from torch import Tensor

from resfields_ns.fields.flows.motion import Motion
from resfields_ns.functional.flow import Flow
from resfields_ns.functional.se3 import apply_twist
from resfields_ns.functional.segments import TimeSegments


class SE3Motion(Motion):
    """The numbers are two twists (w, v): a point x flows to exp(w, v) x (Park et al. 2021a, Wang et al. 2023a)."""

    def __init__(self) -> None:
        super().__init__(num_outputs=12)

    def __call__(
        self, raw: Float[Tensor, "points outputs"], points: Float[Tensor, "points 3"], segments: TimeSegments
    ) -> Flow:
        """The first six numbers forward, the others backward."""
        del segments
        rotation, translation, back_rotation, back_translation = raw.split(3, dim=-1)
        return Flow(
            forward=apply_twist(rotation, translation, points) - points,
            backward=apply_twist(back_rotation, back_translation, points) - points,
        )
