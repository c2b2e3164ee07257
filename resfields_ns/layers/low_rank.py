"""The paper's layer (Eq. 3, 4), in one piece and in chunks of frames for long sequences (A.6, Table A.9)."""

from abc import ABC, abstractmethod

import torch
from jaxtyping import Float
from torch import Tensor, nn

from resfields_ns.functional.residual_weights import Chunks, compose_weights, span, truncate_rank
from resfields_ns.layers.coefficients import INITIAL_STD, MakeCoefficients, SplineTable, frame_table
from resfields_ns.layers.linear import ResidualLinear


class CoefficientLinear(ResidualLinear, ABC):
    """A linear layer whose residual is made of coefficients v(t) and of parameters that all times share.

    Args:
        in_features: size of an input
        out_features: size of an output
        num_frames: frames of the sequence, at least 1
        rank: R, at least 1
        bias: whether to add b
        make_coefficients: makes v for a number of frames and of coefficients at a time; a row per frame by default
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        num_frames: int,
        rank: int,
        bias: bool = True,
        make_coefficients: MakeCoefficients = frame_table,
    ) -> None:
        super().__init__(in_features, out_features, num_frames, rank, bias)
        self.coefficients = make_coefficients(num_frames, self.num_coefficients)
        self.make_parameters()

    @property
    def num_coefficients(self) -> int:
        """Numbers at a time."""
        return self.rank

    @abstractmethod
    def make_parameters(self) -> None:
        """Make the parameters beside base weight, bias and coefficients."""

    def coefficients_at(self, times: Float[Tensor, "times"]) -> Float[Tensor, "times width"]:
        """Those of v at times in [0, 1]."""
        return self.coefficients(times)


class ResFieldLinear(CoefficientLinear):
    """y = (W + sum_r v_r(t) M_r) x + b (Eq. 3, 4)."""

    def make_parameters(self) -> None:
        """The basis M [R, out, in]; all of the residual is shown."""
        self.basis = nn.Parameter(INITIAL_STD * torch.randn(self.rank, self.out_features, self.in_features))
        self.show_residual(1.0, self.rank)

    @property
    def residual_rank(self) -> int:
        """R."""
        return self.rank

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

    def rates(self, times: Float[Tensor, "segments"]) -> tuple[Float[Tensor, "segments out in"], ...]:
        """First and second derivative of the matrices by time, whose coefficients are a spline; all of the residual."""
        assert isinstance(self.coefficients, SplineTable), "a table of rows has no second derivative by time"
        return tuple(span(self.coefficients.derivative(times, order), self.basis) for order in (1, 2))

    def _shown_coefficients(self, times: Float[Tensor, "segments"]) -> Float[Tensor, "segments rank"]:
        table = self.coefficients.table
        if self.shown_rank < self.rank:
            table = truncate_rank(table, self.basis, self.shown_rank)
        return self.shown_scale * self.coefficients.at(table, times)

    def _scale_weights(self, factors: Float[Tensor, "out"]) -> None:
        super()._scale_weights(factors)
        self.basis.mul_(factors[:, None])


class ChunkedLinear(ResidualLinear):
    """y = (W + D_c + sum_r v_cr(t) M_cr) x + b in chunk c of consecutive frames.

    Chunks of weights have a shared weight W + D_c of their own, D starting at 0; a single one is W alone. Chunks of
    residuals have coefficients and a basis of their own. The two may be different numbers; with one chunk of each it is
    `ResFieldLinear`.

    Args:
        in_features, out_features, num_frames, rank, bias, make_coefficients: as for `CoefficientLinear`
        weight_chunks: chunks of shared weights, at most the frames
        residual_chunks: chunks of residual weights, at most the frames
    """

    deviations: nn.Parameter | None

    def __init__(
        self,
        in_features: int,
        out_features: int,
        num_frames: int,
        rank: int,
        bias: bool = True,
        make_coefficients: MakeCoefficients = frame_table,
        weight_chunks: int = 1,
        residual_chunks: int = 1,
    ) -> None:
        super().__init__(in_features, out_features, num_frames, rank, bias)
        for name, count in (("weight_chunks", weight_chunks), ("residual_chunks", residual_chunks)):
            if not 1 <= count <= num_frames:
                raise ValueError(f"{name}: expected 1 to the {num_frames} frames, got {count}")
        self.weight_chunks = Chunks(num_frames, weight_chunks)
        self.residual_chunks = Chunks(num_frames, residual_chunks)
        deviations = nn.Parameter(torch.zeros(weight_chunks, out_features, in_features)) if weight_chunks > 1 else None
        self.register_parameter("deviations", deviations)
        self.coefficients = nn.ModuleList(
            make_coefficients(self.residual_chunks.size(chunk), rank) for chunk in range(residual_chunks)
        )
        self.basis = nn.Parameter(INITIAL_STD * torch.randn(residual_chunks, rank, out_features, in_features))

    def compose(self, times: Float[Tensor, "segments"]) -> Float[Tensor, "segments out in"]:
        """The layer's matrix at every time."""
        deviations = None if self.deviations is None else self.deviations.unbind(0)
        bases = self.basis.unbind(0)
        pairs = self.weight_chunks.index(times) * len(bases) + self.residual_chunks.index(times)
        groups, composed = [pairs[:0]], [self.weight[None][:0]]
        for pair in pairs.unique().tolist():
            (group,) = (pairs == pair).nonzero(as_tuple=True)
            weight_chunk, residual_chunk = divmod(pair, len(bases))
            local = self.residual_chunks.local_times(times[group], residual_chunk)
            weight = self.weight if deviations is None else self.weight + deviations[weight_chunk]
            composed.append(compose_weights(weight, self.coefficients[residual_chunk](local), bases[residual_chunk]))
            groups.append(group)
        return torch.cat(composed)[torch.cat(groups).argsort()]

    def coefficients_at(self, times: Float[Tensor, "times"]) -> Float[Tensor, "times width"]:
        """Those of each time's chunk, whose bases are not those of another."""
        chunks = self.residual_chunks.index(times)
        found = times.new_zeros(len(times), self.rank)
        for chunk in chunks.unique().tolist():
            local = self.residual_chunks.local_times(times[chunks == chunk], chunk)
            found[chunks == chunk] = self.coefficients[chunk](local)
        return found

    def _scale_weights(self, factors: Float[Tensor, "out"]) -> None:
        super()._scale_weights(factors)
        self.basis.mul_(factors[:, None])
        if self.deviations is not None:
            self.deviations.mul_(factors[:, None])
