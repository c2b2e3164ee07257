"""Coefficients over time: rows at their nodes, smooth curves between, chunks of frames."""

import pytest
import torch
from torch import Tensor, nn

from resfields_ns import timeline
from resfields_ns.functional.curves import roughness
from resfields_ns.functional.residual_weights import Chunks, frame_similarity
from resfields_ns.layers import ResFieldLinear, TimeTable, coefficients_of_frames, part_losses, shown_parts
from resfields_ns.layers.coefficients import SplineTable, cubic_spline, frame_table
from resfields_ns.layers.low_rank import ChunkedLinear
from tests.slow_layers import slow_coefficients

_PIECES = 5


@pytest.mark.parametrize("num_rows", range(1, 61))
def test_a_node_has_the_values_of_its_row_bit_for_bit(num_rows: int) -> None:
    coefficients = TimeTable(num_rows, width=3, std=0.01)
    divided_in_float32 = torch.arange(num_rows, dtype=torch.float32) / max(num_rows - 1, 1)
    divided_in_float64 = torch.tensor([k / max(num_rows - 1, 1) for k in range(num_rows)])
    assert torch.equal(coefficients(divided_in_float32), coefficients.table)
    assert torch.equal(coefficients(divided_in_float64), coefficients.table)


@pytest.mark.parametrize("num_rows", [2, 3, 7, 60])
def test_halfway_between_nodes_is_the_mean(num_rows: int) -> None:
    coefficients = TimeTable(num_rows, width=3, std=0.01).double()
    times = (torch.arange(num_rows - 1, dtype=torch.float64) + 0.5) / (num_rows - 1)
    mean = 0.5 * (coefficients.table[:-1] + coefficients.table[1:])
    torch.testing.assert_close(coefficients(times), mean, atol=1e-14, rtol=1e-12)


def test_at_a_node_the_derivative_by_time_is_that_of_what_follows() -> None:
    coefficients = TimeTable(4, width=1, std=1.0).double()
    slopes = 3.0 * coefficients.table.diff(dim=0)[:, 0]
    for share in (0.0, 0.4):
        times = ((torch.arange(3, dtype=torch.float64) + share) / 3.0).requires_grad_()
        (gradient,) = torch.autograd.grad(coefficients(times).sum(), times)
        torch.testing.assert_close(gradient, slopes, atol=1e-14, rtol=1e-12)


def test_times_beyond_the_sequence_see_its_ends() -> None:
    coefficients = TimeTable(4, width=3, std=0.01)
    assert torch.equal(coefficients(torch.tensor([-0.5, 1.5])), coefficients.table[[0, 3]])


@pytest.mark.parametrize(("num_frames", "fraction", "rows"), [(50, 1.0, 50), (50, 0.3, 15), (7, 0.5, 3), (3, 0.1, 1)])
def test_rows_are_a_share_of_the_frames(num_frames: int, fraction: float, rows: int) -> None:
    assert frame_table(num_frames, 2, fraction).table.shape == (rows, 2)


@pytest.mark.parametrize("fraction", [0.0, 1.5])
def test_a_share_that_is_none(fraction: float) -> None:
    with pytest.raises(ValueError, match=rf"^coefficient_fraction: expected a number in \(0, 1\], got {fraction}$"):
        frame_table(50, 2, fraction)


def _spline(degree: int) -> SplineTable:
    torch.manual_seed(0)
    spline = SplineTable(_PIECES, degree, width=2).double()
    torch.nn.init.normal_(spline.table)
    return spline


@pytest.mark.parametrize("degree", [1, 2, 3, 4])
def test_splines_follow_the_recursion_of_cox_and_de_boor(degree: int) -> None:
    spline, times = _spline(degree), torch.linspace(0.0, 1.0, 37, dtype=torch.float64)
    slow = torch.stack([slow_coefficients(spline, time) for time in times.tolist()])
    torch.testing.assert_close(spline(times), slow, atol=1e-10, rtol=1e-10)


@pytest.mark.parametrize("degree", [1, 2, 3, 4])
def test_splines_reproduce_constants_and_see_their_ends_beyond_them(degree: int) -> None:
    spline, times = _spline(degree), torch.linspace(0.0, 1.0, 37, dtype=torch.float64)
    constant = spline.at(torch.full_like(spline.table, 1.7), times)
    torch.testing.assert_close(constant, torch.full_like(constant, 1.7), atol=1e-13, rtol=0)
    beyond, ends = (torch.tensor(values, dtype=torch.float64) for values in ((-0.5, 1.5), (0.0, 1.0)))
    assert torch.equal(spline(beyond), spline(ends))


def test_a_spline_of_degree_1_is_the_table() -> None:
    spline, times = _spline(1), torch.linspace(0.0, 1.0, 37, dtype=torch.float64)
    table = TimeTable(_PIECES + 1, width=2, std=0.0).double()
    torch.testing.assert_close(spline(times), table.at(spline.table, times), atol=1e-13, rtol=0)


