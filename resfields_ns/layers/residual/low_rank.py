"""The layer of the paper."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from resfields_ns.functional.residual_weights import compose_weights, truncate_rank
from resfields_ns.layers.coefficients import INITIAL_STD
from resfields_ns.layers.residual.coefficient_linear import CoefficientLinear


class ResFieldLinear(CoefficientLinear):
    """y = (W + sum_r v_r(t) M_r) x + b (Eq. 3, 4)."""

    def make_parameters(self) -> None:
        """The basis M [R, out, in]; all of the residual is shown."""
        self.basis = nn.Parameter(INITIAL_STD * torch.randn(self.rank, self.out_features, self.in_features))
        self.show_residual(1.0, self.rank)

    def show_residual(self, scale: float, rank: int) -> None:
        """While not training, multiply the residual by `scale` and keep its best approximation of at most `rank`."""
        self.shown_scale = scale
        self.shown_rank = rank

    def compose(self, times: Float[Tensor, "segments"]) -> Float[Tensor, "matrices out in"]:
        """The layer's matrix at every time; one for all where the residual is not shown."""
        if not self.training and self.shown_scale * self.shown_rank == 0:
            return self.weight[None]
        coefficients = self.coefficients(times) if self.training else self._shown_coefficients(times)
        return compose_weights(self.weight, coefficients, self.basis)

    def _shown_coefficients(self, times: Float[Tensor, "segments"]) -> Float[Tensor, "segments rank"]:
        table = self.coefficients.table
        if self.shown_rank < self.rank:
            table = truncate_rank(table, self.basis, self.shown_rank)
        return self.shown_scale * self.coefficients.at(table, times)
