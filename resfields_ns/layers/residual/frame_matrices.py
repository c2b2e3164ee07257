"""Residual weights without a factorisation (Reiser et al. 2021; paper, Table 7)."""

from jaxtyping import Float
from torch import Tensor, nn

from resfields_ns.layers.residual.coefficient_linear import CoefficientLinear


class FrameMatricesLinear(CoefficientLinear):
    """y = (W + D(t)) x + b: the coefficients are a whole matrix; there is no rank."""

    @property
    def num_coefficients(self) -> int:
        """One for each entry of the matrix."""
        return self.out_features * self.in_features

    def make_parameters(self) -> None:
        """None; D starts at 0."""
        nn.init.zeros_(self.coefficients.table)

    def compose(self, times: Float[Tensor, "segments"]) -> Float[Tensor, "segments out in"]:
        """The layer's matrix at every time."""
        return self.weight + self.coefficients(times).view(-1, *self.weight.shape)
