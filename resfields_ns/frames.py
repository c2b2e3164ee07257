"""Choosing frames of a sequence by a slice such as '0:50:2'."""

import re

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
