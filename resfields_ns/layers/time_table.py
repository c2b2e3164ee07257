"""Rows of numbers over time: coefficients of residual layers, codes of frames."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from resfields_ns import timeline


class TimeTable(nn.Module):
    """A matrix of T rows over time in [0, 1], row k at time k / (T - 1), linearly interpolated between.

    With as many rows as frames every frame looks up a row of its own; with fewer, neighbouring frames share rows.

    Args:
        num_rows: T
        width: length of a row
        std: rows start at N(0, std^2)
    """

    def __init__(self, num_rows: int, width: int, std: float) -> None:
        super().__init__()
        self.table = nn.Parameter(std * torch.randn(num_rows, width))

    def forward(self, times: Float[Tensor, "segments"]) -> Float[Tensor, "segments width"]:
        """Rows at times in [0, 1]; exactly a row's own values at its node."""
        return interpolate_rows(self.table, times)


def interpolate_rows(
    table: Float[Tensor, "rows width"], times: Float[Tensor, "segments"]
) -> Float[Tensor, "segments width"]:
    """The table's rows at times in [0, 1], linearly interpolated."""
    num_rows = table.shape[0]
    lower, upper = timeline.neighbouring_frames(times, num_rows)
    share = (times.clamp(0.0, 1.0) * (num_rows - 1) - lower)[:, None] * (upper != lower)[:, None]
    return table[lower] * (1.0 - share) + table[upper] * share
