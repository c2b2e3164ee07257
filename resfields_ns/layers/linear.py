"""Linear layers whose weights may depend on time (paper Eq. 3, 4)."""

from abc import ABC, abstractmethod

import torch
from jaxtyping import Float
from torch import Tensor, nn

from resfields_ns.functional.residual_weights import compose_weights, truncate_rank
from resfields_ns.functional.segment_linear import segment_linear
from resfields_ns.functional.segments import TimeSegments
from resfields_ns.layers.time_table import TimeTable, interpolate_rows

INITIAL_STD = 0.01  # of coefficients and basis (paper, A.1)


class TimeLinear(nn.Linear, ABC):
    """A linear layer whose matrix may depend on time."""

    @abstractmethod
    def compose(self, times: Float[Tensor, "segments"]) -> Float[Tensor, "matrices out in"]:
        """The layer's matrix at every time in [0, 1]; one for all where they are the same."""

    def forward(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, x: Float[Tensor, "batch *samples in"], times: Float[Tensor, "batch"]
    ) -> Float[Tensor, "batch *samples out"]:
        """Transform x with the weights of each item's time in [0, 1]; items may come in any order of time."""
        order = times.argsort(stable=True)
        ordered = x[order]
        points = ordered.flatten(end_dim=-2)
        segments = TimeSegments.from_times(times[order]).repeat(points.shape[0] // max(times.shape[0], 1))
        y = segment_linear(points, self.compose(segments.times), segments.sizes, self.bias)
        y = y.view(*ordered.shape[:-1], self.out_features)
        return y[order.argsort()]


class PlainLinear(TimeLinear):
    """`nn.Linear` behind the interface of a layer over time: one matrix for all times."""

    def compose(self, times: Float[Tensor, "segments"]) -> Float[Tensor, "1 out in"]:
        """The weight, the same at every time."""
        del times
        return self.weight[None]


class ResFieldLinear(TimeLinear):
    """y = (W + sum_r v_r(t) M_r) x + b (Eq. 3, 4).

    Args:
        in_features: size of an input
        out_features: size of an output
        num_frames: frames of the sequence, at least 1
        rank: R, the number of basis matrices, at least 1
        bias: whether to add b
        coefficient_fraction: coefficient rows T_i as a share of the frames, in (0, 1]; below 1, frames share rows
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        num_frames: int,
        rank: int,
        bias: bool = True,
        coefficient_fraction: float = 1.0,
    ) -> None:
        super().__init__(in_features, out_features, bias=bias)
        if rank < 1:
            raise ValueError(f"rank: expected at least 1, got {rank}")
        if num_frames < 1:
            raise ValueError(f"num_frames: expected at least 1, got {num_frames}")
        if not 0.0 < coefficient_fraction <= 1.0:
            raise ValueError(f"coefficient_fraction: expected a number in (0, 1], got {coefficient_fraction}")
        self.coefficients = TimeTable(max(1, int(num_frames * coefficient_fraction + 1e-6)), rank, INITIAL_STD)
        self.basis = nn.Parameter(INITIAL_STD * torch.randn(rank, out_features, in_features))
        self.rank = rank
        self.show_residual(1.0, rank)

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
        return self.shown_scale * interpolate_rows(table, times)