@pytest.mark.parametrize("degree", [1, 2, 3, 4])
def test_a_spline_has_one_derivative_less_than_its_degree(degree: int) -> None:
    """Across every knot, all up to that agree on both sides, and the next does not."""
    spline = _spline(degree)
    knots = torch.arange(1, _PIECES, dtype=torch.float64) / _PIECES
    left, right = (_derivatives(spline, knots + side, degree) for side in (-1e-9, 1e-9))
    for order in range(degree):
        torch.testing.assert_close(left[order], right[order], atol=1e-4, rtol=1e-5)
    assert ((left[degree] - right[degree]).abs() > 0.1).all()


def _derivatives(spline: SplineTable, times: Tensor, highest: int) -> list[Tensor]:
    """The first coefficient's derivatives by time of order 0 to `highest`."""
    times.requires_grad_()
    values = [spline(times)[:, 0]]
    for _ in range(highest):
        values += torch.autograd.grad(values[-1].sum(), times, create_graph=True)
    return values


@pytest.mark.parametrize(("num_frames", "fraction", "rows"), [(50, 1.0, 52), (51, 0.5, 28), (1, 1.0, 4), (9, 0.01, 4)])
def test_a_cubic_spline_has_a_piece_between_frames(num_frames: int, fraction: float, rows: int) -> None:
    assert cubic_spline(num_frames, 2, fraction).table.shape == (rows, 2)


def test_roughness_is_the_mean_squared_second_difference() -> None:
    table = torch.tensor([[0.0, 1.0], [1.0, 1.0], [4.0, 1.0], [9.0, 3.0]])
    assert roughness(table).item() == pytest.approx((2.0**2 + 2.0**2 + 0.0 + 2.0**2) / 4)
    assert roughness(torch.arange(8.0)[:, None]).item() == 0.0
    assert roughness(table[:2]).item() == 0.0


def test_smoothness_losses_add_up_what_is_weighted() -> None:
    parts = [TimeTable(5, 2, std=1.0, smoothness_weight=weight) for weight in (0.0, 0.5, 2.0)]
    losses = part_losses(torch.nn.ModuleList(parts))
    expected = 0.5 * roughness(parts[1].table) + 2.0 * roughness(parts[2].table)
    torch.testing.assert_close(losses, {"smoothness": expected})
    assert part_losses(parts[0]) == {}


@pytest.mark.parametrize(("num_frames", "num_chunks"), [(7, 1), (7, 3), (8, 4), (5, 5), (1024, 16)])
def test_chunks_part_the_frames(num_frames: int, num_chunks: int) -> None:
    chunks = Chunks(num_frames, num_chunks)
    index = chunks.index(timeline.times_from_frames(torch.arange(num_frames), num_frames))
    assert index.tolist() == [c for c in range(num_chunks) for _ in range(chunks.size(c))]
    sizes = [chunks.size(c) for c in range(num_chunks)]
    assert sum(sizes) == num_frames and max(sizes) - min(sizes) <= 1


@pytest.mark.parametrize(("num_frames", "num_chunks"), [(7, 1), (7, 3), (5, 5), (1024, 16)])
def test_frames_of_a_chunk_are_nodes_of_its_own_table(num_frames: int, num_chunks: int) -> None:
    chunks = Chunks(num_frames, num_chunks)
    for c in range(num_chunks):
        frames = torch.arange(chunks.start(c), chunks.start(c + 1))
        local = chunks.local_times(timeline.times_from_frames(frames, num_frames), c)
        table = TimeTable(chunks.size(c), width=2, std=1.0)
        assert torch.equal(table(local), table.table)


def test_coefficients_of_frames_are_the_rows_of_every_layer_by_its_name() -> None:
    plain, chunked = ResFieldLinear(3, 4, num_frames=6, rank=2), ChunkedLinear(4, 5, 6, rank=2, residual_chunks=2)
    layers = nn.Sequential(plain, nn.ReLU(), chunked)
    found = coefficients_of_frames(layers, 6)
    assert list(found) == ["0", "2"]
    assert torch.equal(found["0"], plain.coefficients.table)
    rows = torch.cat([table for name, table in chunked.named_parameters() if name.endswith("table")])
    torch.testing.assert_close(found["2"], rows, atol=1e-8, rtol=1e-6)
    assert list(shown_parts(layers)) == ["0"]


def test_frames_are_similar_by_the_direction_of_their_coefficients() -> None:
    coefficients = torch.tensor([[1.0, 0.0], [0.0, 2.0], [-3.0, 0.0], [1.0, 1.0], [0.0, 0.0]])
    half = 0.5**0.5
    expected = [[1, 0, -1, half, 0], [0, 1, 0, half, 0], [-1, 0, 1, -half, 0], [half, half, -half, 1, 0], [0] * 5]
    torch.testing.assert_close(frame_similarity(coefficients), torch.tensor(expected, dtype=torch.float32))
