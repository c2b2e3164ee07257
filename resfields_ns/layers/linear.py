"""Linear layers over time: what all share, the plain one, and the base of residual ones."""

from abc import ABC, abstractmethod

import torch
from jaxtyping import Float
from torch import Tensor, nn

from resfields_ns.functional.segment_linear import segment_linear
from resfields_ns.functional.segments import TimeSegments


class TimeLinear(nn.Linear, ABC):
    """A linear layer whose effect may depend on time, and which owns all of it.

    An MLP multiplies by the matrices of `compose`, adds the bias, and lets the layer have the last word behind the
    activation (`shifted`).
    """

    @abstractmethod
    def compose(self, times: Float[Tensor, "segments"]) -> Float[Tensor, "matrices out in"]:
        """The layer's matrix at every time in [0, 1]; one for all where they are the same."""

    @property
    def base_weights(self) -> list[Tensor]:
        """The weights [out, in] that hold for all times, which an MLP initialises."""
        return [self.weight]

    @torch.no_grad()
    def start_at_rest(self) -> None:
        """Make the layer's effect zero at every time, in a way that training can leave again."""
        for weight in self.base_weights:
            weight.zero_()
        if self.bias is not None:
            self.bias.zero_()

    def shifted(self, hidden: Float[Tensor, "points out"], segments: TimeSegments) -> Float[Tensor, "points out"]:
        """`hidden`, behind the activation, plus what the layer adds to it whatever its input: nothing, for most."""
        del segments
        return hidden

    def forward(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, x: Float[Tensor, "batch *samples in"], times: Float[Tensor, "batch"]
    ) -> Float[Tensor, "batch *samples out"]:
        """Transform x with the weights of each item's time in [0, 1]; items may come in any order of time."""
        order = times.argsort(stable=True)
        ordered = x[order]
        points = ordered.flatten(end_dim=-2)
        segments = TimeSegments.from_times(times[order]).repeat(points.shape[0] // max(times.shape[0], 1))
        y = segment_linear(points, self.compose(segments.times), segments.sizes, self.bias)
        y = self.shifted(y, segments).view(*ordered.shape[:-1], self.out_features)
        return y[order.argsort()]


class PlainLinear(TimeLinear):
    """`nn.Linear` behind the interface of a layer over time: one matrix for all times."""

    def compose(self, times: Float[Tensor, "segments"]) -> Float[Tensor, "1 out in"]:
        """The weight, the same at every time."""
        del times
        return self.weight[None]


class ResidualLinear(TimeLinear, ABC):
    """A linear layer with a residual over a sequence.

    Args:
        in_features: size of an input
        out_features: size of an output
        num_frames: frames of the sequence, at least 1
        rank: R, at least 1
        bias: whether to add b
    """

    def __init__(self, in_features: int, out_features: int, num_frames: int, rank: int, bias: bool) -> None:
        super().__init__(in_features, out_features, bias=bias)
        if rank < 1:
            raise ValueError(f"rank: expected at least 1, got {rank}")
        if num_frames < 1:
            raise ValueError(f"num_frames: expected at least 1, got {num_frames}")
        self.rank = rank
