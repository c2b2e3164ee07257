"""Densities of a field's number: of a surface, of rays through them, and of fields that start as a known shape."""

import torch

from resfields_ns.fields.densities import Density, ReLUDensity
from tests.cases import DENSITIES, over

LEVELS = torch.linspace(-0.5, 0.5, 101, dtype=torch.float64)


@over("density", DENSITIES)
def test_a_number_for_a_level_has_that_side_of_the_surface(density: Density) -> None:
    levels = density.level(density.from_level(LEVELS))
    assert torch.equal(levels.sign(), LEVELS.sign())
    assert (levels.diff() > 0).all()


@over("density", DENSITIES)
def test_depth_is_the_integral_of_density(density: Density) -> None:
    start, end, length = (
        density.from_level(LEVELS),
        density.from_level(LEVELS.flip(0) + 0.1),
        torch.full_like(LEVELS, 0.7),
    )
    along = (torch.arange(4000, dtype=torch.float64) + 0.5) / 4000
    summed = density(start[:, None] + (end - start)[:, None] * along).mean(dim=1) * length
    torch.testing.assert_close(density.depth(start, end, length), summed, rtol=1e-4, atol=1e-6)


def test_scale_is_what_a_number_of_one_is_dense() -> None:
    numbers = torch.tensor([-2.0, 0.0, 1.0, 3.0])
    plain, scaled = ReLUDensity(0.001), ReLUDensity(0.001, scale=50.0)
    torch.testing.assert_close(scaled(numbers), torch.tensor([0.0, 0.0, 50.0, 150.0]))
    torch.testing.assert_close(scaled(scaled.from_level(LEVELS)), plain(plain.from_level(LEVELS)))
