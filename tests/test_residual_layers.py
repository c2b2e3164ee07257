"""Residual layers: Eq. 3 and 4 to the letter, in any order of times, and nn.Linear where time cannot matter."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from resfields_ns.functional.residual_weights import truncate_rank
from resfields_ns.functional.segment_linear import segment_linear
from resfields_ns.layers import ResFieldLinear, TimeTable
from tests.cases import LINEAR_LAYERS, RESIDUAL_LAYERS, fill_parameters, over

_IN, _OUT, _FRAMES, _RANK = 4, 3, 6, 2
Make = Callable[..., ResFieldLinear]


def _layer(make: Make, dtype: torch.dtype = torch.float64, **options: bool) -> ResFieldLinear:
    torch.manual_seed(0)
    layer = make(_IN, _OUT, _FRAMES, _RANK, **options)
    fill_parameters(layer)
    return layer.to(dtype)


def _inputs(dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor]:
    """Items at frames and between them, unsorted, some at the same time."""
    generator = torch.Generator().manual_seed(1)
    times = torch.tensor([0.4, 0.93, 0.0, 0.4, 1.0, 0.2, 0.51, 0.93], dtype=dtype)
    return torch.randn(len(times), 3, _IN, generator=generator).to(dtype), times


def _slow_matrix(layer: ResFieldLinear, time: float) -> list[list[Tensor]]:
    """W + sum_r v_r(t) M_r, entry by entry in float64."""
    table, basis, weight = (p.double() for p in (layer.coefficients.table, layer.basis, layer.weight))
    last = len(table) - 1
    lower = min(int(time * last + 1e-5), last)
    upper, share = min(lower + 1, last), max(time * last - lower, 0.0)
    rows = []
    for o in range(weight.shape[0]):
        row = []
        for i in range(weight.shape[1]):
            entry = weight[o, i]
            for r in range(basis.shape[0]):
                entry = entry + ((1.0 - share) * table[lower, r] + share * table[upper, r]) * basis[r, o, i]
            row.append(entry)
        rows.append(row)
    return rows


def _slow_linear(layer: ResFieldLinear, x: Tensor, times: Tensor) -> Tensor:
    outputs = []
    for item, time in zip(x.double(), times.tolist(), strict=True):
        matrix = _slow_matrix(layer, time)
        for sample in item:
            outputs += [
                sum((matrix[o][i] * sample[i] for i in range(_IN)), layer.bias[o].double()) for o in range(_OUT)
            ]
    return torch.stack(outputs).view(*x.shape[:-1], _OUT)


@over("make", RESIDUAL_LAYERS)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-13), (torch.float32, 2e-6)])
def test_follows_equations_3_and_4(make: Make, dtype: torch.dtype, tolerance: float) -> None:
    layer = _layer(make, dtype)
    x, times = _inputs(dtype)
    expected = [torch.stack([torch.stack(row) for row in _slow_matrix(layer, time)]) for time in times.tolist()]
    torch.testing.assert_close(layer.compose(times).double(), torch.stack(expected), atol=tolerance, rtol=tolerance)
    torch.testing.assert_close(layer(x, times).double(), _slow_linear(layer, x, times), atol=tolerance, rtol=tolerance)


@over("make", RESIDUAL_LAYERS)
def test_gradients_follow_equations_3_and_4(make: Make) -> None:
    layer = _layer(make)
    x, times = _inputs()
    x.requires_grad_()
    wanted = [x, *layer.parameters()]
    fast = torch.autograd.grad(layer(x, times).sin().sum(), wanted)
    slow = torch.autograd.grad(_slow_linear(layer, x, times).sin().sum(), wanted)
    for mine, theirs in zip(fast, slow, strict=True):
        torch.testing.assert_close(mine, theirs, atol=1e-12, rtol=1e-12)


@over("make", RESIDUAL_LAYERS)
def test_gradients_are_the_numerical_ones(make: Make) -> None:
    layer = _layer(make)
    x, times = _inputs()
    names, values = zip(*((name, p.detach().requires_grad_()) for name, p in layer.named_parameters()), strict=True)

    def call(x: Tensor, *parameters: Tensor) -> Tensor:
        return torch.func.functional_call(layer, dict(zip(names, parameters, strict=True)), (x, times))

    assert torch.autograd.gradcheck(call, (x.requires_grad_(), *values))


@over("make", RESIDUAL_LAYERS)
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("zero", ["coefficients.table", "basis"])
def test_without_residual_it_is_nn_linear_bit_for_bit(make: Make, bias: bool, zero: str) -> None:
    layer = _layer(make, torch.float32, bias=bias)
    nn.init.zeros_(layer.get_parameter(zero))
    plain = nn.Linear(_IN, _OUT, bias=bias)
    plain.load_state_dict({name: value for name, value in layer.state_dict().items() if name in ("weight", "bias")})
    x, _ = _inputs(torch.float32)
    for time in (0.0, 0.3, 1.0):
        assert torch.equal(layer(x, torch.full((len(x),), time)), plain(x))
    times = torch.linspace(0.0, 1.0, len(x))
    assert torch.equal(layer.compose(times), plain.weight.expand(len(x), -1, -1))
    torch.testing.assert_close(layer(x, times), plain(x), atol=1e-6, rtol=1e-6)


@over("make", RESIDUAL_LAYERS)
def test_constant_coefficients_do_not_see_time(make: Make) -> None:
    layer = _layer(make)
    with torch.no_grad():
        layer.coefficients.table.copy_(torch.randn(_RANK).expand_as(layer.coefficients.table))
    x, times = _inputs()
    torch.testing.assert_close(layer(x, times), layer(x, torch.zeros_like(times)), atol=1e-13, rtol=1e-13)


@over("make", RESIDUAL_LAYERS)
def test_other_coefficients_do_see_time(make: Make) -> None:
    layer = _layer(make)
    x, times = _inputs()
    assert ((layer(x, times) - layer(x, torch.full_like(times, 0.7))).abs().amax(dim=(1, 2)) > 1e-3).all()


@over("make", LINEAR_LAYERS)
def test_a_composed_matrix_depends_on_its_own_time_alone(make: Make) -> None:
    layer = make(_IN, _OUT, _FRAMES, _RANK).double()
    fill_parameters(layer)
    _, times = _inputs()
    alone = torch.cat([layer.compose(times[k : k + 1]) for k in range(len(times))])
    torch.testing.assert_close(layer.compose(times).expand_as(alone), alone, atol=1e-14, rtol=1e-14)


@over("make", RESIDUAL_LAYERS)
def test_any_order_of_times_gives_the_same_answers(make: Make) -> None:
    layer = _layer(make)
    x, times = _inputs()
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(2))
    torch.testing.assert_close(layer(x[order], times[order]), layer(x, times)[order], atol=1e-13, rtol=1e-13)


@over("make", RESIDUAL_LAYERS)
def test_a_batch_equals_its_items_alone(make: Make) -> None:
    layer = _layer(make)
    x, times = _inputs()
    alone = torch.cat([layer(x[k : k + 1], times[k : k + 1]) for k in range(len(x))])
    torch.testing.assert_close(layer(x, times), alone, atol=1e-13, rtol=1e-13)
    torch.testing.assert_close(layer(x[:, 0], times), alone[:, 0], atol=1e-13, rtol=1e-13)


@over("make", RESIDUAL_LAYERS)
def test_an_empty_batch_has_an_empty_answer(make: Make) -> None:
    assert _layer(make)(torch.zeros(0, 7, _IN, dtype=torch.float64), torch.zeros(0)).shape == (0, 7, _OUT)


@over("make", RESIDUAL_LAYERS)
def test_gradients_reach_the_rows_of_the_batch_alone(make: Make) -> None:
    layer = _layer(make)
    table = layer.coefficients.table
    x, _ = _inputs()
    last = len(table) - 1
    layer(x, torch.full((len(x),), 1 / last)).sum().backward()
    assert table.grad is not None
    assert (table.grad != 0).any(dim=1).nonzero().flatten().tolist() == [1]
    table.grad = None
    layer(x, torch.full((len(x),), 1.5 / last)).sum().backward()
    assert table.grad is not None
    assert (table.grad != 0).any(dim=1).nonzero().flatten().tolist() == [1, 2]


@pytest.mark.parametrize("sizes", [(3, 1, 4), (8,), (4, 4), (2, 0, 6), (0, 0)])
@pytest.mark.parametrize("bias", [True, False])
def test_segment_products_and_two_derivatives_agree_with_a_loop(sizes: tuple[int, ...], bias: bool) -> None:
    torch.manual_seed(0)
    x = torch.randn(sum(sizes), _IN, dtype=torch.float64, requires_grad=True)
    weights = torch.randn(len(sizes), _OUT, _IN, dtype=torch.float64, requires_grad=True)
    added = torch.randn(_OUT, dtype=torch.float64, requires_grad=True) if bias else None
    rows = [weights[k] @ point for k, part in enumerate(x.split(sizes)) for point in part]
    expected = torch.stack(rows) if rows else x @ weights[0].T
    expected = expected if added is None else expected + added
    torch.testing.assert_close(segment_linear(x, weights, sizes, added), expected, atol=1e-14, rtol=1e-13)

    def derivatives(y: Tensor) -> tuple[Tensor, ...]:
        variables = (x, weights) if added is None else (x, weights, added)
        first = torch.autograd.grad(y.sin().sum(), variables, create_graph=True)
        return *first, *torch.autograd.grad(
            torch.cat([gradient.flatten().pow(3) for gradient in first]).sum(), variables
        )

    actual = derivatives(segment_linear(x, weights, sizes, added))
    for mine, theirs in zip(actual, derivatives(expected), strict=True):
        torch.testing.assert_close(mine, theirs, atol=1e-11, rtol=1e-11)


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


def test_times_beyond_the_sequence_see_its_ends() -> None:
    coefficients = TimeTable(4, width=3, std=0.01)
    assert torch.equal(coefficients(torch.tensor([-0.5, 1.5])), coefficients.table[[0, 3]])


@pytest.mark.parametrize(("num_frames", "fraction", "rows"), [(50, 1.0, 50), (50, 0.3, 15), (7, 0.5, 3), (3, 0.1, 1)])
def test_coefficient_rows_are_a_share_of_the_frames(num_frames: int, fraction: float, rows: int) -> None:
    layer = ResFieldLinear(_IN, _OUT, num_frames, _RANK, coefficient_fraction=fraction)
    assert layer.coefficients.table.shape == (rows, _RANK)


def test_residuals_start_small() -> None:
    torch.manual_seed(0)
    layer = ResFieldLinear(64, 64, num_frames=400, rank=10)
    for parameter in (layer.coefficients.table, layer.basis):
        assert parameter.std().item() == pytest.approx(0.01, rel=0.05)
        assert abs(parameter.mean().item()) < 6e-4


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rank": 0}, r"rank: expected at least 1, got 0"),
        ({"num_frames": 0}, r"num_frames: expected at least 1, got 0"),
        ({"coefficient_fraction": 0.0}, r"coefficient_fraction: expected a number in \(0, 1\], got 0\.0"),
        ({"coefficient_fraction": 1.5}, r"coefficient_fraction: expected a number in \(0, 1\], got 1\.5"),
    ],
)
def test_errors_name_the_option(options: dict[str, float], message: str) -> None:
    sizes = {"in_features": 2, "out_features": 2, "num_frames": 5, "rank": 1}
    with pytest.raises(ValueError, match=f"^{message}$"):
        ResFieldLinear(**(sizes | options))  # pyright: ignore[reportArgumentType]


def _residuals(layer: ResFieldLinear, coefficients: Tensor) -> Tensor:
    return coefficients @ layer.basis.flatten(start_dim=1)


@over("make", RESIDUAL_LAYERS)
@pytest.mark.parametrize("rank", [1, 2])
def test_a_truncated_residual_is_the_best_of_its_rank(make: Make, rank: int) -> None:
    layer = _layer(make)
    table = layer.coefficients.table
    truncated = _residuals(layer, truncate_rank(table, layer.basis, rank))
    left, values, right = torch.linalg.svd(_residuals(layer, table), full_matrices=False)
    best = left[:, :rank] * values[:rank] @ right[:rank]
    torch.testing.assert_close(truncated, best, atol=1e-10, rtol=1e-8)


@over("make", RESIDUAL_LAYERS)
def test_a_residual_of_full_rank_is_itself(make: Make) -> None:
    layer = _layer(make)
    table = layer.coefficients.table
    torch.testing.assert_close(
        _residuals(layer, truncate_rank(table, layer.basis, _RANK)), _residuals(layer, table), atol=1e-10, rtol=1e-8
    )


@over("make", RESIDUAL_LAYERS)
@pytest.mark.parametrize("scale", [0.0, 0.5, 2.0])
def test_a_scaled_residual_moves_the_answer_in_proportion(make: Make, scale: float) -> None:
    layer = _layer(make).eval()
    x, times = _inputs()
    base = torch.nn.functional.linear(x, layer.weight, layer.bias)
    whole = layer(x, times)
    layer.show_residual(scale, _RANK)
    torch.testing.assert_close(layer(x, times), base + scale * (whole - base), atol=1e-12, rtol=1e-12)
