"""NeRF's density."""

from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from resfields_ns.fields.density import Density


class ReLUDensity(Density):
    """max(raw, 0) (Mildenhall et al. 2020).

    Args:
        surface_density: density at which a surface is extracted, in the inverse of scene units
    """

    PER_DISTANCE = 100.0  # a field that starts as a known shape gains this density per unit of distance inside it
    is_distance: ClassVar[bool] = False
    outward: ClassVar[float] = -1.0

    def __init__(self, surface_density: float) -> None:
        super().__init__()
        self.surface_density = surface_density

    def forward(self, raw: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch"]:
        """The positive part."""
        return torch.relu(raw)

    def level(self, raw: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch"]:
        """What is missing to the density of a surface."""
        return self.surface_density - raw

    def from_level(self, level: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch"]:
        """Dense inside, negative outside."""
        return self.surface_density - self.PER_DISTANCE * level
