"""Levels near a surface: those that marching cubes needs are as on the whole grid, and few others are computed."""

import mcubes
import numpy as np
import pytest
import torch
from torch import Tensor

from resfields_ns.functional.surface_grid import levels_near_surface, levels_where_sides_change

ORIGIN = torch.tensor([-1.0, -0.9, -0.8])
CELL = 1.0 / 24.0
COUNTS = (50, 45, 38)


def _thin_things(points: Tensor) -> Tensor:
    """Distance to a ball, to a plate thinner than a cell, and to a rod of half a cell's radius."""
    ball = (points - torch.tensor([0.4, 0.3, 0.1])).norm(dim=-1) - 0.3
    plate = ((points - torch.tensor([-0.5, -0.2, 0.0])).abs() - torch.tensor([0.01, 0.4, 0.5])).amax(dim=-1)
    rod = (points[:, 1:] - torch.tensor([-0.6, -0.5])).norm(dim=-1) - 0.5 * CELL
    return torch.stack((ball, plate, rod)).amin(dim=0)


def _grid(counts: tuple[int, ...] = COUNTS) -> Tensor:
    return ORIGIN + CELL * torch.cartesian_prod(*(torch.arange(count) for count in counts)).view(*counts, 3)


def _half(points: Tensor) -> Tensor:
    """A region whose border goes through the things, within blocks of any size."""
    return points[..., 0] + 0.3 * points[..., 1] < 0.35


@pytest.mark.parametrize(
    ("occupied", "tolerance"),
    [(torch.ones(COUNTS, dtype=torch.bool), 1e-4), (_half(_grid()), 1.0)],
    ids=["all", "half"],
)
@pytest.mark.parametrize("scale", [1.0, 1.9])
def test_marching_cubes_finds_the_same_surface(occupied: Tensor, tolerance: float, scale: float) -> None:
    """Also for levels that are not quite distances; where things are cut by what is occupied, to a cell."""
    asked = []

    def level(points: Tensor) -> Tensor:
        asked.append(len(points))
        return scale * _thin_things(points)

    near = levels_near_surface(level, occupied, ORIGIN, CELL, slope=2.0)
    assert sum(asked) < 0.6 * int(occupied.sum())
    whole = torch.where(occupied, level(_grid().flatten(end_dim=2)).view(COUNTS), CELL)
    (vertices, faces), (expected, expected_faces) = (mcubes.marching_cubes(x.numpy(), 0.0) for x in (near, whole))
    assert len(faces) > 2000
    np.testing.assert_array_equal(faces, expected_faces)
    np.testing.assert_allclose(vertices, expected, rtol=0, atol=tolerance)


def test_without_a_slope_every_occupied_point_is_computed() -> None:
    occupied = _half(_grid())
    levels = levels_near_surface(_thin_things, occupied, ORIGIN, CELL, slope=None)
    torch.testing.assert_close(levels[occupied], _thin_things(_grid()[occupied]))
    assert (levels[~occupied] == CELL).all()


def test_levels_that_are_steeper_than_told_are_all_computed() -> None:
    """Ripples that hide small pieces of a surface from the middles of large blocks."""

    def level(points: Tensor) -> Tensor:
        return _thin_things(points) + 0.25 * (40.0 * points).sin().prod(dim=-1)

    occupied = torch.ones(COUNTS, dtype=torch.bool)
    expected = level(_grid().flatten(end_dim=2)).view(COUNTS)
    torch.testing.assert_close(levels_near_surface(level, occupied, ORIGIN, CELL, slope=2.0), expected)


@pytest.mark.parametrize("counts", [(1, 1, 1), (2, 17, 3), (16, 33, 5)])
def test_signs_are_right_everywhere(counts: tuple[int, ...]) -> None:
    grid = _grid(counts)
    levels = levels_near_surface(_thin_things, torch.ones(counts, dtype=torch.bool), ORIGIN, CELL, slope=2.0)
    assert torch.equal(levels.sign(), _thin_things(grid.flatten(end_dim=2)).view(counts).sign())


def test_where_sides_change_all_levels_are_those_of_the_whole_grid() -> None:
    """Coarse to fine, levels whose size says nothing; a rod is followed out of the coarse cells that have it."""
    cell, counts, asked = 2.0 / 130.0, (131, 131, 100), []

    def level(points: Tensor) -> Tensor:
        asked.append(len(points))
        ball = (points - torch.tensor([0.2, 0.1, -0.6])).norm(dim=-1) - 0.307
        rod = (points - torch.tensor([0.2, 0.1, 0.0])).abs() - torch.tensor([0.9 * cell, 0.9 * cell, 0.9])
        return 40.0 * torch.stack((ball, rod.amax(dim=-1))).amin(dim=0).pow(3)

    grid = -1.0 + cell * torch.cartesian_prod(*(torch.arange(count) for count in counts))
    found = levels_where_sides_change(level, torch.ones(counts, dtype=torch.bool), torch.full((3,), -1.0), cell)
    assert sum(asked) < 0.1 * found.numel()
    whole = level(grid).view(counts)
    (vertices, faces), (expected, expected_faces) = (mcubes.marching_cubes(x.numpy(), 0.0) for x in (found, whole))
    np.testing.assert_array_equal(faces, expected_faces)
    np.testing.assert_allclose(vertices, expected, rtol=0, atol=1e-2)


def test_a_decision_boundary_is_a_sphere_to_a_cell() -> None:
    cell, counts, asked = 2.0 / 128.0, (129, 129, 129), []

    def inside(points: Tensor) -> Tensor:
        asked.append(len(points))
        return torch.where(points.norm(dim=-1) < 0.5, -1.0, 1.0)

    levels = levels_where_sides_change(inside, torch.ones(counts, dtype=torch.bool), torch.full((3,), -1.0), cell)
    vertices = cell * mcubes.marching_cubes(levels.numpy(), 0.0)[0] - 1.0
    assert np.abs(np.linalg.norm(vertices, axis=1) - 0.5).max() < cell
    assert sum(asked) < 0.1 * levels.numel()
