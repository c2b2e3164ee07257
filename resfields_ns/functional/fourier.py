"""Fourier encodings of coordinates x [..., D].

Positional, with a coarse-to-fine window: F frequencies f_k = 2^k pi; w_k in [0, 1] the window;
enc(x) = [x, w_0 sin(f_0 x), w_0 cos(f_0 x), w_1 sin(f_1 x), ...], D (1 + 2F) numbers.

Along directions b_k (Tancik et al. 2020): enc(x) = [x, sin(b_0 . x), sin(b_1 . x), ..., cos(b_0 . x), ...].
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor


def coarse_to_fine_window(num_frequencies: int, progress: float) -> list[float]:
    """Cosine window of Nerfies (Park et al. 2021a, Eq. 8) after a share `progress` in [0, 1] of its schedule."""
    opened = (min(max(progress * num_frequencies - k, 0.0), 1.0) for k in range(num_frequencies))
    return [0.5 * (1.0 - math.cos(math.pi * amount)) for amount in opened]


def positional_encoding(x: Float[Tensor, "*batch dim"], window: Float[Tensor, "bands"]) -> Float[Tensor, "*batch code"]:
    """Encode x; the window's length is the number of frequencies."""
    frequencies = _frequencies(window)
    angles = x[..., None, :] * frequencies[:, None]
    waves = torch.stack((angles.sin(), angles.cos()), dim=-2) * window[:, None, None]
    return torch.cat((x, waves.flatten(start_dim=-3)), dim=-1)


def positional_encoding_pullback(
    encoded: Float[Tensor, "*batch code"],
    gradient: Float[Tensor, "*batch code"],
    window: Float[Tensor, "bands"],
) -> Float[Tensor, "*batch dim"]:
    """Turn a gradient with respect to enc(x) into one with respect to x, given enc(x) itself.

    d(w sin fx)/dx = f (w cos fx) and d(w cos fx)/dx = -f (w sin fx), so the encoding holds its own Jacobian.
    """
    dim = encoded.shape[-1] // (1 + 2 * window.shape[0])
    shape = (window.shape[0], 2, dim)
    waves = encoded[..., dim:].unflatten(-1, shape)
    wave_gradient = gradient[..., dim:].unflatten(-1, shape)
    turned = waves[..., 1, :] * wave_gradient[..., 0, :] - waves[..., 0, :] * wave_gradient[..., 1, :]
    return gradient[..., :dim] + (turned * _frequencies(window)[:, None]).sum(dim=-2)


def fourier_features(
    x: Float[Tensor, "*batch dim"], directions: Float[Tensor, "waves dim"]
) -> Float[Tensor, "*batch code"]:
    """Encode x along directions, in radians per unit of x."""
    angles = x @ directions.T
    return torch.cat((x, angles.sin(), angles.cos()), dim=-1)


def fourier_features_pullback(
    encoded: Float[Tensor, "*batch code"],
    gradient: Float[Tensor, "*batch code"],
    directions: Float[Tensor, "waves dim"],
) -> Float[Tensor, "*batch dim"]:
    """Turn a gradient with respect to enc(x) into one with respect to x, given enc(x) itself."""
    num_waves, dim = directions.shape
    _, sine, cosine = encoded.split((dim, num_waves, num_waves), dim=-1)
    x_gradient, sine_gradient, cosine_gradient = gradient.split((dim, num_waves, num_waves), dim=-1)
    return x_gradient + (cosine * sine_gradient - sine * cosine_gradient) @ directions


def _frequencies(window: Float[Tensor, "bands"]) -> Float[Tensor, "bands"]:
    return math.pi * 2.0 ** torch.arange(window.shape[0], device=window.device, dtype=window.dtype)
