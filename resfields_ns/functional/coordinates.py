"""What a field without rays is asked: points, each at a time."""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from resfields_ns.functional.segments import TimeSegments


@dataclass(frozen=True)
class Coordinates:
    """Points in the units of their task, frame after frame; `segments` says how many there are of which time."""

    points: Float[Tensor, "points dims"]
    segments: TimeSegments
