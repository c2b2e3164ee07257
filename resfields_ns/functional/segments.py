"""Runs of equal time in a batch sorted by time, and points that come in them.

Notation: B items (rays or points) fall into K segments; segment k holds sizes[k] consecutive items of one time.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from itertools import accumulate
from typing import Any, TypeVar

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

Points = TypeVar("Points", bound="TimedPoints")


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
    def from_sizes(cls, times: Float[Tensor, "batch"], sizes: tuple[int, ...]) -> "TimeSegments":
        """Runs of known sizes, each of the time of its first item; empty ones are left out. Differentiable."""
        starts = [sum(sizes[:index]) for index, size in enumerate(sizes) if size > 0]
        return cls(torch.cat([times[start : start + 1] for start in starts]), tuple(size for size in sizes if size > 0))

    @classmethod
    def single(cls, times: Float[Tensor, "1"], size: int) -> "TimeSegments":
        """One time for all of `size` items."""
        return cls(times, (size,))

    def repeat(self, count: int) -> "TimeSegments":
        """The segments after each item has been replaced by `count` items (samples of a ray)."""
        return TimeSegments(self.times, tuple(size * count for size in self.sizes))

    def rows(self, start: int, stop: int) -> "TimeSegments":
        """The segments of the items from `start` to before `stop`."""
        ends = accumulate(self.sizes)
        sizes = [min(end, stop) - max(end - size, start) for size, end in zip(self.sizes, ends, strict=True)]
        kept = [index for index, size in enumerate(sizes) if size > 0]
        return TimeSegments(self.times[kept], tuple(sizes[index] for index in kept))

    def expand(self, per_segment: Shaped[Tensor, "segments *rest"]) -> Shaped[Tensor, "batch *rest"]:
        """Give every item the value of its segment."""
        if len(self.sizes) == 1:
            return per_segment.expand(self.sizes[0], *per_segment.shape[1:])
        counts = _counts(per_segment.device, self.sizes)
        return per_segment.repeat_interleave(counts, dim=0, output_size=sum(self.sizes))


class SizeTable:
    """Tensors made of sizes of segments: the last 64, and for good those that a recorded CUDA graph reads.

    Args:
        make: the tensor on the CPU, of the sizes and of what else it depends on
    """

    def __init__(self, make: Callable[..., Tensor]) -> None:
        self.recent = lru_cache(maxsize=64)(lambda device, *of: make(*of).to(device))
        self.recorded: dict[tuple[Any, ...], Tensor] = {}

    def __call__(self, device: torch.device, *of: Any) -> Tensor:
        """The tensor on a device."""
        key = (device, *of)
        if device.type == "cuda" and torch.cuda.is_current_stream_capturing():
            self.recorded.setdefault(key, self.recent(*key))
        return self.recorded[key] if key in self.recorded else self.recent(*key)


_counts = SizeTable(partial(torch.tensor, dtype=torch.long))


@dataclass(frozen=True)
class TimedPoints:
    """Points in the units of their task, in segments of equal time."""

    positions: Float[Tensor, "points dims"]
    segments: TimeSegments

    @classmethod
    def from_times(cls, positions: Float[Tensor, "points dims"], times: Float[Tensor, "points"]) -> "TimedPoints":
        """Points each of which has a time in [0, 1]; sort them by time first to get the fewest segments."""
        return TimedPoints(positions, TimeSegments.from_times(times))

    @classmethod
    def at(cls, positions: Float[Tensor, "points dims"], time: float | Float[Tensor, ""]) -> "TimedPoints":
        """Points of one time in [0, 1]."""
        times = torch.as_tensor(time, dtype=positions.dtype, device=positions.device).reshape(1)
        return TimedPoints(positions, TimeSegments.single(times, len(positions)))

    def rows(self: Points, start: int, stop: int) -> Points:
        """The points from `start` to before `stop`."""
        return replace(self, positions=self.positions[start:stop], segments=self.segments.rows(start, stop))

    def moved(self: Points, positions: Float[Tensor, "points dims"]) -> Points:
        """As many points elsewhere, at the same moments."""
        return replace(self, positions=positions)

    def conditioned(self, condition: Float[Tensor, "segments condition"]) -> "ConditionedPoints":
        """The points, with what tells a network the moment of each segment."""
        return ConditionedPoints(self.positions, self.segments, condition)


@dataclass(frozen=True)
class ConditionedPoints(TimedPoints):
    """Points that also know what tells a network their moment: the time, or a latent code."""

    condition: Float[Tensor, "segments condition"]

    @property
    def expanded_condition(self) -> Float[Tensor, "points condition"]:
        """The condition of every point."""
        return self.segments.expand(self.condition)
