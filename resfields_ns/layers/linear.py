"""Linear layers over time: what all share, the plain one, and the base of residual ones."""

from abc import ABC, abstractmethod
from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from resfields_ns.functional.segment_linear import segment_linear
from resfields_ns.functional.segments import TimeSegments
from resfields_ns.layers.part import Part


class TimeLinear(nn.Linear, Part, ABC):
    """A linear layer whose effect may depend on time, and which owns all of it.

    An MLP initialises the shared weights (`initialise`), multiplies by the matrices of `compose`, adds the bias, and
    lets the layer add its output residual behind the activation.
    """

    @abstractmethod
    def compose(self, times: Float[Tensor, "segments"]) -> Float[Tensor, "matrices out in"]:
        """The layer's matrix at every time in [0, 1]; one for all where they are the same."""

    def initialise(self, fill: Callable[[Tensor], object]) -> None:
        """Fill the weight [out, in] that holds for all times, in place."""
        fill(self.weight)

    @torch.no_grad()
    def scale_outputs(self, factors: Float[Tensor, "out"]) -> None:
        """Multiply every output, whatever its input and time, by a factor of its own, for good."""
        self._scale_weights(factors)
        if self.bias is not None:
            self.bias.mul_(factors)

    def start_at_rest(self) -> None:
        """Make the output zero at every time; training moves it from there."""
        self.scale_outputs(next(self.parameters()).new_zeros(self.out_features))

    def _scale_weights(self, factors: Float[Tensor, "out"]) -> None:
        """Multiply rows of the matrices that `compose` gives, and the output residual, by factors."""
        self.weight.mul_(factors[:, None])

    def add_output_residual(
        self, hidden: Float[Tensor, "points out"], segments: TimeSegments
    ) -> Float[Tensor, "points out"]:
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
        y = self.add_output_residual(y, segments).view(*ordered.shape[:-1], self.out_features)
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
