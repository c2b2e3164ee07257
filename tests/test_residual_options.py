"""Options of residual layers: each stands for its layers; those at odds with each other are refused."""

from typing import Any, get_args, get_type_hints

import pytest
import torch

from resfields_ns.layers import PlainLinear, ResidualOptions, TimeTable, largest_rank
from resfields_ns.layers.alternatives import ExpertsLinear
from resfields_ns.layers.coefficients import SplineTable
from resfields_ns.layers.low_rank import ChunkedLinear, ResFieldLinear
from resfields_ns.layers.residual_options import RESIDUALS, Place
from tests.cases import over

_SHAPES = [(3, 8), (8, 8), (8, 8), (8, 8), (8, 2)]


def test_every_choice_has_a_class() -> None:
    choices = get_args(get_type_hints(ResidualOptions)["residual"])
    assert set(choices) == set(RESIDUALS)


@over("residual", {name: name for name in RESIDUALS})
def test_the_chosen_layers_are_of_the_chosen_kind(residual: Any) -> None:
    layers = ResidualOptions((1, 3), residual=residual, rank=2).layer_maker(num_frames=6)(_SHAPES)
    assert [(layer.in_features, layer.out_features) for layer in layers] == _SHAPES
    kinds = [type(layer) for layer in layers]
    assert kinds[0] == kinds[2] == kinds[4] == PlainLinear
    assert kinds[1] == kinds[3] != PlainLinear
    times = torch.linspace(0.0, 1.0, 6)
    assert all(layer(torch.randn(6, layer.in_features), times).shape == (6, layer.out_features) for layer in layers)


def test_kinds_are_all_different() -> None:
    place = Place((2, 2), num_frames=4, level=0)
    kinds = {name: type(make(ResidualOptions(), place)) for name, make in RESIDUALS.items()}
    assert len(set(kinds.values())) == len(kinds) and kinds["low-rank"] is ResFieldLinear


@over("residual", {name: name for name in RESIDUALS})
def test_residuals_of_the_paper_alone_can_be_shown_in_part(residual: Any) -> None:
    module = torch.nn.ModuleList(ResidualOptions((1,), residual=residual, rank=2).layer_maker(num_frames=6)(_SHAPES))
    assert largest_rank(module) == (2 if residual == "low-rank" else 0)


@pytest.mark.parametrize(("coefficients", "kind"), [("linear", TimeTable), ("spline", SplineTable)])
def test_coefficients_are_of_the_chosen_kind_and_weight(coefficients: Any, kind: type) -> None:
    made = ResidualOptions(coefficients=coefficients, smoothness_weight=0.3).make_coefficients(10, 2)
    assert type(made) is kind and made.smoothness_weight == 0.3


def test_experts_double_from_level_to_level() -> None:
    layers = ResidualOptions((1, 3, 4), residual="experts", rank=3).layer_maker(num_frames=50)(_SHAPES)
    assert [layer.rank for layer in layers if isinstance(layer, ExpertsLinear)] == [3, 6, 12]


@pytest.mark.parametrize(("weight_chunks", "residual_chunks"), [(4, 1), (1, 2), (4, 2)])
def test_chunks_have_parameters_of_their_own(weight_chunks: int, residual_chunks: int) -> None:
    options = ResidualOptions((1,), rank=2, weight_chunks=weight_chunks, residual_chunks=residual_chunks)
    layer = options.layer_maker(num_frames=10)(_SHAPES)[1]
    assert isinstance(layer, ChunkedLinear)
    deviations = [] if weight_chunks == 1 else layer.get_parameter("deviations")
    assert (len(deviations), len(layer.basis)) == (0 if weight_chunks == 1 else weight_chunks, residual_chunks)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rank": 0}, r"field\.rank: expected at least 1, got 0"),
        ({"matrix_rank": 0}, r"field\.matrix-rank: expected at least 1, got 0"),
        ({"weight_chunks": 0}, r"field\.weight-chunks: expected at least 1, got 0"),
        ({"residual_chunks": -1}, r"field\.residual-chunks: expected at least 1, got -1"),
        ({"coefficient_fraction": 0.0}, r"field\.coefficient-fraction: expected above 0 and at most 1, got 0\.0"),
        ({"smoothness_weight": -1.0}, r"field\.smoothness-weight: expected at least 0, got -1\.0"),
        ({"weight_chunks": 7}, r"field\.weight-chunks: expected at most the 6 frames, got 7"),
        ({"residual_chunks": 7}, r"field\.residual-chunks: expected at most the 6 frames, got 7"),
        ({"residual_layers": (1, 5)}, r"field\.residual-layers: expected 0 to 4, got 5"),
    ],
)
def test_errors_name_the_option(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}$"):
        ResidualOptions(**options).layer_maker(num_frames=6)(_SHAPES)
