"""Weights that are multiplied over time (Mehta et al. 2021; paper, Table 6)."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from resfields_ns.functional.residual_weights import span
from resfields_ns.layers.coefficients import INITIAL_STD
from resfields_ns.layers.residual.coefficient_linear import CoefficientLinear


class ModulatedLinear(CoefficientLinear):
    """y = (W * sum_r v_r(t) M_r) x + b, entry by entry."""

    def make_parameters(self) -> None:
        """The basis M [R, out, in] around 1, and coefficients around 1 / R, so that the factor starts around 1."""
        self.basis = nn.Parameter(1.0 + INITIAL_STD * torch.randn(self.rank, self.out_features, self.in_features))
        with torch.no_grad():
            self.coefficients.table.add_(1.0 / self.rank)

    def compose(self, times: Float[Tensor, "segments"]) -> Float[Tensor, "segments out in"]:
        """The layer's matrix at every time."""
        return self.weight * span(self.coefficients(times), self.basis)
