"""Moving grids: lookups against a slow twin, a residual of tables; that they are maps of points is in test_warps."""

import itertools

import torch
from torch import Tensor

from resfields_ns.fields.conditions import LatentCodeConditionConfig
from resfields_ns.fields.moving_grid import MovingGridAmbient, MovingGridConfig
from resfields_ns.functional.grids import entries_and_places, node_weights, table_sizes
from resfields_ns.functional.segments import ConditionedPoints, TimeSegments
from resfields_ns.layers import parameter_groups
from tests.cases import perturb_parameters

_SEGMENTS = TimeSegments(torch.tensor([0.0, 0.3, 1.0], dtype=torch.float64), (3, 1, 4))
_CODES = torch.randn(3, 2, generator=torch.Generator().manual_seed(2), dtype=torch.float64)


def _grid() -> MovingGridAmbient:
    """A level whose nodes have entries of their own, and two that hash them."""
    torch.manual_seed(0)
    config = MovingGridConfig(resolution=3, num_grids=3, features=2, log2_table_size=6)
    grid = config.setup(condition=LatentCodeConditionConfig(dim=2).setup(num_frames=5)).double()
    perturb_parameters(grid)
    return grid


def _points() -> ConditionedPoints:
    """Inside and beyond the grids."""
    positions = torch.rand(8, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64) * 2.4 - 1.2
    return ConditionedPoints(positions, _SEGMENTS, _CODES)


def _slow_features(grid: MovingGridAmbient, position: Tensor, code: Tensor) -> list[float]:
    features, first = [], 0
    for cells, size in ((3, 64), (4, 64), (6, 64)):
        table = (grid.tables[0] + code[0] * grid.tables[1] + code[1] * grid.tables[2])[first : first + size]
        at = (position.clamp(-1.0, 1.0) + 1.0) / 2.0 * cells
        node = [min(int(number), cells - 1) for number in at]
        value = torch.zeros(2, dtype=torch.float64)
        for corner in itertools.product((0, 1), repeat=3):
            x, y, z = (start + step for start, step in zip(node, corner, strict=True))
            own = (x * (cells + 1) + y) * (cells + 1) + z
            hashed = (x ^ (y * 2_654_435_761) ^ (z * 805_459_861)) % size
            weight = 1.0
            for number, start, step in zip(at, node, corner, strict=True):
                weight *= 1.0 - abs(float(number) - (start + step))
            value = value + weight * table[own if (cells + 1) ** 3 <= 64 else hashed]
        features += value.tolist()
        first += size
    return features


def test_features_are_blended_from_tables_of_the_points_time() -> None:
    grid, points = _grid(), _points()
    codes = points.expanded_condition
    slow = [_slow_features(grid, *each) for each in zip(points.positions, codes, strict=True)]
    torch.testing.assert_close(grid(points), torch.tensor(slow, dtype=torch.float64), atol=1e-13, rtol=0)


def test_codes_of_zero_leave_the_tables_that_all_times_share() -> None:
    grid, points = _grid(), _points()
    still = grid(points.conditioned(torch.zeros_like(_CODES)))
    torch.nn.init.zeros_(grid.tables[1:])
    assert torch.equal(grid(points), still)


def test_nodes_of_a_level_have_entries_of_their_own_until_there_are_too_many() -> None:
    cells = [2, 3, 5]
    nodes = torch.cartesian_prod(*[torch.linspace(-1.0, 1.0, 4, dtype=torch.float64)] * 3)
    entries, u = entries_and_places(nodes, cells, 64)
    assert table_sizes(cells, 64) == [27, 64, 64]
    at_node = entries[1].gather(0, node_weights(u)[1].argmax(dim=0)[None])[0]
    assert torch.equal(at_node, 27 + torch.arange(64))
    assert entries[2].min() >= 91 and entries[2].max() < 155
    torch.testing.assert_close(node_weights(u).sum(dim=1), torch.ones(3, 64, dtype=torch.float64))


def test_tables_are_trained_apart() -> None:
    grid = _grid()
    groups = parameter_groups(torch.nn.ModuleList([torch.nn.Linear(2, 2), grid]), rest="field")
    assert len(groups["planes"]) == 1 and groups["planes"][0] is grid.tables
