"""Residual weights that a network regresses from time (Ha et al. 2017; paper, Table 7)."""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from resfields_ns import timeline
from resfields_ns.functional.residual_weights import compose_weights
from resfields_ns.layers.coefficients import INITIAL_STD
from resfields_ns.layers.encoding import WindowedPositionalEncoding
from resfields_ns.layers.residual.residual_linear import ResidualLinear


class HyperNetworkLinear(ResidualLinear):
    """y = (W + sum_r h_r(t) M_r) x + b: h is a small MLP of the encoded time, M the layer behind it.

    The paper gives no sizes; here the encoding has octaves down to the time between frames.

    Args:
        in_features, out_features, num_frames, rank, bias: as for `CoefficientLinear`
    """

    WIDTH = 64

    def __init__(self, in_features: int, out_features: int, num_frames: int, rank: int, bias: bool = True) -> None:
        super().__init__(in_features, out_features, num_frames, rank, bias)
        encoding = WindowedPositionalEncoding(1, math.ceil(math.log2(max(num_frames, 2))))
        self.network = nn.Sequential(
            encoding,
            nn.Linear(encoding.out_dim, self.WIDTH),
            nn.ReLU(),
            nn.Linear(self.WIDTH, self.WIDTH),
            nn.ReLU(),
            nn.Linear(self.WIDTH, rank),
        )
        self.basis = nn.Parameter(INITIAL_STD * torch.randn(rank, out_features, in_features))

    def compose(self, times: Float[Tensor, "segments"]) -> Float[Tensor, "segments out in"]:
        """The layer's matrix at every time."""
        return compose_weights(self.weight, self.network(timeline.network_times(times)[:, None]), self.basis)
