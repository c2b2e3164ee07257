"""Residuals of a layer's output (Karras et al. 2020; paper, Table 6)."""

from jaxtyping import Float
from torch import Tensor, nn

from resfields_ns.functional.segments import TimeSegments
from resfields_ns.layers.residual.coefficient_linear import CoefficientLinear


class OutputResidualLinear(CoefficientLinear):
    """y = W x + b, and v(t) [out] is added behind the activation; there is no rank."""

    @property
    def num_coefficients(self) -> int:
        """One for each output."""
        return self.out_features

    def make_parameters(self) -> None:
        """None; v starts at 0."""
        nn.init.zeros_(self.coefficients.table)

    def compose(self, times: Float[Tensor, "segments"]) -> Float[Tensor, "1 out in"]:
        """The weight, the same at every time."""
        del times
        return self.weight[None]

    def shifted(self, hidden: Float[Tensor, "points out"], segments: TimeSegments) -> Float[Tensor, "points out"]:
        """`hidden` plus v(t)."""
        return hidden + segments.expand(self.coefficients(segments.times))
