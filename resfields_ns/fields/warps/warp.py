"""What all warps share."""

from abc import abstractmethod
from dataclasses import dataclass

from jaxtyping import Float
from nerfstudio.configs.base_config import InstantiateConfig
from torch import Tensor

from resfields_ns.fields.point_map import PointMap
from resfields_ns.functional.segments import TimeSegments


@dataclass
class WarpConfig(InstantiateConfig):
    """Which warp, and its sizes; `setup(condition_dim=...)` builds it for such conditions."""


class Warp(PointMap):
    """Takes observed points to canonical space; starts as the identity."""

    @abstractmethod
    def forward(
        self,
        points: Float[Tensor, "points 3"],
        condition: Float[Tensor, "segments condition"],
        segments: TimeSegments,
    ) -> Float[Tensor, "points 3"]:
        """The canonical points."""


class InvertibleWarp(Warp):
    """A warp that also leads back."""

    @abstractmethod
    def inverse(
        self,
        points_canonical: Float[Tensor, "points 3"],
        condition: Float[Tensor, "segments condition"],
        segments: TimeSegments,
    ) -> Float[Tensor, "points 3"]:
        """The observed points."""
