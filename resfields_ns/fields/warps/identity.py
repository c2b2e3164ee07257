"""No warp."""

from dataclasses import dataclass, field

from jaxtyping import Float
from torch import Tensor

from resfields_ns.fields.point_map import Pullback
from resfields_ns.fields.warps.warp import InvertibleWarp, WarpConfig
from resfields_ns.functional.segments import TimeSegments


@dataclass
class IdentityWarpConfig(WarpConfig):
    """Points stay where they are."""

    _target: type = field(default_factory=lambda: IdentityWarp)


class IdentityWarp(InvertibleWarp):
    """Points stay where they are."""

    def __init__(self, config: IdentityWarpConfig, condition_dim: int) -> None:
        del config, condition_dim
        super().__init__()

    def forward(
        self,
        points: Float[Tensor, "points 3"],
        condition: Float[Tensor, "segments condition"],
        segments: TimeSegments,
    ) -> Float[Tensor, "points 3"]:
        """The points."""
        del condition, segments
        return points

    def inverse(
        self,
        points_canonical: Float[Tensor, "points 3"],
        condition: Float[Tensor, "segments condition"],
        segments: TimeSegments,
    ) -> Float[Tensor, "points 3"]:
        """The points."""
        del condition, segments
        return points_canonical

    def with_pullback(
        self,
        points: Float[Tensor, "points 3"],
        condition: Float[Tensor, "segments condition"],
        segments: TimeSegments,
    ) -> tuple[Float[Tensor, "points 3"], Pullback]:
        """The points; gradients stay as they are as well."""
        del condition, segments
        return points, lambda gradient: gradient
