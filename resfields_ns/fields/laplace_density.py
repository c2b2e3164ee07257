"""VolSDF's density."""

from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from resfields_ns.fields.density import Density
from resfields_ns.functional.density import laplace_density


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

    def level(self, raw: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch"]:
        """The signed distance."""
        return raw

    def from_level(self, level: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch"]:
        """The signed distance."""
        return level

    def metrics(self) -> dict[str, Tensor]:
        """The width of the soft surface."""
        return {"beta": self.beta.detach()}
