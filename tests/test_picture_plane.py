"""A picture in space: rays through pixel centres meet the pixels' coordinates; held-out pixels are never drawn."""

import pytest
import torch

from resfields_ns.captures.clips.clip_pixels import HoldOut
from resfields_ns.functional.intersections import half_extents, intersect_picture, pixel_coordinates

SIZES = [(2, 2), (3, 7), (12, 5)]


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_coordinates_are_even_steps_from_end_to_end(height: int, width: int) -> None:
    coordinates = pixel_coordinates(torch.arange(height * width), height, width).view(height, width, 2)
    y, x = torch.linspace(-1, 1, height), torch.linspace(-1, 1, width)
    assert torch.allclose(coordinates, torch.stack(torch.meshgrid(y, x, indexing="ij"), dim=-1), atol=1e-6)


@pytest.mark.parametrize("direction", [(-1.0, 0.0, 0.0), (-0.9, 0.3, -0.2)])
@pytest.mark.parametrize(("height", "width"), SIZES)
def test_rays_to_pixel_centres_meet_their_coordinates(height: int, width: int, direction: tuple) -> None:
    row, column = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    half_width, half_height = half_extents(height, width)
    assert max(half_width, half_height) == 1.0
    right = (2.0 * (column + 0.5) / width - 1.0) * half_width
    up = (1.0 - 2.0 * (row + 0.5) / height) * half_height
    centres = torch.stack((torch.zeros_like(up), right, up), dim=-1).view(-1, 3)
    directions = torch.nn.functional.normalize(torch.tensor(direction), dim=0).expand_as(centres)
    hit, distances, coordinates = intersect_picture(centres - 1.7 * directions, directions, height, width)
    assert hit.all() and torch.allclose(distances, torch.tensor(1.7), atol=1e-5)
    assert torch.allclose(coordinates, pixel_coordinates(torch.arange(height * width), height, width), atol=1e-5)


def test_rays_beside_behind_and_along_the_picture_miss() -> None:
    origins = torch.tensor([[1.0, 0.0, 0.0], [1.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 0.0], [1.0, 0.0, 0.6]])
    directions = torch.tensor([[-1.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 1.0, 0.0], [-1.0, 0.0, 0.0]])
    hit, _, _ = intersect_picture(origins, directions, 10, 20)
    assert hit.tolist() == [True, False, False, False, False]


@pytest.mark.parametrize(("pixels", "frames"), [(0.0, 0.0), (0.1, 0.0), (0.9, 0.0), (0.0, 0.5), (0.3, 0.25)])
def test_seen_and_held_out_pixels_part_a_frame(pixels: float, frames: float) -> None:
    hold_out = HoldOut.choose(8, 50, pixels, frames, seed=3)
    assert hold_out.pixels.shape == (8, round(50 * pixels)) and hold_out.held_out_frames.sum() == round(8 * frames)
    assert hold_out.any == (pixels > 0.0 or frames > 0.0)
    seen_frames = (~hold_out.held_out_frames).nonzero()[:, 0]
    for frame, drawn in zip(seen_frames.tolist(), hold_out.draw_seen(seen_frames, 4000), strict=True):
        assert torch.equal(drawn.unique(), (~hold_out.mask(frame)).nonzero()[:, 0])  # all of them, and they alone
        assert drawn.bincount().max() < 4.0 * 4000 / len(drawn.unique())
    if pixels == 0.0:
        return
    everywhere = torch.arange(8)
    for frame, drawn in zip(everywhere.tolist(), hold_out.draw_held_out(everywhere, 4000), strict=True):
        assert torch.equal(drawn.unique(), hold_out.mask(frame).nonzero()[:, 0])


def test_what_is_held_out_follows_from_the_seed_and_differs_from_frame_to_frame() -> None:
    first, again, other = (HoldOut.choose(4, 90, 0.2, 0.5, seed) for seed in (0, 0, 1))
    assert torch.equal(first.pixels, again.pixels) and torch.equal(first.held_out_frames, again.held_out_frames)
    assert not torch.equal(first.pixels, other.pixels)
    assert not torch.equal(first.pixels[0], first.pixels[1])
