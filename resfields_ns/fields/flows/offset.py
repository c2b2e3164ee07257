"""Motion as offset vectors."""

from jaxtyping import Float
from torch import Tensor

from resfields_ns.fields.flows.motion import Motion
from resfields_ns.functional.flow import Flow
from resfields_ns.functional.segments import TimeSegments


class OffsetMotion(Motion):
    """The numbers are the two flow vectors (Li et al. 2021b, Prokudin et al. 2023)."""

    def __init__(self) -> None:
        super().__init__(num_outputs=6)

    def __call__(
        self, raw: Float[Tensor, "points outputs"], points: Float[Tensor, "points 3"], segments: TimeSegments
    ) -> Flow:
        """The first three numbers forward, the others backward."""
        del points, segments
        return Flow(*raw.split(3, dim=-1))
