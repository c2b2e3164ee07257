"""Time-dependent coefficients v(t) of a residual layer (paper, Sec. 3)."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from resfields_ns import timeline


class TimeCoefficients(nn.Module):
    """A matrix of T_i rows over time in [0, 1], row k at time k / (T_i - 1), linearly interpolated between.

    With as many rows as frames every frame looks up a row of its own; with fewer, neighbouring frames share rows.

    Args:
        num_coefficients: T_i, the number of rows
        rank: R, the length of a row; rows start at N(0, 0.01^2) (paper, A.1)
    """

    def __init__(self, num_coefficients: int, rank: int) -> None:
        super().__init__()
        self.table = nn.Parameter(0.01 * torch.randn(num_coefficients, rank))

    def forward(self, times: Float[Tensor, "segments"]) -> Float[Tensor, "segments rank"]:
        """Coefficients at times in [0, 1]; exactly a row's own values at its node."""
        num_rows = self.table.shape[0]
        lower, upper = timeline.neighbouring_frames(times, num_rows)
        share = (times.clamp(0.0, 1.0) * (num_rows - 1) - lower)[:, None] * (upper != lower)[:, None]
        return self.table[lower] * (1.0 - share) + self.table[upper] * share
