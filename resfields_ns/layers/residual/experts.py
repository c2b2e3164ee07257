"""Residual weights of which the nearest in time holds (Hao et al. 2022; paper, Table 7)."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from resfields_ns import timeline
from resfields_ns.layers.residual.residual_linear import ResidualLinear


class ExpertsLinear(ResidualLinear):
    """y = (W + E_k) x + b, where expert k of R is the nearest in time; experts start at 0.

    Levels of experts are layers of an MLP with different numbers of them.

    Args:
        in_features, out_features, num_frames, bias: as for `ResFieldLinear`
        rank: R, the number of experts, spread evenly over time from its start to its end
    """

    def __init__(self, in_features: int, out_features: int, num_frames: int, rank: int, bias: bool = True) -> None:
        super().__init__(in_features, out_features, num_frames, rank, bias)
        self.experts = nn.Parameter(torch.zeros(rank, out_features, in_features))

    def compose(self, times: Float[Tensor, "segments"]) -> Float[Tensor, "segments out in"]:
        """The layer's matrix at every time."""
        return self.weight + self.experts[timeline.frames_from_times(times, self.rank)]
