"""Other ways in which weights may depend on time, which the paper compares with (Tables 6 and 7)."""

import math
from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from resfields_ns import timeline
from resfields_ns.functional.residual_weights import compose_weights, span
from resfields_ns.functional.segments import TimeSegments
from resfields_ns.layers.coefficients import INITIAL_STD, MakeCoefficients, frame_table
from resfields_ns.layers.encodings import PositionalEncoding
from resfields_ns.layers.linear import ResidualLinear
from resfields_ns.layers.low_rank import CoefficientLinear


class OutputResidualLinear(CoefficientLinear):
    """y = W x + b, and v(t) [out] is added behind the activation; there is no rank (Karras et al. 2020; Table 6)."""

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

    def add_output_residual(
        self, hidden: Float[Tensor, "points out"], segments: TimeSegments
    ) -> Float[Tensor, "points out"]:
        """`hidden` plus v(t)."""
        return hidden + segments.expand(self.coefficients(segments.times))

    def _scale_weights(self, factors: Float[Tensor, "out"]) -> None:
        super()._scale_weights(factors)
        self.coefficients.table.mul_(factors)


class ModulatedLinear(CoefficientLinear):
    """y = (W * sum_r v_r(t) M_r) x + b, entry by entry (Mehta et al. 2021; Table 6)."""

    def make_parameters(self) -> None:
        """The basis M [R, out, in] around 1, and coefficients around 1 / R, so that the factor starts around 1."""
        self.basis = nn.Parameter(1.0 + INITIAL_STD * torch.randn(self.rank, self.out_features, self.in_features))
        with torch.no_grad():
            self.coefficients.table.add_(1.0 / self.rank)

    def compose(self, times: Float[Tensor, "segments"]) -> Float[Tensor, "segments out in"]:
        """The layer's matrix at every time."""
        return self.weight * span(self.coefficients(times), self.basis)


class DirectLinear(CoefficientLinear):
    """y = (sum_r v_r(t) M_r) x + b: no weight is shared by all times (Table 6).

    Starts close to zero, as the residual of `ResFieldLinear` does: what an MLP initialises weights to is lost.
    """

    def make_parameters(self) -> None:
        """The basis M [R, out, in]; there is no base weight."""
        del self.weight
        self.basis = nn.Parameter(INITIAL_STD * torch.randn(self.rank, self.out_features, self.in_features))

    def initialise(self, fill: Callable[[Tensor], object]) -> None:
        """Nothing holds for all times."""
        del fill

    def compose(self, times: Float[Tensor, "segments"]) -> Float[Tensor, "segments out in"]:
        """The layer's matrix at every time."""
        return span(self.coefficients(times), self.basis)

    def _scale_weights(self, factors: Float[Tensor, "out"]) -> None:
        self.basis.mul_(factors[:, None])


class FrameMatricesLinear(CoefficientLinear):
    """y = (W + D(t)) x + b: the coefficients are a whole matrix; there is no rank (Reiser et al. 2021; Table 7)."""

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

    def _scale_weights(self, factors: Float[Tensor, "out"]) -> None:
        super()._scale_weights(factors)
        self.coefficients.table.unflatten(1, self.weight.shape).mul_(factors[:, None])


class MatrixMatrixLinear(CoefficientLinear):
    """y = (W + V(t) M) x + b: the coefficients are V [out, R] (Table 7)."""

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

    def _scale_weights(self, factors: Float[Tensor, "out"]) -> None:
        super()._scale_weights(factors)
        self.coefficients.table.unflatten(1, (self.out_features, self.rank)).mul_(factors[:, None])


class HyperNetworkLinear(ResidualLinear):
    """y = (W + sum_r h_r(t) M_r) x + b: h is a small MLP of the encoded time, M the layer behind it.

    Ha et al. 2017; Table 7. The paper gives no sizes; here the encoding has octaves down to the time between frames.

    Args:
        in_features, out_features, num_frames, rank, bias: as for `CoefficientLinear`
    """

    WIDTH = 64

    def __init__(self, in_features: int, out_features: int, num_frames: int, rank: int, bias: bool = True) -> None:
        super().__init__(in_features, out_features, num_frames, rank, bias)
        encoding = PositionalEncoding(1, math.ceil(math.log2(max(num_frames, 2))))
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

    def _scale_weights(self, factors: Float[Tensor, "out"]) -> None:
        super()._scale_weights(factors)
        self.basis.mul_(factors[:, None])


class CPLinear(CoefficientLinear):
    """y = (W + sum_r v_r(t) a_r b_r^T) x + b (canonical polyadic, Carroll & Chang 1970; Table 7)."""

    def make_parameters(self) -> None:
        """The factors a [out, R] and b [in, R]."""
        self.out_factors = nn.Parameter(INITIAL_STD * torch.randn(self.out_features, self.rank))
        self.in_factors = nn.Parameter(INITIAL_STD * torch.randn(self.in_features, self.rank))

    def compose(self, times: Float[Tensor, "segments"]) -> Float[Tensor, "segments out in"]:
        """The layer's matrix at every time."""
        return self.weight + (self.coefficients(times)[:, None] * self.out_factors) @ self.in_factors.T

    def _scale_weights(self, factors: Float[Tensor, "out"]) -> None:
        super()._scale_weights(factors)
        self.out_factors.mul_(factors[:, None])


class TuckerLinear(CoefficientLinear):
    """y = (W + A (sum_r v_r(t) C_r) B^T) x + b (Tucker 1966; Table 7).

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

    def _scale_weights(self, factors: Float[Tensor, "out"]) -> None:
        super()._scale_weights(factors)
        self.out_factors.mul_(factors[:, None])


class ExpertsLinear(ResidualLinear):
    """y = (W + E_k) x + b, where expert k of R is the nearest in time; experts start at 0 (Hao et al. 2022; Table 7).

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

    def _scale_weights(self, factors: Float[Tensor, "out"]) -> None:
        super()._scale_weights(factors)
        self.experts.mul_(factors[:, None])
