"""Frames of captures whose images tell when they were taken, most often one image at a time.

Notation: the M moments of a capture are the distinct times of its training images, in order; place m is that of moment
m, and places run evenly from one moment to the next. N of the moments are chosen as frames, every s-th from a first on.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64

from resfields_ns.frames import parse_frames

_HALF_A_FRAME = 0.5 + 1e-6


@dataclass(frozen=True)
class Moments:
    """The chosen frames.

    Args:
        times: of all moments, ascending, in any unit
        frames: indices of the moments that are frames, ascending by one step
    """

    times: Float64[np.ndarray, "moments"]
    frames: list[int]

    @classmethod
    def choose(cls, training_times: Float64[np.ndarray, "images"], spec: str) -> "Moments":
        """Choose frames, as `--frames` says, from the moments at which training images were taken."""
        times = np.unique(training_times)
        return cls(times, parse_frames(spec, len(times)))

    @property
    def frame_times(self) -> Float64[np.ndarray, "frames"]:
        """When each frame was, in the unit of `times`."""
        return self.times[self.frames]

    def chosen(self, times: Float64[np.ndarray, "images"]) -> Bool[np.ndarray, "images"]:
        """Which images were taken at a frame's very moment."""
        return np.isin(times, self.frame_times)

    def covered(self, times: Float64[np.ndarray, "images"]) -> Bool[np.ndarray, "images"]:
        """Which images were taken between the first frame and the last, or at most half a frame outside."""
        positions = self._positions(times)
        return (positions >= -_HALF_A_FRAME) & (positions <= len(self.frames) - 1 + _HALF_A_FRAME)

    def positions(self, times: Float64[np.ndarray, "images"]) -> Float64[np.ndarray, "images"]:
        """Where times lie among the frames: i at frame i, in between linear, and never beyond the first or last."""
        return self._positions(times).clip(0.0, len(self.frames) - 1)

    def _positions(self, times: Float64[np.ndarray, "images"]) -> Float64[np.ndarray, "images"]:
        step = self.frames[1] - self.frames[0] if len(self.frames) > 1 else 1
        return (self._places(times) - self.frames[0]) / step

    def _places(self, times: Float64[np.ndarray, "images"]) -> Float64[np.ndarray, "images"]:
        """Places of times among the moments; beyond the ends at the pace of the nearest two."""
        if len(self.times) == 1:
            return np.where(times == self.times[0], 0.0, np.inf)
        before = np.searchsorted(self.times, times, side="right").clip(1, len(self.times) - 1) - 1
        start, end = self.times[before], self.times[before + 1]
        return before + (times - start) / (end - start)
