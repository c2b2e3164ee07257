"""The part that all densities share."""

from abc import ABC, abstractmethod
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor, nn


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
    def level(self, raw: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch"]:
        """Zero on the surface, negative inside, growing outwards."""

    @abstractmethod
    def from_level(self, level: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch"]:
        """The field's number for a signed distance: what a field is fitted to that starts as a known shape."""

    def metrics(self) -> dict[str, Tensor]:
        """What to watch while training."""
        return {}
