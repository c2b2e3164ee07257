"""Coefficients over time: rows of numbers, interpolated or as splines, and a loss on their roughness."""

from abc import ABC, abstractmethod
from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from resfields_ns import timeline
from resfields_ns.functional.curves import roughness, spline_weights
from resfields_ns.layers.part import Part

INITIAL_STD = 0.01  # of coefficients and of what they multiply (paper, A.1)


class Coefficients(Part, ABC):
    """Rows of numbers from which the numbers at a time in [0, 1] are made.

    Args:
        num_rows: T_i, at least 1
        width: length of a row
        std: rows start at N(0, std^2)
        smoothness_weight: of the loss `smoothness`, the rows' roughness
    """

    def __init__(self, num_rows: int, width: int, std: float, smoothness_weight: float = 0.0) -> None:
        super().__init__()
        self.table = nn.Parameter(std * torch.randn(num_rows, width))
        self.smoothness_weight = smoothness_weight

    @abstractmethod
    def at(
        self, table: Float[Tensor, "rows width"], times: Float[Tensor, "segments"]
    ) -> Float[Tensor, "segments width"]:
        """The numbers at times in [0, 1] that a table of as many rows stands for; linear in the table."""

    def forward(self, times: Float[Tensor, "segments"]) -> Float[Tensor, "segments width"]:
        """The numbers at times in [0, 1]."""
        return self.at(self.table, times)

    def losses(self) -> dict[str, Tensor]:
        """The weighted roughness of the rows over time, where its weight is above 0."""
        weight = self.smoothness_weight
        return {"smoothness": weight * roughness(self.table)} if weight > 0.0 else {}


MakeCoefficients = Callable[[int, int], Coefficients]  # from the frames of a sequence and the width


class TimeTable(Coefficients):
    """A matrix of T rows over time in [0, 1], row k at time k / (T - 1), linearly interpolated between.

    With as many rows as frames every frame looks up a row of its own, exactly; with fewer, neighbouring frames share
    rows.
    """

    def at(
        self, table: Float[Tensor, "rows width"], times: Float[Tensor, "segments"]
    ) -> Float[Tensor, "segments width"]:
        """The table's rows at times in [0, 1], linearly interpolated.

        At a row's own time, the derivative by time is that of what follows, so that times can be learned from there.
        """
        num_rows = table.shape[0]
        lower, upper = timeline.neighbouring_frames(times, num_rows)
        share = times.clamp(0.0, 1.0) * (num_rows - 1) - lower
        share = torch.where(upper == lower, share - share.detach(), share)[:, None]
        upper = (lower + 1).clamp(max=num_rows - 1)
        return table[lower] * (1.0 - share) + table[upper] * share


class SequenceTable(TimeTable):
    """A row of each of several sequences that follow one another; between two of them linearly interpolated.

    Args:
        lengths: frames of each sequence
        width: length of a row
        std: rows start at N(0, std^2)
    """

    sequence_of_frame: Tensor
    time_of_frame: Tensor

    def __init__(self, lengths: tuple[int, ...], width: int, std: float) -> None:
        super().__init__(len(lengths), width, std)
        times = [timeline.times_from_frames(torch.arange(length), length) for length in lengths]
        sequences = torch.arange(len(lengths)).repeat_interleave(torch.tensor(lengths))
        self.register_buffer("sequence_of_frame", sequences, persistent=False)
        self.register_buffer("time_of_frame", torch.cat(times), persistent=False)

    def at(
        self, table: Float[Tensor, "rows width"], times: Float[Tensor, "segments"]
    ) -> Float[Tensor, "segments width"]:
        """The rows of the sequences at times in [0, 1] of all."""
        return super().at(table[self.sequence_of_frame], times)

    def own_times(self, times: Float[Tensor, "segments"]) -> Float[Tensor, "segments"]:
        """The times within their sequence, in [0, 1]."""
        return super().at(self.time_of_frame[:, None], times)[:, 0]

    def become_one(self, rows: Float[Tensor, "frames width"]) -> None:
        """One sequence with a row for each frame, in place of the others."""
        frames = torch.arange(len(rows), device=rows.device)
        self.table = nn.Parameter(rows)
        self.sequence_of_frame, self.time_of_frame = frames, timeline.times_from_frames(frames, len(frames))


def frame_table(num_frames: int, width: int, fraction: float = 1.0, smoothness_weight: float = 0.0) -> TimeTable:
    """The paper's coefficients: a row for every frame, or for a share of the frames in (0, 1]."""
    if not 0.0 < fraction <= 1.0:
        raise ValueError(f"coefficient_fraction: expected a number in (0, 1], got {fraction}")
    return TimeTable(max(1, int(num_frames * fraction + 1e-6)), width, INITIAL_STD, smoothness_weight)


DEGREE = 3  # cubic: twice continuously differentiable


class SplineTable(Coefficients):
    """Control points of a uniform B-spline over time in [0, 1].

    Args:
        num_pieces: polynomial pieces, at least 1
        degree: p, at least 1; the curve is p - 1 times continuously differentiable
        width: length of a row
        smoothness_weight: as for `Coefficients`
    """

    def __init__(self, num_pieces: int, degree: int, width: int, smoothness_weight: float = 0.0) -> None:
        super().__init__(num_pieces + degree, width, INITIAL_STD, smoothness_weight)
        self.degree = degree

    def at(
        self, table: Float[Tensor, "rows width"], times: Float[Tensor, "segments"]
    ) -> Float[Tensor, "segments width"]:
        """The curve at times in [0, 1]."""
        return _curve(table, times, self.degree)

    def derivative(self, times: Float[Tensor, "segments"], order: int) -> Float[Tensor, "segments width"]:
        """The curve's derivative by time, of an order up to the degree: the curve of lower degree of the differences of
        the control points, times the number of pieces (de Boor 1972)."""
        num_pieces = self.table.shape[0] - self.degree
        return num_pieces**order * _curve(self.table.diff(n=order, dim=0), times, self.degree - order)


def _curve(
    table: Float[Tensor, "rows width"], times: Float[Tensor, "segments"], degree: int
) -> Float[Tensor, "segments width"]:
    first, weights = spline_weights(times, table.shape[0], degree)
    rows = first[:, None] + torch.arange(degree + 1, device=first.device)
    return (weights[..., None] * table[rows]).sum(dim=1)


def cubic_spline(num_frames: int, width: int, fraction: float = 1.0, smoothness_weight: float = 0.0) -> SplineTable:
    """A cubic spline with a piece between every two frames, or for a share in (0, 1] of these spans."""
    return SplineTable(max(1, round((num_frames - 1) * fraction)), DEGREE, width, smoothness_weight)
