"""Volume density from a field's number: VolSDF's and NeRF's."""

import math
from abc import ABC, abstractmethod
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from resfields_ns.functional.volume import laplace_density, laplace_depth, linear_depth


class Density(nn.Module, ABC):
    """Volume density from the number that a field gives for a point."""

    is_distance: ClassVar[bool]
    """Whether the number is a signed distance: negative inside, with a gradient of length one."""

    outward: ClassVar[float]
    """1 where the number grows outwards, -1 where it grows inwards."""

    @abstractmethod
    def forward(self, raw: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch"]:
        """Density, in the inverse of scene units."""

    @abstractmethod
    def depth(
        self, start: Float[Tensor, "*batch"], end: Float[Tensor, "*batch"], length: Float[Tensor, "*batch"]
    ) -> Float[Tensor, "*batch"]:
        """Optical depth of pieces of rays along which the number goes evenly from `start` to `end`."""

    @abstractmethod
    def level(self, raw: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch"]:
        """Zero on the surface, negative inside, growing outwards."""

    @abstractmethod
    def from_level(self, level: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch"]:
        """The field's number for a signed distance: what a field is fitted to that starts as a known shape."""

    def metrics(self) -> dict[str, Tensor]:
        """What to watch while training."""
        return {}


class LaplaceDensity(Density):
    """VolSDF's density of a signed distance, with learned scale beta.

    Args:
        initial_beta: start of beta, in scene units
    """

    MINIMUM = 1e-4
    is_distance: ClassVar[bool] = True
    outward: ClassVar[float] = 1.0

    def __init__(self, initial_beta: float) -> None:
        super().__init__()
        self.raw_beta = nn.Parameter(torch.tensor(initial_beta))

    @property
    def beta(self) -> Float[Tensor, ""]:
        """Width of the surface's soft edge, in scene units."""
        return self.raw_beta.abs() + self.MINIMUM

    def forward(self, raw: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch"]:
        """Density at a signed distance."""
        return laplace_density(raw, self.beta)

    def depth(
        self, start: Float[Tensor, "*batch"], end: Float[Tensor, "*batch"], length: Float[Tensor, "*batch"]
    ) -> Float[Tensor, "*batch"]:
        """Optical depth of pieces of rays along which the number goes evenly from `start` to `end`."""
        return laplace_depth(start, end, length, self.beta)

    def level(self, raw: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch"]:
        """The signed distance."""
        return raw

    def from_level(self, level: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch"]:
        """The signed distance."""
        return level

    def reach(self, share: float) -> Float[Tensor, ""]:
        """Distance before a flat surface at which a ray towards it has met this share of what stops it."""
        return self.beta * math.log(0.5 / share)

    def metrics(self) -> dict[str, Tensor]:
        """The width of the soft surface."""
        return {"beta": self.beta.detach()}


class ReLUDensity(Density):
    """max(scale x raw, 0) (Mildenhall et al. 2020, whose scale is 1).

    What is opaque has densities of 100 and more. A network whose number is the density itself must first learn so
    large an output, which takes longer than a short training.

    Args:
        surface_density: density at which a surface is extracted, in the inverse of scene units
        scale: density of the number 1
    """

    PER_DISTANCE = 100.0  # a field that starts as a known shape gains this density per unit of distance inside it
    is_distance: ClassVar[bool] = False
    outward: ClassVar[float] = -1.0

    def __init__(self, surface_density: float, scale: float = 1.0) -> None:
        super().__init__()
        self.surface_density, self.scale = surface_density, scale

    def forward(self, raw: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch"]:
        """The positive part."""
        return torch.relu(self.scale * raw)

    def depth(
        self, start: Float[Tensor, "*batch"], end: Float[Tensor, "*batch"], length: Float[Tensor, "*batch"]
    ) -> Float[Tensor, "*batch"]:
        """Optical depth of pieces of rays along which the number goes evenly from `start` to `end`."""
        return linear_depth(self.scale * start, self.scale * end, length)

    def level(self, raw: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch"]:
        """What is missing to the density of a surface."""
        return self.surface_density - self.scale * raw

    def from_level(self, level: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch"]:
        """Dense inside, negative outside."""
        return (self.surface_density - self.PER_DISTANCE * level) / self.scale
