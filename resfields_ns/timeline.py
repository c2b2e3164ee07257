"""The only conversions between frame, time in [0, 1] and network input in [-1, 1], and the choice of frames.

Notation: frame i of N has time i / (N - 1) (nerfstudio's unit); a network sees 2 * time - 1. A frame position is i at
frame i, and in between at moments in between.
"""

import re
from collections.abc import Sequence
from itertools import pairwise

import torch
from jaxtyping import Float, Int
from torch import Tensor

FRAME_TOLERANCE = 1e-4  # of the time between frames, where float32 tells times of frames more finely than that


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
    position = _snapped_positions(times, num_frames)
    return position.floor().long(), position.ceil().long()


def chunks_and_times(
    times: Float[Tensor, "*batch"], sizes: Sequence[int]
) -> tuple[Int[Tensor, "*batch"], Float[Tensor, "*batch"]]:
    """The chunk of each time in [0, 1], and its time within the chunk, of a sequence in chunks of `sizes` frames.

    A time between the last frame of a chunk and the first of the next is that of the nearer one; a frame's is the
    frame's in its chunk, to the bit.
    """
    counts = torch.tensor(sizes, device=times.device)
    ends = counts.cumsum(0)
    position = _snapped_positions(times, int(ends[-1]))
    chunks = torch.searchsorted(ends, position.round().long(), right=True)
    own = torch.minimum((position - (ends - counts)[chunks]).clamp(min=0.0), counts[chunks] - 1.0)
    return chunks, own / (counts[chunks] - 1).clamp(min=1)


def _snapped_positions(times: Float[Tensor, "*batch"], num_frames: int) -> Float[Tensor, "*batch"]:
    """Frame positions from the first frame to the last; those of frames are whole."""
    position = frame_positions(times, num_frames).clamp(0.0, num_frames - 1)
    frame = position.round()
    rounding = num_frames * 2.0**-22  # of a time of float32 and its position, four times over
    return torch.where((position - frame).abs() < max(FRAME_TOLERANCE, rounding), frame, position)


def known_times(times: Float[Tensor, "*batch"], num_frames: int) -> Float[Tensor, "*batch"]:
    """Times at which a sequence is known: one of a single frame is asked at its own time, whatever time it is."""
    return times if num_frames > 1 else torch.zeros_like(times)


def network_times(times: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch"]:
    """Map times in [0, 1] to the network's input range [-1, 1]."""
    return 2.0 * times - 1.0


_SLICE = re.compile(r"(?:(\d+)|(\d*):(\d*)(?::(-?\d*))?)")


def parse_frames(spec: str, num_frames: int, option: str = "--frames") -> list[int]:
    """Return the frame indices that `spec` selects from a sequence of `num_frames` frames.

    `spec` is 'start:stop:step', 'start:stop', one index 'i', or '::' for all frames; `option` is named in errors.
    Raises ValueError if the text is malformed, the step is below 1, a frame lies beyond the sequence, or none is left.
    """
    start, given_stop, step = _parsed(spec, option)
    stop = num_frames if given_stop is None else given_stop
    if stop > num_frames:
        raise ValueError(
            f"{option}: expected frames below {num_frames}, found {spec!r}: there are fewer frames than asked for"
        )
    if start >= stop:
        raise ValueError(f"{option}: expected at least one of the {num_frames} frames, found {spec!r}, which is empty")
    return list(range(start, stop, step))


def split_frames(spec: str, num_frames: int, chunks: int, option: str = "--frames") -> list[str]:
    """Split the `num_frames` frames that `spec` selects into chunks, one after the other, as even as they can be."""
    start, _, step = _parsed(spec, option)
    edges = [start + step * (num_frames * chunk // chunks) for chunk in range(chunks + 1)]
    return [_spec(first, after - step + 1, step) for first, after in pairwise(edges)]


def join_frames(specs: Sequence[str], option: str = "--frames") -> str:
    """What selects the frames of several chunks of a sequence: the inverse of `split_frames`.

    Raises ValueError unless each chunk goes on where the one before it ends, in the same step.
    """
    for before, after in pairwise(specs):
        start, stop, step = _parsed(before, option)
        goes_on = None if stop is None else start + step * len(range(start, stop, step))
        found, _, its_step = _parsed(after, option)
        if (goes_on, step) != (found, its_step):
            raise ValueError(
                f"{option}: expected chunks that go on where the one before them ends, in its step, found {before} "
                f"and {after}"
            )
    start, _, step = _parsed(specs[0], option)
    _, stop, _ = _parsed(specs[-1], option)
    return _spec(start, stop, step)


def first_frame(spec: str, option: str = "--frames") -> int:
    """The first frame that `spec` selects."""
    return _parsed(spec, option)[0]


def _parsed(spec: str, option: str) -> tuple[int, int | None, int]:
    """Start, stop (None for the end) and step."""
    match = _SLICE.fullmatch(spec.strip())
    if match is None:
        raise ValueError(f"{option}: expected 'start:stop:step' of whole numbers, found {spec!r}")
    single, start, stop, step = match.groups()
    if single is not None:
        return int(single), int(single) + 1, 1
    return int(start or 0), int(stop) if stop else None, _step(step, spec, option) if step else 1


def _spec(start: int, stop: int | None, step: int) -> str:
    return f"{start}:{'' if stop is None else stop}" + ("" if step == 1 else f":{step}")


def _step(text: str, spec: str, option: str) -> int:
    if text == "-" or int(text) < 1:
        raise ValueError(f"{option}: expected a step of at least 1, found {spec!r}")
    return int(text)
