"""Positional encoding as a module with a coarse-to-fine schedule."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from resfields_ns.functional.encoding import (
    coarse_to_fine_window,
    positional_encoding,
    positional_encoding_pullback,
)


class WindowedPositionalEncoding(nn.Module):
    """[x, w_k sin(2^k pi x), w_k cos(2^k pi x)], opened from coarse to fine.

    Args:
        in_dim: size of x
        num_frequencies: F; the output has in_dim (1 + 2F) numbers
    """

    window: Tensor

    def __init__(self, in_dim: int, num_frequencies: int) -> None:
        super().__init__()
        self.out_dim = in_dim * (1 + 2 * num_frequencies)
        self.register_buffer("window", torch.ones(num_frequencies))

    def set_progress(self, progress: float) -> None:
        """Open the window to a share in [0, 1] of its schedule."""
        opened = coarse_to_fine_window(self.window.shape[0], progress)
        self.window.copy_(torch.tensor(opened, device=self.window.device))

    def forward(self, x: Float[Tensor, "*batch dim"]) -> Float[Tensor, "*batch encoded"]:
        """Encode x."""
        return positional_encoding(x, self.window)

    def pullback(
        self, encoded: Float[Tensor, "*batch encoded"], gradient: Float[Tensor, "*batch encoded"]
    ) -> Float[Tensor, "*batch dim"]:
        """Gradient with respect to x from one with respect to `encoded`, this encoding of x."""
        return positional_encoding_pullback(encoded, gradient, self.window)
