"""What has a surface that can be extracted."""

from abc import ABC, abstractmethod

from jaxtyping import Float
from torch import Tensor


class SurfaceModel(ABC):
    """A model with a surface at every time."""

    @property
    @abstractmethod
    def surface_box(self) -> Float[Tensor, "2 3"]:
        """Lower and upper corner of the box that holds the surface."""

    @abstractmethod
    def surface_level(self, points: Float[Tensor, "points 3"], time: float) -> Float[Tensor, "points"]:
        """A number that is negative inside and zero on the surface; infinite where the model knows that nothing is."""

    @abstractmethod
    def surface_colours(self, points: Float[Tensor, "points 3"], time: float) -> Float[Tensor, "points 3"]:
        """RGB in [0, 1] of points on the surface, each seen along its normal."""
