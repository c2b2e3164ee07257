"""Encodings of coordinates (Tancik et al. 2020 name them none, basic, positional and Gaussian).

All keep the coordinates themselves in front: geometric initialisation starts from them.
"""

import math
from abc import ABC, abstractmethod

import torch
from jaxtyping import Float
from torch import Tensor

from resfields_ns.functional.fourier import (
    coarse_to_fine_window,
    fourier_features,
    fourier_features_pullback,
    positional_encoding,
    positional_encoding_pullback,
)
from resfields_ns.layers.part import Part


class Encoding(Part, ABC):
    """Turns coordinates into an input of an MLP, and gradients with respect to that back into coordinates.

    Args:
        in_dim: size of the coordinates x
        out_dim: size of the encoding
    """

    def __init__(self, in_dim: int, out_dim: int) -> None:
        super().__init__()
        self.in_dim = in_dim
        self.out_dim = out_dim

    @abstractmethod
    def forward(self, x: Float[Tensor, "*batch dim"]) -> Float[Tensor, "*batch encoded"]:
        """Encode x."""

    @abstractmethod
    def pullback(
        self, encoded: Float[Tensor, "*batch encoded"], gradient: Float[Tensor, "*batch encoded"]
    ) -> Float[Tensor, "*batch dim"]:
        """Gradient with respect to x from one with respect to `encoded`, this encoding of x."""


class NoEncoding(Encoding):
    """x itself."""

    def __init__(self, in_dim: int) -> None:
        super().__init__(in_dim, in_dim)

    def forward(self, x: Float[Tensor, "*batch dim"]) -> Float[Tensor, "*batch encoded"]:
        """Return x."""
        return x

    def pullback(
        self, encoded: Float[Tensor, "*batch encoded"], gradient: Float[Tensor, "*batch encoded"]
    ) -> Float[Tensor, "*batch dim"]:
        """The gradient itself."""
        del encoded
        return gradient


class PositionalEncoding(Encoding):
    """[x, w_k sin(2^k pi x), w_k cos(2^k pi x)] with w_k = 1.

    Args:
        in_dim: size of x
        num_frequencies: F; the output has in_dim (1 + 2F) numbers
    """

    window: Tensor

    def __init__(self, in_dim: int, num_frequencies: int) -> None:
        super().__init__(in_dim, in_dim * (1 + 2 * num_frequencies))
        self.register_buffer("window", torch.ones(num_frequencies))

    def forward(self, x: Float[Tensor, "*batch dim"]) -> Float[Tensor, "*batch encoded"]:
        """Encode x."""
        return positional_encoding(x, self.window)

    def pullback(
        self, encoded: Float[Tensor, "*batch encoded"], gradient: Float[Tensor, "*batch encoded"]
    ) -> Float[Tensor, "*batch dim"]:
        """Gradient with respect to x from one with respect to `encoded`, this encoding of x."""
        return positional_encoding_pullback(encoded, gradient, self.window)


class WindowedPositionalEncoding(PositionalEncoding):
    """As `PositionalEncoding`, but the window w opens from coarse to fine (Park et al. 2021a)."""

    def set_progress(self, progress: float) -> None:
        """Open the window to a share in [0, 1] of its schedule."""
        opened = coarse_to_fine_window(self.window.shape[0], progress)
        self.window.copy_(torch.tensor(opened, device=self.window.device))


class FourierEncoding(Encoding):
    """[x, sin(b_k . x), cos(b_k . x)]; subclasses choose the directions b.

    Args:
        directions: b [F, D], in radians per unit of x
    """

    directions: Tensor

    def __init__(self, directions: Float[Tensor, "waves dim"]) -> None:
        num_waves, in_dim = directions.shape
        super().__init__(in_dim, in_dim + 2 * num_waves)
        self.register_buffer("directions", directions)

    def forward(self, x: Float[Tensor, "*batch dim"]) -> Float[Tensor, "*batch encoded"]:
        """Encode x."""
        return fourier_features(x, self.directions)

    def pullback(
        self, encoded: Float[Tensor, "*batch encoded"], gradient: Float[Tensor, "*batch encoded"]
    ) -> Float[Tensor, "*batch dim"]:
        """Gradient with respect to x from one with respect to `encoded`, this encoding of x."""
        return fourier_features_pullback(encoded, gradient, self.directions)


class BasicEncoding(FourierEncoding):
    """[x, sin(2 pi x), cos(2 pi x)]."""

    def __init__(self, in_dim: int) -> None:
        super().__init__(2.0 * math.pi * torch.eye(in_dim))


class GaussianEncoding(FourierEncoding):
    """Random Fourier features: b_k drawn once from N(0, (2 pi scale)^2).

    Args:
        in_dim: size of x
        num_frequencies: F; the output has in_dim + 2F numbers
        scale: standard deviation of the frequencies, in periods per unit of x
    """

    def __init__(self, in_dim: int, num_frequencies: int, scale: float) -> None:
        super().__init__(2.0 * math.pi * scale * torch.randn(num_frequencies, in_dim))
