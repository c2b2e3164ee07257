"""Residual weights by the Tucker decomposition (Tucker 1966; paper, Table 7)."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from resfields_ns.functional.residual_weights import span
from resfields_ns.layers.coefficients import INITIAL_STD, MakeCoefficients
from resfields_ns.layers.residual.coefficient_linear import CoefficientLinear
from resfields_ns.layers.time_table import frame_table


class TuckerLinear(CoefficientLinear):
    """y = (W + A (sum_r v_r(t) C_r) B^T) x + b.

    Args:
        in_features, out_features, num_frames, rank, bias, make_coefficients: as for `CoefficientLinear`
        matrix_rank: P, the rank over outputs, and Q, over inputs, where the layer is not smaller itself
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        num_frames: int,
        rank: int,
        bias: bool = True,
        make_coefficients: MakeCoefficients = frame_table,
        matrix_rank: int = 64,
    ) -> None:
        if matrix_rank < 1:
            raise ValueError(f"matrix_rank: expected at least 1, got {matrix_rank}")
        self.matrix_rank = matrix_rank
        super().__init__(in_features, out_features, num_frames, rank, bias, make_coefficients)

    def make_parameters(self) -> None:
        """The core C [R, P, Q] and the factors A [out, P] and B [in, Q]."""
        out_rank, in_rank = (min(self.matrix_rank, size) for size in (self.out_features, self.in_features))
        self.core = nn.Parameter(INITIAL_STD * torch.randn(self.rank, out_rank, in_rank))
        self.out_factors = nn.Parameter(INITIAL_STD * torch.randn(self.out_features, out_rank))
        self.in_factors = nn.Parameter(INITIAL_STD * torch.randn(self.in_features, in_rank))

    def compose(self, times: Float[Tensor, "segments"]) -> Float[Tensor, "segments out in"]:
        """The layer's matrix at every time."""
        return self.weight + self.out_factors @ span(self.coefficients(times), self.core) @ self.in_factors.T
