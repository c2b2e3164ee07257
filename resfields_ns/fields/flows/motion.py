"""What all motion models share."""

from abc import ABC, abstractmethod

from jaxtyping import Float
from torch import Tensor

from resfields_ns.functional.flow import Flow
from resfields_ns.functional.segments import TimeSegments


class Motion(ABC):
    """Reads the flow of points from the numbers that an MLP gives for them; zeros are stillness.

    Args:
        num_outputs: how many numbers a point needs
    """

    def __init__(self, num_outputs: int) -> None:
        self.num_outputs = num_outputs

    @abstractmethod
    def __call__(
        self, raw: Float[Tensor, "points outputs"], points: Float[Tensor, "points 3"], segments: TimeSegments
    ) -> Flow:
        """Flow of points that come in segments of equal time."""
