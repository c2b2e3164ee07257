"""Rows of numbers over time: coefficients of residual layers, codes of frames."""

from jaxtyping import Float
from torch import Tensor

from resfields_ns import timeline
from resfields_ns.layers.coefficients import INITIAL_STD, Coefficients


class TimeTable(Coefficients):
    """A matrix of T rows over time in [0, 1], row k at time k / (T - 1), linearly interpolated between.

    With as many rows as frames every frame looks up a row of its own, exactly; with fewer, neighbouring frames share
    rows.
    """

    def at(
        self, table: Float[Tensor, "rows width"], times: Float[Tensor, "segments"]
    ) -> Float[Tensor, "segments width"]:
        """The table's rows at times in [0, 1], linearly interpolated."""
        num_rows = table.shape[0]
        lower, upper = timeline.neighbouring_frames(times, num_rows)
        share = (times.clamp(0.0, 1.0) * (num_rows - 1) - lower)[:, None] * (upper != lower)[:, None]
        return table[lower] * (1.0 - share) + table[upper] * share


def frame_table(num_frames: int, width: int, fraction: float = 1.0, smoothness_weight: float = 0.0) -> TimeTable:
    """The paper's coefficients: a row for every frame, or for a share of the frames in (0, 1]."""
    if not 0.0 < fraction <= 1.0:
        raise ValueError(f"coefficient_fraction: expected a number in (0, 1], got {fraction}")
    return TimeTable(max(1, int(num_frames * fraction + 1e-6)), width, INITIAL_STD, smoothness_weight)
