"""Positional encoding: its documented layout, its own Jacobian, and a window that opens from coarse to fine."""

import math

import pytest
import torch
from torch import Tensor

from resfields_ns.fields.colour import ViewBasisColour
from resfields_ns.functional.fourier import coarse_to_fine_window, positional_encoding, positional_encoding_pullback
from resfields_ns.layers import PositionalEncoding, WindowedPositionalEncoding, set_progress
from resfields_ns.layers.alternatives import HyperNetworkLinear


def _points(dim: int) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.rand(4, 2, dim, generator=generator, dtype=torch.float64) * 2.0 - 1.0


@pytest.mark.parametrize(("dim", "num_frequencies"), [(1, 6), (3, 4), (3, 0)])
def test_layout(dim: int, num_frequencies: int) -> None:
    """[x, w_0 sin(pi x), w_0 cos(pi x), w_1 sin(2 pi x), w_1 cos(2 pi x), ...]."""
    x = _points(dim)
    window = torch.linspace(0.9, 0.1, num_frequencies, dtype=torch.float64)
    expected = [x]
    for k, share in enumerate(window.tolist()):
        expected += [share * torch.sin(2**k * math.pi * x), share * torch.cos(2**k * math.pi * x)]
    torch.testing.assert_close(positional_encoding(x, window), torch.cat(expected, dim=-1), atol=1e-14, rtol=0)


@pytest.mark.parametrize(("dim", "num_frequencies"), [(1, 6), (3, 4), (3, 0)])
def test_pullback_is_the_transposed_jacobian(dim: int, num_frequencies: int) -> None:
    x = _points(dim).requires_grad_()
    window = torch.linspace(1.0, 0.1, num_frequencies, dtype=torch.float64)
    encoded = positional_encoding(x, window)
    gradient = torch.randn(encoded.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    (expected,) = torch.autograd.grad(encoded, x, gradient)
    mine = positional_encoding_pullback(encoded, gradient, window)
    torch.testing.assert_close(mine, expected, atol=1e-12, rtol=1e-12)


def test_gradients_are_the_numerical_ones() -> None:
    encoding = WindowedPositionalEncoding(3, 3).double()
    encoding.set_progress(0.6)
    x = _points(3).requires_grad_()
    gradient = torch.randn(4, 2, 21, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(encoding, x)
    assert torch.autograd.gradcheck(lambda x, g: encoding.pullback(encoding(x), g), (x, gradient))


def test_closed_window_shows_x_alone() -> None:
    encoding = WindowedPositionalEncoding(3, 5).double()
    encoding.set_progress(0.0)
    x = _points(3)
    encoded = encoding(x)
    assert torch.equal(encoded[..., :3], x)
    assert (encoded[..., 3:] == 0.0).all()


def test_open_window_shows_every_wave_in_full() -> None:
    encoding = WindowedPositionalEncoding(3, 5).double()
    x = _points(3)
    before = encoding(x)
    encoding.set_progress(1.0)
    assert torch.equal(encoding(x), before)
    waves = before[..., 3:].unflatten(-1, (5, 2, 3))
    torch.testing.assert_close(waves.square().sum(dim=-2), torch.ones(4, 2, 5, 3, dtype=torch.float64))


def test_a_schedule_opens_the_windows_that_have_one() -> None:
    """What a residual or a colour depends on stays open."""
    encodings = PositionalEncoding(1, 2), WindowedPositionalEncoding(1, 2)
    module = torch.nn.ModuleList((*encodings, ViewBasisColour(4, 8), HyperNetworkLinear(2, 2, 4, 1)))
    set_progress(module, 0.5)
    windows = {name: window.tolist() for name, window in module.named_buffers()}
    assert windows.pop("1.window") == pytest.approx([1.0, 0.0])
    assert len(windows) == 3 and all(share == 1.0 for window in windows.values() for share in window)


def test_output_has_the_announced_size() -> None:
    encoding = WindowedPositionalEncoding(3, 5)
    assert encoding(torch.zeros(7, 3)).shape == (7, encoding.out_dim)


@pytest.mark.parametrize("num_frequencies", [0, 1, 6])
def test_window_opens_from_coarse_to_fine(num_frequencies: int) -> None:
    """Every share grows with progress, and no wave is ahead of a coarser one."""
    windows = [coarse_to_fine_window(num_frequencies, step / 50) for step in range(51)]
    assert windows[0] == [0.0] * num_frequencies
    assert windows[-1] == pytest.approx([1.0] * num_frequencies)
    for earlier, later in zip(windows, windows[1:], strict=False):
        assert all(a <= b for a, b in zip(earlier, later, strict=True))
    for window in windows:
        assert window == sorted(window, reverse=True)


def test_window_follows_nerfies() -> None:
    """Eq. 8 of Nerfies with alpha = 1.5 of 3 waves."""
    assert coarse_to_fine_window(3, 0.5) == pytest.approx([1.0, 0.5, 0.0])
    assert coarse_to_fine_window(3, 0.25) == pytest.approx([0.5 * (1.0 - math.cos(math.pi * 0.75)), 0.0, 0.0])


def test_progress_beyond_the_schedule_leaves_the_window_open() -> None:
    assert coarse_to_fine_window(4, 1.7) == pytest.approx([1.0] * 4)
