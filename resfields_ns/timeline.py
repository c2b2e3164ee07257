"""The only conversions between frame index, time in [0, 1] and network input in [-1, 1].

Notation: frame i of N has time i / (N - 1) (nerfstudio's unit); a network sees 2 * time - 1.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor

FRAME_TOLERANCE = 1e-4  # of the time between frames; float32 times of frames fall well inside it


def times_from_frames(
    frames: Int[Tensor, "*batch"] | Float[Tensor, "*batch"], num_frames: int
) -> Float[Tensor, "*batch"]:
    """Time in [0, 1] of each frame, or place between two; a sequence of one frame stands at time 0."""
    return frames.to(torch.float32) / max(num_frames - 1, 1)


def frames_from_times(times: Float[Tensor, "*batch"], num_frames: int) -> Int[Tensor, "*batch"]:
    """Index of the frame nearest to each time in [0, 1]."""
    return (times * (num_frames - 1)).round().long().clamp(0, num_frames - 1)


def neighbouring_frames(
    times: Float[Tensor, "*batch"], num_frames: int
) -> tuple[Int[Tensor, "*batch"], Int[Tensor, "*batch"]]:
    """Indices of the frames before and after each time in [0, 1]; twice the same where the time is a frame's own."""
    position = (times * (num_frames - 1)).clamp(0.0, num_frames - 1)
    frame = position.round()
    position = torch.where((position - frame).abs() < FRAME_TOLERANCE, frame, position)
    return position.floor().long(), position.ceil().long()


def network_times(times: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch"]:
    """Map times in [0, 1] to the network's input range [-1, 1]."""
    return 2.0 * times - 1.0
