"""Sounds of a trained run: files to be heard, and pictures of what they hold."""

from pathlib import Path

import numpy as np
import soundfile
import torch
from jaxtyping import Float32

from resfields_ns.captures.sequence import Sound
from resfields_ns.files import write_aside
from resfields_ns.functional.waveforms import decibels, energy
from resfields_ns.host.trained_run import TrainedRun
from resfields_ns.models.sound_model import SoundModel

Samples = Float32[np.ndarray, "samples channels"]
_BINS = 512  # samples that a column of a spectrogram is made of, at most
_FLOOR = -100.0  # dB, below which a spectrogram is dark


def sound_of(run: TrainedRun) -> tuple[Samples, int]:
    """What a run's windows sound like one after the other, 1 being full scale, and samples a second.

    Raises ValueError if the run is not on a sound.
    """
    sequence = run.eval_sequence
    if not isinstance(sequence, Sound) or not isinstance(run.model, SoundModel):
        raise ValueError("--load-config: expected a run on a sound, found one on something else")
    model, windows = run.model, sequence.windows
    found = torch.stack([model.window(frame, windows.length) for frame in range(sequence.num_frames)])
    return windows.peak * windows.joined(found).cpu().numpy(), windows.source.form.rate


def true_sound(run: TrainedRun) -> Samples | None:
    """The sound that the run was trained on; None where it is gone."""
    sequence = run.eval_sequence
    assert isinstance(sequence, Sound)
    windows = sequence.windows
    if not windows.source.path.exists():
        return None
    return windows.peak * windows.joined(windows.amplitudes).numpy()


def write_sound(samples: Samples, rate: int, path: Path) -> None:
    """Write a wav file of 16 bits a sample; what is beyond full scale is cut off there."""
    with write_aside(path) as partial, partial.open("wb") as file:
        soundfile.write(file, samples.clip(-1.0, 1.0), rate, subtype="PCM_16", format="WAV")


def picture_sounds(sounds: dict[str, Samples], rate: int, path: Path) -> None:
    """Write a picture of waveforms above spectrograms (dB of full scale), a column a sound, channels mixed."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.0 * len(sounds), 5.0), layout="constrained")
    axes = figure.subplots(2, len(sounds), squeeze=False, sharex=True)
    for column, (name, samples) in enumerate(sounds.items()):
        mono = samples.mean(axis=1)
        axes[0, column].plot(np.arange(len(mono)) / rate, mono, linewidth=0.4)
        axes[0, column].set(title=name, ylim=(-1.0, 1.0), ylabel="amplitude")
        image = _spectrogram(mono)
        axes[1, column].imshow(
            image, origin="lower", aspect="auto", extent=(0.0, len(mono) / rate, 0.0, rate / 2.0), vmin=_FLOOR, vmax=0.0
        )
        axes[1, column].set(xlabel="seconds", ylabel="Hz")
    with write_aside(path) as partial:
        figure.savefig(partial, format="png", dpi=100)


def _spectrogram(mono: Float32[np.ndarray, "samples"]) -> Float32[np.ndarray, "frequencies times"]:
    """Power in dB of sines under overlapping Hann windows, 0 dB being a sine at full scale."""
    length = min(_BINS, len(mono))
    parts = np.lib.stride_tricks.sliding_window_view(mono, length)[:: max(1, length // 4)]
    window = np.hanning(length) if length > 2 else np.ones(length)
    spectrum = np.abs(np.fft.rfft(parts * window, axis=1)) * 2.0 / window.sum()
    return (20.0 * np.log10(np.maximum(spectrum, 1e-9))).T.astype(np.float32)


def signal_to_noise(true: Samples, found: Samples) -> float:
    """SNR in dB over all samples."""
    return decibels(energy(torch.from_numpy(true)), energy(torch.from_numpy(found - true)))
