"""Residual weights by the canonical polyadic decomposition (Carroll & Chang 1970; paper, Table 7)."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from resfields_ns.layers.coefficients import INITIAL_STD
from resfields_ns.layers.residual.coefficient_linear import CoefficientLinear


class CPLinear(CoefficientLinear):
    """y = (W + sum_r v_r(t) a_r b_r^T) x + b."""

    def make_parameters(self) -> None:
        """The factors a [out, R] and b [in, R]."""
        self.out_factors = nn.Parameter(INITIAL_STD * torch.randn(self.out_features, self.rank))
        self.in_factors = nn.Parameter(INITIAL_STD * torch.randn(self.in_features, self.rank))

    def compose(self, times: Float[Tensor, "segments"]) -> Float[Tensor, "segments out in"]:
        """The layer's matrix at every time."""
        return self.weight + (self.coefficients(times)[:, None] * self.out_factors) @ self.in_factors.T
