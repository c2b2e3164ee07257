"""Weights that are nothing but a function of time (paper, Table 6)."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from resfields_ns.functional.residual_weights import span
from resfields_ns.layers.coefficients import INITIAL_STD
from resfields_ns.layers.residual.coefficient_linear import CoefficientLinear


class DirectLinear(CoefficientLinear):
    """y = (sum_r v_r(t) M_r) x + b: no weight is shared by all times.

    Starts close to zero, as the residual of `ResFieldLinear` does: what an MLP initialises weights to is lost.
    """

    def make_parameters(self) -> None:
        """The basis M [R, out, in]; there is no base weight."""
        del self.weight
        self.basis = nn.Parameter(INITIAL_STD * torch.randn(self.rank, self.out_features, self.in_features))

    @property
    def base_weights(self) -> list[Tensor]:
        """None."""
        return []

    def compose(self, times: Float[Tensor, "segments"]) -> Float[Tensor, "segments out in"]:
        """The layer's matrix at every time."""
        return span(self.coefficients(times), self.basis)
