"""What all ambient coordinates share."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from nerfstudio.configs.base_config import InstantiateConfig
from torch import Tensor

from resfields_ns.fields.point_map import PointMap, Pullback
from resfields_ns.functional.segments import TimeSegments


@dataclass
class AmbientConfig(InstantiateConfig):
    """Which ambient coordinates, and their sizes; `setup(condition_dim=...)` builds them for such conditions."""


class AmbientCoordinates(PointMap):
    """What a field sees of an observed point besides its canonical position (Park et al. 2021b).

    Args:
        out_dim: how many numbers
    """

    def __init__(self, out_dim: int) -> None:
        super().__init__()
        self.out_dim = out_dim


class SpatiallyConstantAmbient(AmbientCoordinates):
    """Ambient coordinates that all points of a moment share."""

    def with_pullback(
        self,
        points: Float[Tensor, "points 3"],
        condition: Float[Tensor, "segments condition"],
        segments: TimeSegments,
    ) -> tuple[Float[Tensor, "points ambient"], Pullback]:
        """The coordinates; their gradient in space is zero."""
        return self(points, condition, segments), lambda gradient: torch.zeros_like(points)
