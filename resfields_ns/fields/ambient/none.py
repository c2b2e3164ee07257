"""No ambient coordinates."""

from dataclasses import dataclass, field

from jaxtyping import Float
from torch import Tensor

from resfields_ns.fields.ambient.ambient import AmbientConfig, SpatiallyConstantAmbient
from resfields_ns.functional.segments import TimeSegments


@dataclass
class NoAmbientConfig(AmbientConfig):
    """The canonical position is all that the field sees."""

    _target: type = field(default_factory=lambda: NoAmbient)


class NoAmbient(SpatiallyConstantAmbient):
    """No numbers."""

    def __init__(self, config: NoAmbientConfig, condition_dim: int) -> None:
        del config, condition_dim
        super().__init__(out_dim=0)

    def forward(
        self,
        points: Float[Tensor, "points 3"],
        condition: Float[Tensor, "segments condition"],
        segments: TimeSegments,
    ) -> Float[Tensor, "points 0"]:
        """Nothing for every point."""
        del condition, segments
        return points[:, :0]
