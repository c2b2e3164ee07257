"""Layers over time: their formulas to the letter, in any order of times, and nn.Linear where time cannot matter."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from resfields_ns.functional.residual_weights import truncate_rank
from resfields_ns.functional.segment_linear import segment_linear
from resfields_ns.layers import ResFieldLinear, TimeLinear
from resfields_ns.layers.alternatives import TuckerLinear
from resfields_ns.layers.linear import ResidualLinear
from resfields_ns.layers.low_rank import ChunkedLinear
from tests.cases import (
    COEFFICIENT_LAYERS,
    LINEAR_LAYERS,
    LOW_RANK_LAYERS,
    RESIDUAL_LAYERS,
    RESIDUAL_PARAMETERS,
    fill_parameters,
    over,
)
from tests.slow_layers import slow_linear, slow_matrix

_IN, _OUT, _FRAMES, _RANK = 4, 3, 6, 2
Make = Callable[..., TimeLinear]


def _layer(make: Make, dtype: torch.dtype = torch.float64, **options: bool) -> TimeLinear:
    torch.manual_seed(0)
    layer = make(_IN, _OUT, _FRAMES, _RANK, **options)
    fill_parameters(layer)
    return layer.to(dtype)


def _low_rank(make: Make) -> ResFieldLinear:
    layer = _layer(make)
    assert isinstance(layer, ResFieldLinear)
    return layer


def _inputs(dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor]:
    """Items at frames and between them, unsorted, some at the same time."""
    generator = torch.Generator().manual_seed(1)
    times = torch.tensor([0.4, 0.93, 0.0, 0.4, 1.0, 0.2, 0.51, 0.93], dtype=dtype)
    return torch.randn(len(times), 3, _IN, generator=generator).to(dtype), times


@over("make", LINEAR_LAYERS)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-13), (torch.float32, 1e-5)])
def test_follows_its_formula(make: Make, dtype: torch.dtype, tolerance: float) -> None:
    layer = _layer(make, dtype)
    x, times = _inputs(dtype)
    expected = torch.stack([slow_matrix(layer, time) for time in times.tolist()])
    matrices = layer.compose(times).double().expand_as(expected)
    torch.testing.assert_close(matrices, expected, atol=tolerance, rtol=tolerance)
    torch.testing.assert_close(layer(x, times).double(), slow_linear(layer, x, times), atol=tolerance, rtol=tolerance)


@over("make", RESIDUAL_LAYERS)
def test_gradients_follow_its_formula(make: Make) -> None:
    layer = _layer(make)
    x, times = _inputs()
    x.requires_grad_()
    wanted = [x, *layer.parameters()]
    fast = torch.autograd.grad(layer(x, times).sin().sum(), wanted)
    slow = torch.autograd.grad(slow_linear(layer, x, times).sin().sum(), wanted)
    for mine, theirs in zip(fast, slow, strict=True):
        torch.testing.assert_close(mine, theirs, atol=1e-12, rtol=1e-12)


@over("make", RESIDUAL_LAYERS)
def test_gradients_are_the_numerical_ones(make: Make) -> None:
    layer = _layer(make)
    x, times = _inputs()
    names, values = zip(*((name, p.detach().requires_grad_()) for name, p in layer.named_parameters()), strict=True)

    def call(x: Tensor, *parameters: Tensor) -> Tensor:
        return torch.func.functional_call(layer, dict(zip(names, parameters, strict=True)), (x, times))

    assert torch.autograd.gradcheck(call, (x.requires_grad_(), *values), fast_mode=True)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(
    ("name", "zeros"), [(name, zeros) for name, sets in RESIDUAL_PARAMETERS.items() for zeros in sets]
)
def test_without_residual_it_is_nn_linear_bit_for_bit(name: str, zeros: tuple[str, ...], bias: bool) -> None:
    layer = _layer(RESIDUAL_LAYERS[name], torch.float32, bias=bias)
    for zero in zeros:
        nn.init.zeros_(layer.get_parameter(zero))
    plain = nn.Linear(_IN, _OUT, bias=bias)
    plain.load_state_dict({name: value for name, value in layer.state_dict().items() if name in ("weight", "bias")})
    x, _ = _inputs(torch.float32)
    for time in (0.0, 0.3, 1.0):
        assert torch.equal(layer(x, torch.full((len(x),), time)), plain(x))
    times = torch.linspace(0.0, 1.0, len(x))
    assert torch.equal(layer.compose(times).expand(len(x), -1, -1), plain.weight.expand(len(x), -1, -1))
    torch.testing.assert_close(layer(x, times), plain(x), atol=1e-6, rtol=1e-6)


@over("make", COEFFICIENT_LAYERS)
def test_constant_coefficients_do_not_see_time(make: Make) -> None:
    layer = _layer(make)
    table = layer.get_parameter("coefficients.table")
    with torch.no_grad():
        table.copy_(torch.randn(table.shape[1]).expand_as(table))
    x, times = _inputs()
    torch.testing.assert_close(layer(x, times), layer(x, torch.zeros_like(times)), atol=1e-12, rtol=1e-12)


@over("make", RESIDUAL_LAYERS)
def test_other_coefficients_do_see_time(make: Make) -> None:
    layer = _layer(make)
    x, times = _inputs()
    start, end = layer(x, torch.zeros_like(times)), layer(x, torch.ones_like(times))
    assert ((start - end).abs().amax(dim=(1, 2)) > 1e-3).all()


@over("make", RESIDUAL_LAYERS)
def test_starts_close_to_its_base_weight(make: Make) -> None:
    """So that an MLP starts as its plain twin does; direct weights have none, and start close to zero."""
    torch.manual_seed(0)
    layer = make(64, 64, 50, 10)
    base = torch.zeros(64, 64)
    layer.initialise(base.add_)
    assert (layer.compose(torch.linspace(0.0, 1.0, 7)) - base).abs().max() < 0.02
    x, times = torch.randn(7, 64), torch.linspace(0.0, 1.0, 7)
    assert (layer(x, times) - torch.nn.functional.linear(x, base, layer.bias)).abs().max() < 0.1


@over("make", LINEAR_LAYERS)
@pytest.mark.parametrize("bias", [True, False])
def test_scaled_outputs_are_the_outputs_scaled(make: Make, bias: bool) -> None:
    """At every time."""
    layer = _layer(make, bias=bias)
    x, times = _inputs()
    factors = torch.tensor([-1.0, 0.5, 3.0], dtype=torch.float64)
    expected = factors * layer(x, times)
    layer.scale_outputs(factors)
    torch.testing.assert_close(layer(x, times), expected, atol=1e-13, rtol=1e-13)


@over("make", LINEAR_LAYERS)
@pytest.mark.parametrize("bias", [True, False])
def test_at_rest_a_layer_says_nothing_until_it_learns(make: Make, bias: bool) -> None:
    """Zero at every time; one step of gradient descent moves it at every time, its part over time included."""
    torch.manual_seed(0)
    layer = make(_IN, _OUT, _FRAMES, _RANK, bias=bias).double()
    layer.start_at_rest()
    x, times = _inputs()
    assert (layer(x, times) == 0.0).all()
    target = torch.randn(_OUT, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    (layer(x, times) * torch.stack((target, -target))[(times > 0.5).long()][:, None]).sum().backward()
    with torch.no_grad():
        for parameter in layer.parameters():
            assert parameter.grad is not None
            parameter.sub_(0.1 * parameter.grad)
    moved = layer(x, times)
    assert (moved.abs().amax(dim=(1, 2)) > 1e-6).all()
    if isinstance(layer, ResidualLinear):
        assert not torch.equal(layer(x, torch.zeros_like(times)), layer(x, torch.ones_like(times)))


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


@pytest.mark.parametrize("name", ["row_per_frame", "row_per_two_frames"])
def test_gradients_reach_the_rows_of_the_batch_alone(name: str) -> None:
    layer = _low_rank(LOW_RANK_LAYERS[name])
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


@pytest.mark.parametrize(
    ("name", "parameter", "own"),
    [
        ("weight_chunks", "deviations", [0, 1, 2]),
        ("residual_chunks", "basis", [0, 1, 2]),
        ("both_chunks", "deviations", [0, 0, 1]),
        ("both_chunks", "basis", [0, 1, 2]),
    ],
)
def test_chunks_touch_their_own_frames_alone(name: str, parameter: str, own: list[int]) -> None:
    layer = _layer(RESIDUAL_LAYERS[name])
    x, _ = _inputs()
    for frame, chunk in zip((0, 2, 4), own, strict=True):
        (gradient,) = torch.autograd.grad(
            layer(x, torch.full((len(x),), frame / 5)).sum(), layer.get_parameter(parameter)
        )
        assert (gradient != 0.0).flatten(start_dim=1).any(dim=1).nonzero().flatten().tolist() == [chunk]


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


def test_residuals_start_small() -> None:
    torch.manual_seed(0)
    layer = ResFieldLinear(64, 64, num_frames=400, rank=10)
    for parameter in (layer.coefficients.table, layer.basis):
        assert parameter.std().item() == pytest.approx(0.01, rel=0.05)
        assert abs(parameter.mean().item()) < 6e-4


@pytest.mark.parametrize(
    ("make", "options", "message"),
    [
        (ResFieldLinear, {"rank": 0}, r"rank: expected at least 1, got 0"),
        (ResFieldLinear, {"num_frames": 0}, r"num_frames: expected at least 1, got 0"),
        (TuckerLinear, {"matrix_rank": 0}, r"matrix_rank: expected at least 1, got 0"),
        (ChunkedLinear, {"weight_chunks": 6}, r"weight_chunks: expected 1 to the 5 frames, got 6"),
        (ChunkedLinear, {"residual_chunks": 0}, r"residual_chunks: expected 1 to the 5 frames, got 0"),
    ],
)
def test_errors_name_the_option(make: Make, options: dict[str, int], message: str) -> None:
    sizes = {"in_features": 2, "out_features": 2, "num_frames": 5, "rank": 1}
    with pytest.raises(ValueError, match=f"^{message}$"):
        make(**(sizes | options))


def _residuals(layer: ResFieldLinear, coefficients: Tensor) -> Tensor:
    return coefficients @ layer.basis.flatten(start_dim=1)


@over("make", LOW_RANK_LAYERS)
@pytest.mark.parametrize("rank", [1, 2])
def test_a_truncated_residual_is_the_best_of_its_rank(make: Make, rank: int) -> None:
    layer = _low_rank(make)
    table = layer.coefficients.table
    truncated = _residuals(layer, truncate_rank(table, layer.basis, rank))
    left, values, right = torch.linalg.svd(_residuals(layer, table), full_matrices=False)
    best = left[:, :rank] * values[:rank] @ right[:rank]
    torch.testing.assert_close(truncated, best, atol=1e-10, rtol=1e-8)


@over("make", LOW_RANK_LAYERS)
def test_a_residual_of_full_rank_is_itself(make: Make) -> None:
    layer = _low_rank(make)
    table = layer.coefficients.table
    torch.testing.assert_close(
        _residuals(layer, truncate_rank(table, layer.basis, _RANK)), _residuals(layer, table), atol=1e-10, rtol=1e-8
    )


@over("make", LOW_RANK_LAYERS)
@pytest.mark.parametrize("scale", [0.0, 0.5, 2.0])
def test_a_scaled_residual_moves_the_answer_in_proportion(make: Make, scale: float) -> None:
    layer = _low_rank(make)
    layer.eval()
    x, times = _inputs()
    base = torch.nn.functional.linear(x, layer.weight, layer.bias)
    whole = layer(x, times)
    layer.show_residual(scale, _RANK)
    torch.testing.assert_close(layer(x, times), base + scale * (whole - base), atol=1e-12, rtol=1e-12)
