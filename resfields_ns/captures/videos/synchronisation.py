"""Constant offsets between the clocks of videos, found by their sound, or by how much their pictures change.

Both become signals, evenly spaced in time, of which only quick changes are kept. The cross-correlation of two signals
has its peak at their offset; how sure that is, is how many times as high the peak is as the next one. Cameras are
joined one by one, the surest first and by sound if it can be, to one of those that are joined already.
"""

from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any, Literal

import numpy as np
from jaxtyping import Float64, Int64
from rich.console import Console
from rich.progress import track

from resfields_ns.captures.video_file import Video, decode_small, open_container
from resfields_ns.captures.videos.alignment import Clocks, frame_duration

LEAST_CERTAINTY = 1.5  # below it, no offset; signals that have nothing in common have 1.2 in the middle
_LEAST_FRAMES = 3
_SURE = 2.0  # by chance, one in a hundred pairs of signals of a few seconds has more
_SECOND = 1e6  # microseconds


@dataclass(frozen=True)
class Signal:
    """What a camera noticed over time.

    Args:
        start: when the first sample is, in microseconds of the video's clock
        step: microseconds from a sample to the next
        values: of each band, without slow changes
        peak_width: microseconds around a peak of the correlation in which no other counts
    """

    start: float
    step: float
    values: Float64[np.ndarray, "bands samples"]
    peak_width: float


@dataclass(frozen=True)
class Link:
    """How the clock of one video runs beside that of another.

    Args:
        offset: microseconds that it shows at the moment at which the other shows 0
        certainty: times that the peak is as high as the next
        by: what told
        to: the other video's camera
    """

    offset: float
    certainty: float
    by: Literal["sound", "pictures"]
    to: str

    @property
    def tells_by_sound(self) -> bool:
        """Whether sound told, which is finer than pictures, and sure enough."""
        return self.by == "sound" and self.certainty >= LEAST_CERTAINTY

    def __str__(self) -> str:
        doubt = "" if self.certainty >= _SURE else ": not sure, look at the pictures"
        return (
            f"{self.offset / _SECOND:+.3f} s, by the {self.by} of {self.to} "
            f"(the best match is {self.certainty:.1f} times as good as the next{doubt})"
        )


def find_offsets(videos: dict[str, Video], clocks: Clocks, by_sound: bool, show_progress: bool) -> dict[str, Link]:
    """How each video's clock runs beside the first one's, with the link that joined it.

    Args:
        clocks: when the frames were taken
        by_sound: whether sound, where there is some, shares the clocks

    Raises ValueError if neither sound nor pictures tell the offset of a video.
    """
    names = list(videos)
    for name, clock in clocks.items():
        if len(clock) < _LEAST_FRAMES:
            raise ValueError(
                f"--synchronise: expected videos of at least {_LEAST_FRAMES} frames, found {len(clock)} in "
                f"{videos[name].path}"
            )
    sounds = {name: sound for name in names if by_sound and (sound := sound_signal(videos[name])) is not None}
    joined = _join(names, _links(sounds, "sound"))
    if len(joined) < len(names) or min(link.certainty for link in joined.values()) < LEAST_CERTAINTY:
        step = min(frame_duration(clock) for clock in clocks.values()) / 2
        shown = track(names, "Looking at the videos", console=Console(stderr=True), disable=not show_progress)
        pictures = {name: picture_signal(videos[name], clocks[name], step) for name in shown}
        joined = _join(names, _links(sounds, "sound") + _links(pictures, "pictures"))
    for name in names[1:]:
        if joined[name].certainty < LEAST_CERTAINTY:
            raise ValueError(
                f"--synchronise: expected videos whose sound or movement tells how they lie in time, found "
                f"{videos[name].path}, whose best match is {joined[name].certainty:.2f} times as good as its next, not "
                f"{LEAST_CERTAINTY:g} times: tell it by --offsets"
            )
    return joined


def sound_signal(video: Video) -> Signal | None:
    """The loudness of bands of the first audio track; None without one, or if it is shorter than a second."""
    from scipy.ndimage import uniform_filter1d
    from scipy.signal import spectrogram

    found = _read_sound(video)
    if found is None or len(found[1]) < _WINDOW + 3 * _QUICK * _HOP:
        return None
    start, samples = found
    windows = {"window": "hann", "nperseg": _WINDOW, "noverlap": _WINDOW - _HOP}
    spectrum = spectrogram(samples, **windows, scaling="spectrum", mode="magnitude")[2][1:]
    loudness = np.log(spectrum + _SILENCE).reshape(_BANDS, -1, spectrum.shape[-1]).mean(axis=1)
    quick = (loudness - uniform_filter1d(loudness, _QUICK, axis=-1))[:, _QUICK:-_QUICK]  # all tracks start and end
    middle = start + (_WINDOW / 2 + _QUICK * _HOP) / _SAMPLE_RATE
    return Signal(_SECOND * middle, _SECOND * _HOP / _SAMPLE_RATE, quick.astype(np.float64), _SOUND_PEAK)


