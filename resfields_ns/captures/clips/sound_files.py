"""Sounds in files (wav, flac, ogg, aiff), and the windows that they are cut into.

Notation: N frames, each a window of L samples of C channels. One recording is cut into N consecutive windows, of which
the last is filled up with silence; of a bank of clips each is a frame, filled up to the longest.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import soundfile
import torch
from jaxtyping import Bool, Float32
from nerfstudio.utils.rich_utils import CONSOLE
from torch import Tensor

from resfields_ns.captures.untrusted import blamed, check_file, check_numbers
from resfields_ns.files import list_folder

SUFFIXES = (".wav", ".flac", ".ogg", ".aif", ".aiff")
_EXPECTED = "a sound (wav, flac, ogg or aiff)"
_COARSE = ("PCM_U8", "PCM_S8", "ULAW", "ALAW")
_MOST_SAMPLES = 2**27  # of all channels: 512 MiB of floats
_MOST_CHANNELS = 8
_LARGEST_AMPLITUDE = 1e6  # of files of floats, in which 1 is full scale

Samples = Float32[np.ndarray, "samples channels"]


@dataclass(frozen=True)
class SoundFormat:
    """What the header of a sound file says.

    Args:
        rate: samples a second
        channels: 1 is mono, 2 is stereo
        length: samples of a channel
        coding: of a sample, by libsndfile's name, such as PCM_16
    """

    rate: int
    channels: int
    length: int
    coding: str


def read_format(path: Path) -> SoundFormat:
    """The header of a sound file; ValueError if it is none, empty, or longer than what fits into memory."""
    check_file(path, _EXPECTED)
    with blamed(path, _EXPECTED), soundfile.SoundFile(path) as file:
        found = SoundFormat(file.samplerate, file.channels, file.frames, file.subtype)
    if found.length < 1:
        raise ValueError(f"{path}: expected a sound of at least one sample, found an empty one")
    if not 1 <= found.channels <= _MOST_CHANNELS:
        raise ValueError(f"{path}: expected 1 to {_MOST_CHANNELS} channels, found {found.channels}")
    if found.length * found.channels > _MOST_SAMPLES:
        raise ValueError(f"{path}: expected at most {_MOST_SAMPLES} samples, found {found.length * found.channels}")
    if not 1 <= found.rate <= 1_000_000:
        raise ValueError(f"{path}: expected 1 to 1000000 samples a second, found {found.rate}")
    return found


def read_samples(path: Path) -> Samples:
    """All samples of a sound file, of which 1 is full scale; ValueError if there are fewer than its header says."""
    found = read_format(path)
    with blamed(path, _EXPECTED), soundfile.SoundFile(path) as file:
        samples = file.read(dtype="float32", always_2d=True)
    if samples.shape != (found.length, found.channels):
        raise ValueError(f"{path}: expected {found.length} samples, as its header says, found {len(samples)}")
    check_numbers(samples, f"{path}: samples", _LARGEST_AMPLITUDE)
    return samples


class SoundSource(ABC):
    """Where windows come from.

    Args:
        path: of the file or folder
        form: of all of its sounds
        window: L
        lengths: samples of every window, at most L; the rest is silence
    """

    def __init__(self, path: Path, form: SoundFormat, window: int, lengths: Sequence[int]) -> None:
        self.path = path
        self.form = form
        self.window = window
        self.lengths = tuple(lengths)

    @abstractmethod
    def read(self, window: int) -> Samples:
        """The samples of a window, without silence behind them; ValueError if they cannot be read."""


class RecordingSource(SoundSource):
    """One file, cut into windows of equal length.

    Raises:
        ValueError: if the file cannot be read
    """

    def __init__(self, path: Path, window: int) -> None:
        form = read_format(path)
        starts = range(0, form.length, window)
        super().__init__(path, form, window, [min(window, form.length - start) for start in starts])

    @cached_property
    def _samples(self) -> Samples:
        return read_samples(self.path)

    def read(self, window: int) -> Samples:
        """The samples of a window."""
        return self._samples[window * self.window : window * self.window + self.lengths[window]]


class BankSource(SoundSource):
    """A folder of sounds, each a frame, in the order of their names' numbers.

    Raises:
        ValueError: if there is none, or they differ in rate or channels
    """

    def __init__(self, path: Path) -> None:
        self.files = list_folder(path, SUFFIXES)
        if not self.files:
            raise ValueError(f"{path}: expected sounds ({', '.join(SUFFIXES)}), found none")
        forms = [read_format(file) for file in self.files]
        first = forms[0]
        for file, form in zip(self.files, forms, strict=True):
            if (form.rate, form.channels) != (first.rate, first.channels):
                expected = f"{first.rate} samples a second in {first.channels} channels, as {self.files[0].name} has"
                raise ValueError(f"{file}: expected {expected}, found {form.rate} in {form.channels}")
        longest = max(form.length for form in forms)
        if (held := longest * first.channels * len(forms)) > _MOST_SAMPLES:
            raise ValueError(f"{path}: expected at most {_MOST_SAMPLES} samples, found {held}, as long as the longest")
        super().__init__(path, first, longest, [form.length for form in forms])

    def read(self, window: int) -> Samples:
        """The samples of a file."""
        return read_samples(self.files[window])


def open_sound(path: Path, window_seconds: float) -> SoundSource:
    """Open a sound, cut into windows of `window_seconds`, or a folder of sounds, each of them a window.

    Raises ValueError if it is neither, or a window has fewer than two samples.
    """
    if path.is_dir():
        source: SoundSource = BankSource(path)
    else:
        rate = read_format(path).rate
        window = round(window_seconds * rate)
        if window < 2:
            raise ValueError(f"--window: expected at least 2 samples at {rate} a second, got {window_seconds} s")
        source = RecordingSource(path, window)
    if source.window < 2:
        raise ValueError(f"{path}: expected sounds of at least 2 samples, found none of more than {source.window}")
    return source


def _remarks(form: SoundFormat) -> list[str]:
    """What a listener should know of what is learnt."""
    several = f"{form.channels} channels, each an amplitude of its own" if form.channels > 1 else None
    coarse = "8 bits a sample, whose rounding is learnt as part of the sound" if form.coding in _COARSE else None
    return [remark for remark in (several, coarse) if remark is not None]


class SoundWindows:
    """Windows of a sound as floats of which the loudest is 1; read at first use, and shared by copies.

    Args:
        source: where they come from
        frames: indices of its windows, ascending
        peak: the largest amplitude, of which 1 is full scale; by default that of these windows
    """

    def __init__(self, source: SoundSource, frames: list[int], peak: float | None = None) -> None:
        self.source = source
        self.frames = frames
        self._peak = peak
        self.lengths = [source.lengths[frame] for frame in frames]

    @property
    def length(self) -> int:
        """L."""
        return self.source.window

    @property
    def channels(self) -> int:
        """C."""
        return self.source.form.channels

    @property
    def seconds(self) -> float:
        """Of a window."""
        return self.length / self.source.form.rate

    @cached_property
    def amplitudes(self) -> Float32[Tensor, "frames length channels"]:
        """All windows, divided by `peak`; ValueError if one cannot be read."""
        return torch.from_numpy(self._loud / self.peak)

    @cached_property
    def peak(self) -> float:
        """The largest amplitude, of which 1 is full scale; ValueError if all is silence."""
        if self._peak is not None:
            return self._peak
        peak = float(np.abs(self._loud).max())
        if peak == 0.0:
            raise ValueError(f"{self.source.path}: expected a sound, found silence")
        return peak

    @cached_property
    def _loud(self) -> Float32[np.ndarray, "frames length channels"]:
        for remark in _remarks(self.source.form):
            CONSOLE.print(f"{self.source.path}: {remark}.", soft_wrap=True)
        loud = np.zeros((len(self.frames), self.length, self.channels), np.float32)
        for target, frame in zip(loud, self.frames, strict=True):
            samples = self.source.read(frame)
            target[: len(samples)] = samples
        return loud

    @cached_property
    def sounding(self) -> Bool[Tensor, "frames length"]:
        """Where windows have samples, and no silence behind the end."""
        return torch.arange(self.length) < torch.tensor(self.lengths)[:, None]

    def joined(self, windows: Float32[Tensor, "frames length channels"]) -> Float32[Tensor, "samples channels"]:
        """What windows of these lengths sound like one after the other, without the silence behind their ends."""
        return windows[self.sounding.to(windows.device)]

    def __deepcopy__(self, memo: dict) -> "SoundWindows":
        """The host copies the metadata of datasets; sounds never change, so copies share them."""
        return self
