"""What has a surface that can be extracted."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from jaxtyping import Bool, Float
from torch import Tensor

DISTANCE_SLOPE = 2.0  # of learned signed distances; the eikonal loss asks for 1


class SurfaceModel(ABC):
    """A model with a surface at every time."""

    sides_alone: bool = False
    """Whether the sign of levels alone means something: their size is no bound of where the surface may be."""
    with_normals: bool = True
    """Whether pictures hold normals too where these cost extra."""

    @property
    @abstractmethod
    def surface_box(self) -> Float[Tensor, "2 3"]:
        """Lower and upper corner of the box that holds the surface."""

    @property
    @abstractmethod
    def surface_slope(self) -> float | None:
        """How much the level changes at most over a distance of one; None where nothing bounds it."""

    @abstractmethod
    def surface_level(self, points: Float[Tensor, "points 3"], time: float) -> Float[Tensor, "points"]:
        """A number that is negative inside and zero on the surface."""

    def occupied(self, points: Float[Tensor, "points 3"], time: float) -> Bool[Tensor, "points"]:
        """Whether there can be something at points, as far as the model knows beside the level."""
        del time
        return torch.ones_like(points[:, 0], dtype=torch.bool)

    @property
    def view_basis(self) -> Callable[[Float[Tensor, "views 3"]], Float[Tensor, "views functions"]] | None:
        """The functions of a unit direction of view of which colours are made, where they are made of some."""
        return None

    def view_coefficients(
        self, points: Float[Tensor, "points 3"], time: float
    ) -> Float[Tensor, "points functions_and_one 3"]:
        """What points on the surface have of these functions, that of no direction first: colours are the sigmoid of
        the sum."""
        raise NotImplementedError

    @abstractmethod
    def surface_colours(self, points: Float[Tensor, "points 3"], time: float) -> Float[Tensor, "points 3"]:
        """RGB in [0, 1] of points on the surface, each seen along its normal."""


@contextmanager
def without_normals(model: object) -> Iterator[None]:
    """Leave out of the block's pictures the normals that cost extra, of a model that has any."""
    if not isinstance(model, SurfaceModel):
        yield
        return
    before, model.with_normals = model.with_normals, False
    try:
        yield
    finally:
        model.with_normals = before