_SAMPLE_RATE = 8000  # a second
_WINDOW, _HOP = 256, 64  # samples
_BANDS = 16
_SILENCE = 1e-4  # of full scale
_QUICK = 31  # samples of a signal
_SOUND_PEAK = 0.05 * _SECOND


def _read_sound(video: Video) -> tuple[float, np.ndarray] | None:
    """When the sound starts, in seconds, and its samples as one channel."""
    from av import AudioResampler
    from av.error import FFmpegError

    with open_container(video.path) as container:
        if not container.streams.audio:
            return None
        resampler = AudioResampler(format="fltp", layout="mono", rate=_SAMPLE_RATE)
        pieces: list[tuple[float, np.ndarray]] = []
        try:
            for frame in container.decode(audio=0):
                for piece in resampler.resample(frame):
                    if piece.time is not None:
                        pieces.append((piece.time, piece.to_ndarray()[0]))
        except FFmpegError as error:
            raise ValueError(f"{video.path}: expected sound, found a track that cannot be decoded ({error})") from None
    if not pieces:
        return None
    start = pieces[0][0]
    places = [round((time - start) * _SAMPLE_RATE) for time, _ in pieces]
    samples = np.zeros(max(place + len(piece) for place, (_, piece) in zip(places, pieces, strict=True)), np.float32)
    for place, (_, piece) in zip(places, pieces, strict=True):
        samples[place : place + len(piece)] = piece
    return start, samples


def picture_signal(video: Video, clock: Int64[np.ndarray, "frames"], step: float) -> Signal:
    """How much changes from a picture to the next, in samples `step` microseconds apart."""
    from scipy.ndimage import uniform_filter1d

    duration, changes, before = frame_duration(clock), [], None
    for picture in decode_small(video, _LONGEST_SIDE):
        if before is not None:
            changes.append(np.maximum(np.abs(picture - before) - _NOISE, 0.0).mean())
        before = picture
    rates = np.array(changes) * duration / np.maximum(np.diff(clock), 1)
    moments = (clock[1:] + clock[:-1]) / 2
    at = np.arange(moments[0], moments[-1] + step, step)
    activity = np.interp(at, moments, np.log(rates + _STILL))
    quick = activity - uniform_filter1d(activity, max(round(_QUICK * duration / step), 3))
    return Signal(float(at[0]), step, quick[None], _PICTURE_PEAK * duration)


_LONGEST_SIDE = 160  # pixels
_NOISE = 2.0  # gray levels between pictures
_STILL = 0.02  # gray levels, below which movement does not count
_PICTURE_PEAK = 6  # frames


def correlate(a: Signal, b: Signal) -> tuple[float, float]:
    """What the clock of `b` shows when that of `a` shows 0, in microseconds, and how sure that is."""
    length, before = 1 << (a.values.shape[1] + b.values.shape[1]).bit_length(), a.values.shape[1]
    product = np.conj(np.fft.rfft(a.values, length)) * np.fft.rfft(b.values, length)
    scale = np.linalg.norm(a.values) * np.linalg.norm(b.values)
    correlation = np.roll(np.fft.irfft(product.sum(axis=0), length), before) / max(scale, _NOTHING)
    peak = int(correlation[1:-1].argmax()) + 1
    others = correlation[np.abs(np.arange(length) - peak) * a.step > max(a.peak_width, b.peak_width)]
    left, middle, right = correlation[peak - 1 : peak + 2]
    if middle <= _NOTHING or len(others) == 0:
        return 0.0, 0.0
    lag = peak - before + 0.5 * (left - right) / min(left - 2 * middle + right, -_NOTHING)
    return b.start - a.start + lag * a.step, float(middle / max(others.max(), _NOTHING))


_NOTHING = 1e-6


def _links(signals: dict[str, Signal], by: Any) -> list[tuple[str, Link]]:
    """Of each two cameras, both ways."""
    links = []
    for a, b in combinations(signals, 2):
        offset, certainty = correlate(signals[a], signals[b])
        links += [(b, Link(offset, certainty, by, a)), (a, Link(-offset, certainty, by, b))]
    return links


def _join(names: list[str], links: list[tuple[str, Link]]) -> dict[str, Link]:
    """The surest links that join cameras to the first, by sound if it can be; fewer if some cameras have none.

    Offsets are summed up along them.
    """
    joined = {names[0]: Link(0.0, np.inf, "pictures", names[0])}
    while found := [(name, link) for name, link in links if name not in joined and link.to in joined]:
        name, link = max(found, key=lambda item: (item[1].tells_by_sound, item[1].certainty))
        joined[name] = replace(link, offset=link.offset + joined[link.to].offset)
    return joined
