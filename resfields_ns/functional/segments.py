"""Runs of equal time in a batch sorted by time, and points that come in them.

Runs of equal time in a batch sorted by time.

Notation: B items (rays or points) fall into K segments; segment k holds sizes[k] consecutive items of one time.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True)
class TimeSegments:
    """Consecutive runs of equal time: segment k covers sizes[k] items at times[k] in [0, 1]."""

    times: Float[Tensor, "segments"]
    sizes: tuple[int, ...]

    @classmethod
    def from_times(cls, times: Float[Tensor, "batch"]) -> "TimeSegments":
        """Group consecutive equal times; sort the batch by time first to get the fewest segments."""
        distinct, sizes = torch.unique_consecutive(times, return_counts=True)
        return cls(distinct, tuple(sizes.tolist()))

    @classmethod
    def single(cls, times: Float[Tensor, "1"], size: int) -> "TimeSegments":
        """One time for all of `size` items."""
        return cls(times, (size,))

    def repeat(self, count: int) -> "TimeSegments":
        """The segments after each item has been replaced by `count` items (samples of a ray)."""
        return TimeSegments(self.times, tuple(size * count for size in self.sizes))

    def expand(self, per_segment: Float[Tensor, "segments *rest"]) -> Float[Tensor, "batch *rest"]:
        """Give every item the value of its segment."""
        if len(self.sizes) == 1:
            return per_segment.expand(self.sizes[0], *per_segment.shape[1:])
        counts = torch.tensor(self.sizes, dtype=torch.long, device=per_segment.device)
        return per_segment.repeat_interleave(counts, dim=0, output_size=sum(self.sizes))


@dataclass(frozen=True)
class Coordinates:
    """Points in the units of their task, frame after frame; `segments` says how many there are of which time."""

    points: Float[Tensor, "points dims"]
    segments: TimeSegments
