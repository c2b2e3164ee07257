"""Motion along trajectories that are sums of cosines."""

from jaxtyping import Float
from torch import Tensor

from resfields_ns.fields.flows.motion import Motion
from resfields_ns.functional.dct import dct_basis
from resfields_ns.functional.flow import Flow
from resfields_ns.functional.segments import TimeSegments


class DCTMotion(Motion):
    """The numbers are the coefficients c_k of a point's trajectory, which gives both flows (Wang et al. 2021a).

    Args:
        num_frames: N, the frames that a trajectory runs over
        num_functions: K, the cosines that it is made of
    """

    def __init__(self, num_frames: int, num_functions: int) -> None:
        super().__init__(num_outputs=3 * num_functions)
        self.num_frames = num_frames
        self.num_functions = num_functions

    def __call__(
        self, raw: Float[Tensor, "points outputs"], points: Float[Tensor, "points 3"], segments: TimeSegments
    ) -> Flow:
        """x(u + 1) - x(u) and x(u - 1) - x(u) at the point's own place u among the frames."""
        del points
        coefficients = raw.view(-1, self.num_functions, 3)
        here = segments.times * (self.num_frames - 1)
        basis, after, before = (
            dct_basis(places, self.num_frames, self.num_functions) for places in (here, here + 1.0, here - 1.0)
        )
        return Flow(
            forward=(coefficients * segments.expand(after - basis)[..., None]).sum(dim=1),
            backward=(coefficients * segments.expand(before - basis)[..., None]).sum(dim=1),
        )
