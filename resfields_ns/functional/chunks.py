"""Chunks of consecutive frames.

Notation: N frames fall into C chunks of sizes as equal as can be; frame i belongs to chunk floor(i C / N).
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from resfields_ns import timeline


@dataclass(frozen=True)
class Chunks:
    """N frames in C chunks."""

    num_frames: int
    num_chunks: int

    def start(self, chunk: int) -> int:
        """First frame of a chunk; of the chunk behind the last, N."""
        return -(-chunk * self.num_frames // self.num_chunks)

    def size(self, chunk: int) -> int:
        """Frames of a chunk."""
        return self.start(chunk + 1) - self.start(chunk)

    def index(self, times: Float[Tensor, "times"]) -> Int[Tensor, "times"]:
        """The chunk of the frame nearest to each time in [0, 1]."""
        frames = timeline.frames_from_times(times, self.num_frames)
        return torch.div(frames * self.num_chunks, self.num_frames, rounding_mode="floor")

    def local_times(self, times: Float[Tensor, "times"], chunk: int) -> Float[Tensor, "times"]:
        """Times between a chunk's first frame, 0, and its last, 1; beyond them, the nearest of these."""
        frames = times * (self.num_frames - 1) - self.start(chunk)
        return (frames / max(self.size(chunk) - 1, 1)).clamp(0.0, 1.0)
