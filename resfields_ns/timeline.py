"""The only conversions between frame, time in [0, 1] and network input in [-1, 1], and the choice of frames.

Notation: frame i of N has time i / (N - 1) (nerfstudio's unit); a network sees 2 * time - 1. A frame position is i at
frame i, and in between at moments in between.
"""

import re

import torch
from jaxtyping import Float, Int
from torch import Tensor

FRAME_TOLERANCE = 1e-4  # of the time between frames; float32 times of frames fall well inside it


def times_from_frames(
    frames: Int[Tensor, "*batch"] | Float[Tensor, "*batch"], num_frames: int
) -> Float[Tensor, "*batch"]:
    """Time in [0, 1] of each frame or frame position; a sequence of one frame stands at time 0."""
    return frames.to(torch.float32) / max(num_frames - 1, 1)


def frame_positions(times: Float[Tensor, "*batch"], num_frames: int) -> Float[Tensor, "*batch"]:
    """Frame position of each time: the inverse of `times_from_frames`."""
    return times * (num_frames - 1)


def frames_from_times(times: Float[Tensor, "*batch"], num_frames: int) -> Int[Tensor, "*batch"]:
    """Index of the frame nearest to each time in [0, 1]."""
    return frame_positions(times, num_frames).round().long().clamp(0, num_frames - 1)


def neighbouring_frames(
    times: Float[Tensor, "*batch"], num_frames: int
) -> tuple[Int[Tensor, "*batch"], Int[Tensor, "*batch"]]:
    """Indices of the frames before and after each time in [0, 1]; twice the same where the time is a frame's own."""
    position = frame_positions(times, num_frames).clamp(0.0, num_frames - 1)
    frame = position.round()
    position = torch.where((position - frame).abs() < FRAME_TOLERANCE, frame, position)
    return position.floor().long(), position.ceil().long()


def network_times(times: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch"]:
    """Map times in [0, 1] to the network's input range [-1, 1]."""
    return 2.0 * times - 1.0


_SLICE = re.compile(r"(?:(\d+)|(\d*):(\d*)(?::(-?\d*))?)")


def parse_frames(spec: str, num_frames: int, option: str = "--frames") -> list[int]:
    """Return the frame indices that `spec` selects from a sequence of `num_frames` frames.

    `spec` is 'start:stop:step', 'start:stop', one index 'i', or '::' for all frames; `option` is named in errors.
    Raises ValueError if the text is malformed, the step is below 1, a frame lies beyond the sequence, or none is left.
    """
    match = _SLICE.fullmatch(spec.strip())
    if match is None:
        raise ValueError(f"{option}: expected 'start:stop:step' of whole numbers, found {spec!r}")
    single, start_text, stop_text, step_text = match.groups()
    if single is not None:
        start, stop, step = int(single), int(single) + 1, 1
    else:
        start = int(start_text or 0)
        stop = int(stop_text or num_frames)
        step = 1 if step_text in (None, "") else _step(step_text, spec, option)
    if stop > num_frames:
        raise ValueError(
            f"{option}: expected frames below {num_frames}, found {spec!r}: there are fewer frames than asked for"
        )
    if start >= stop:
        raise ValueError(f"{option}: expected at least one of the {num_frames} frames, found {spec!r}, which is empty")
    return list(range(start, stop, step))


def _step(text: str, spec: str, option: str) -> int:
    if text == "-" or int(text) < 1:
        raise ValueError(f"{option}: expected a step of at least 1, found {spec!r}")
    return int(text)
