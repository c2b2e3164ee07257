"""Density with a learned sharpness."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from resfields_ns.functional.density import laplace_density


class LaplaceDensity(nn.Module):
    """VolSDF's density of a signed distance, with learned scale beta.

    Args:
        initial_beta: start of beta, in scene units
    """

    MINIMUM = 1e-4

    def __init__(self, initial_beta: float) -> None:
        super().__init__()
        self.raw_beta = nn.Parameter(torch.tensor(initial_beta))

    @property
    def beta(self) -> Float[Tensor, ""]:
        """Width of the surface's soft edge, in scene units."""
        return self.raw_beta.abs() + self.MINIMUM

    def forward(self, sdf: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch"]:
        """Density at a signed distance."""
        return laplace_density(sdf, self.beta)
