"""Pixel samplers: valid pixels, all of those meant, all alike."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from resfields_ns.data.pixel_samplers import ForegroundBalancedPixels, PixelSampler, UniformPixels
from tests.cases import FRAME_INDEX, PIXEL_SAMPLERS, over


def _masks() -> Tensor:
    """Three images with little, much and no foreground."""
    masks = torch.zeros(3, 7, 9, dtype=torch.bool)
    masks[0, 2:4, 3:5] = True
    masks[1, 1:6, 2:8] = True
    return masks


def _frames(count: int) -> Tensor:
    """Frames of rays, in order, as often as they have images."""
    return torch.tensor([0, 1, 1]).repeat(-(-count // 3))[:count].sort().values


def _counts(indices: Tensor, shape: torch.Size) -> Tensor:
    image, row, column = indices.unbind(dim=-1)
    return torch.bincount((image * shape[1] + row) * shape[2] + column, minlength=shape.numel()).view(shape)


def _assert_uniform(counts: Tensor) -> None:
    """Chi-square within five standard deviations of its mean."""
    expected = counts.double().mean()
    freedom = counts.numel() - 1
    chi_square = ((counts - expected).square() / expected).sum().item()
    assert chi_square == pytest.approx(freedom, abs=5 * (2 * freedom) ** 0.5)


@over("make", PIXEL_SAMPLERS)
@pytest.mark.parametrize("count", [1, 2, 777])
def test_pixels_are_as_many_as_asked_and_valid(make: Callable[[Tensor], PixelSampler], count: int) -> None:
    torch.manual_seed(0)
    masks = _masks()
    indices = make(masks).sample(_frames(count))
    assert indices.shape == (count, 3)
    assert indices.dtype == torch.int64
    assert ((indices >= 0) & (indices < torch.tensor(masks.shape))).all()


@over("make", PIXEL_SAMPLERS)
def test_draws_differ_and_follow_the_seed(make: Callable[[Tensor], PixelSampler]) -> None:
    sampler = make(_masks())
    torch.manual_seed(0)
    first, second = sampler.sample(_frames(50)), sampler.sample(_frames(50))
    torch.manual_seed(0)
    assert not torch.equal(first, second)
    assert torch.equal(sampler.sample(_frames(50)), first)


def test_uniform_pixels_are_uniform() -> None:
    torch.manual_seed(0)
    shape = torch.Size((3, 7, 9))
    counts = _counts(UniformPixels(FRAME_INDEX, *shape[1:]).sample(_frames(42_000)), shape)
    assert (counts > 0).all()
    _assert_uniform(counts)


@pytest.mark.parametrize("count", [1, 2, 51, 1000])
def test_half_of_the_pixels_lie_on_the_foreground(count: int) -> None:
    torch.manual_seed(0)
    masks = _masks()
    indices = ForegroundBalancedPixels(masks, FRAME_INDEX, background_margin=1.0).sample(_frames(count))
    assert masks[tuple(indices.T)].sum() == count // 2


def test_foreground_and_background_of_a_frame_are_each_uniform() -> None:
    """With a margin as wide as the image: all background of the images that have foreground."""
    torch.manual_seed(0)
    masks = _masks()
    sampler = ForegroundBalancedPixels(masks, FRAME_INDEX, background_margin=1.0)
    for image, frame in ((1, 0), (0, 1)):
        counts = _counts(sampler.sample(torch.full((20_000,), frame)), masks.shape)[image]
        assert (counts > 0).all()
        _assert_uniform(counts[masks[image]])
        _assert_uniform(counts[~masks[image]])


@over("make", PIXEL_SAMPLERS)
def test_pixels_show_the_frames_asked_for(make: Callable[[Tensor], PixelSampler]) -> None:
    frames = _frames(99)
    assert torch.equal(FRAME_INDEX[make(_masks()).sample(frames)[:, 0]], frames)


def test_a_frame_without_foreground_or_background_gives_the_other() -> None:
    masks = torch.zeros(3, 4, 5, dtype=torch.bool)
    masks[0], masks[1, 1, 1] = True, True
    sampler = ForegroundBalancedPixels(masks, torch.tensor([0, 1, 2]), background_margin=0.2)
    assert sampler.frames.tolist() == [0, 1]
    image, row, column = sampler.sample(torch.zeros(40, dtype=torch.long)).unbind(dim=-1)
    assert masks[image, row, column].all()


def test_an_image_that_lost_its_subject_gives_no_pixels() -> None:
    """Neither its foreground nor a background, at any margin, beside another camera's image of the same frame."""
    masks = torch.zeros(2, 4, 5, dtype=torch.bool)
    masks[0, 1, 1] = True
    for margin in (0.2, 1.0):
        sampler = ForegroundBalancedPixels(masks, torch.tensor([0, 0]), background_margin=margin)
        assert (sampler.sample(torch.zeros(40, dtype=torch.long))[:, 0] == 0).all()


def test_background_lies_within_the_margin() -> None:
    """A margin of 0.2 of 9 columns is 2 pixels; every background pixel that near to the foreground is drawn."""
    torch.manual_seed(0)
    masks = _masks()
    drawn = (
        _counts(
            ForegroundBalancedPixels(masks, FRAME_INDEX, background_margin=0.2).sample(_frames(20_000)), masks.shape
        )
        > 0
    )
    foreground = masks.nonzero()
    for image, row, column in (~masks).nonzero().tolist():
        offsets = (foreground[foreground[:, 0] == image, 1:] - torch.tensor([row, column])).abs().amax(dim=1)
        assert drawn[image, row, column] == bool((offsets <= 2).any())
