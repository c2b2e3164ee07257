"""Residual weights as a product of two matrices, one of them over time (paper, Table 7)."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from resfields_ns.layers.coefficients import INITIAL_STD
from resfields_ns.layers.residual.coefficient_linear import CoefficientLinear


class MatrixMatrixLinear(CoefficientLinear):
    """y = (W + V(t) M) x + b: the coefficients are V [out, R]."""

    @property
    def num_coefficients(self) -> int:
        """One for each entry of V."""
        return self.out_features * self.rank

    def make_parameters(self) -> None:
        """The shared factor M [R, in]."""
        self.basis = nn.Parameter(INITIAL_STD * torch.randn(self.rank, self.in_features))

    def compose(self, times: Float[Tensor, "segments"]) -> Float[Tensor, "segments out in"]:
        """The layer's matrix at every time."""
        return self.weight + self.coefficients(times).view(-1, self.out_features, self.rank) @ self.basis
