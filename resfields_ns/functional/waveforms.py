"""Waveforms: where their samples lie, how they are drawn, and how near two of them are.

Notation: a window has L samples of C channels, amplitudes x in [-1, 1] for the most part. Its samples lie at
linspace(-1, 1, L). A drawing has a band for every channel, one below the other; in it, what lies between zero, its
middle, and the amplitude at that place is dark. A place of the drawing is (row, column), each in [-1, 1], rows from
the top, as `functional/intersections.py` has them.
"""

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor

DRAWING_SIZE = (128, 320)  # height and width of a drawing, in pixels
_PAPER = (1.0, 1.0, 1.0)
_INK = (0.12, 0.31, 0.55)
_ZERO_LINE = 0.01  # half its width, in amplitudes: it shows where there is silence


def sample_positions(samples: Int[Tensor, "*batch"], length: int) -> Float[Tensor, "*batch"]:
    """Where samples lie, by their index among the L of a window, at least two."""
    return 2.0 * samples.to(torch.float32) / (length - 1) - 1.0


def nearest_samples(positions: Float[Tensor, "*batch"], length: int) -> Int[Tensor, "*batch"]:
    """Indices of the samples nearest to positions."""
    return (0.5 * (positions + 1.0) * (length - 1)).round().long().clamp(0, length - 1)


def draw_waveform(
    places: Float[Tensor, "places 2"], amplitudes: Float[Tensor, "places channels"]
) -> Float[Tensor, "places 3"]:
    """Colours of a drawing at places, given the amplitudes of the waveform at their columns."""
    channels = amplitudes.shape[1]
    row = (0.5 * (places[:, 0] + 1.0) * channels).clamp(0.0, channels - 1e-4)
    channel = row.long()
    height = 1.0 - 2.0 * (row - channel)
    amplitude = amplitudes.gather(1, channel[:, None])[:, 0]
    lower = amplitude.clamp(max=0.0) - _ZERO_LINE
    upper = amplitude.clamp(min=0.0) + _ZERO_LINE
    inked = (height >= lower) & (height <= upper)
    return torch.where(inked[:, None], amplitudes.new_tensor(_INK), amplitudes.new_tensor(_PAPER))


def first_layer_scale(frequency: float, seconds: float, num_inputs: int, omega: float) -> float:
    """Factor on positions in a window of so many seconds by which a Siren's first layer, at its start, reaches a
    frequency in Hz.

    Its weights are up to 1 / inputs, and it is sin(omega w x): over a window, whose positions are 2 apart, this makes
    omega w / pi turns.
    """
    return frequency * seconds * math.pi * num_inputs / omega


def energy(amplitudes: Float[Tensor, "*samples"]) -> float:
    """Sum of squares."""
    return float(amplitudes.double().square().sum())


def decibels(signal: float, error: float) -> float:
    """Signal-to-noise ratio of two energies, the first above 0; infinite where nothing is wrong."""
    return 10.0 * math.log10(signal / error) if error > 0.0 else math.inf
