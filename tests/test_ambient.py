"""Ambient coordinates: what each one is; that they are maps of points is in test_warps."""

import math
from typing import Any

import pytest
import torch

from resfields_ns.fields.ambient import (
    AmbientConfig,
    AmbientCoordinates,
    MomentAmbientConfig,
    SlicingNetwork,
    SlicingNetworkConfig,
)
from resfields_ns.fields.conditions import TimeConditionConfig
from resfields_ns.functional.segments import ConditionedPoints, TimeSegments
from resfields_ns.layers import set_progress
from tests.cases import AMBIENTS, over, perturb_parameters

_SEGMENTS = TimeSegments(torch.tensor([0.0, 0.5, 1.0], dtype=torch.float64), (3, 1, 4))
_SPATIALLY_CONSTANT = {name: AMBIENTS[name] for name in ("none", "moment", "moment_encoded")}


def _ambient(config: AmbientConfig) -> AmbientCoordinates:
    torch.manual_seed(0)
    return config.setup(condition=TimeConditionConfig().setup(num_frames=3)).double()


def _inputs() -> ConditionedPoints:
    generator = torch.Generator().manual_seed(1)
    positions = torch.rand(8, 3, generator=generator, dtype=torch.float64) * 2.0 - 1.0
    condition = torch.randn(3, 1, generator=generator, dtype=torch.float64)
    return ConditionedPoints(positions, _SEGMENTS, condition)


def _waves(x: list[float], num_frequencies: int) -> list[float]:
    """Positional encoding of a few numbers."""
    encoded = list(x)
    for k in range(num_frequencies):
        encoded += [math.sin(2**k * math.pi * number) for number in x]
        encoded += [math.cos(2**k * math.pi * number) for number in x]
    return encoded


@over("config", AMBIENTS)
def test_output_has_the_announced_size(config: AmbientConfig) -> None:
    ambient = _ambient(config)
    assert ambient(_inputs()).shape == (8, ambient.out_dim)


@over("config", _SPATIALLY_CONSTANT)
def test_what_a_moment_shares_has_no_gradient_in_space(config: AmbientConfig) -> None:
    points = _inputs()
    values, pullback = _ambient(config).with_pullback(points.conditioned(points.condition.requires_grad_()))
    gradient = pullback(torch.ones_like(values))
    assert torch.equal(gradient, torch.zeros_like(points.positions))
    assert not gradient.requires_grad


def test_no_ambient_coordinates() -> None:
    assert _ambient(AMBIENTS["none"])(_inputs()).shape == (8, 0)


@pytest.mark.parametrize("num_frequencies", [0, 1, 3])
def test_moment_is_the_encoded_condition_of_every_point(num_frequencies: int) -> None:
    points = _inputs()
    rows = [points.condition[k].tolist() for k, size in enumerate(points.segments.sizes) for _ in range(size)]
    expected = torch.tensor([_waves(row, num_frequencies) for row in rows], dtype=torch.float64)
    mine = _ambient(MomentAmbientConfig(num_frequencies=num_frequencies))(points)
    torch.testing.assert_close(mine, expected, atol=1e-13, rtol=0)


@pytest.mark.parametrize("skip_layer", [1, 3])
def test_slicing_network_agrees_with_plain_layers(skip_layer: int) -> None:
    config = SlicingNetworkConfig(num_layers=4, hidden_dim=16, skip_layer=skip_layer, num_frequencies=2)
    slicing = _slicing(config)
    perturb_parameters(slicing)
    points, expected = _inputs(), []
    for point, code in zip(points.positions, points.expanded_condition, strict=True):
        encoded = _waves(point.tolist(), 2)
        hidden = torch.tensor([*encoded, *code.tolist()], dtype=torch.float64)
        for index, layer in enumerate(slicing.layers):
            if index == skip_layer:
                hidden = torch.tensor([*hidden.tolist(), *encoded], dtype=torch.float64) / math.sqrt(2.0)
            hidden = layer.weight @ hidden + layer.bias
            if index < 4:
                hidden = torch.log1p(torch.exp(100.0 * hidden)) / 100.0
        expected.append(_waves(hidden.tolist(), 6))
    torch.testing.assert_close(slicing(points), torch.tensor(expected, dtype=torch.float64), atol=1e-6, rtol=0)


def test_slicing_network_starts_close_to_one_plane() -> None:
    """Whatever the moment, and without the waves of its encoding."""
    points, slicing = _inputs(), _slicing(SlicingNetworkConfig())
    coordinates = slicing(points)[:, :2]
    assert (coordinates != 0.0).all()
    assert (coordinates.abs() < 1e-3).all()
    set_progress(slicing, 0.0)
    assert torch.equal(slicing(points.conditioned(1.0 - points.condition))[:, :2], coordinates)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_coordinates": 0}, "ambient.num-coordinates: expected at least 1, got 0"),
        ({"num_layers": 1}, "ambient.num-layers: expected at least 2, got 1"),
        ({"skip_layer": 7}, "ambient.skip-layer: expected 1 to 6, got 7"),
        ({"skip_layer": 0}, "ambient.skip-layer: expected 1 to 6, got 0"),
        ({"num_frequencies": -1}, "ambient.num-frequencies: expected at least 0, got -1"),
        ({"num_ambient_frequencies": -1}, "ambient.num-ambient-frequencies: expected at least 0, got -1"),
        ({"hidden_dim": 39}, "ambient.hidden-dim: expected above the 39 of an encoded point, got 39"),
    ],
)
def test_sizes_that_no_slicing_network_can_have(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}$"):
        SlicingNetworkConfig(**options)


def test_moments_have_no_negative_number_of_frequencies() -> None:
    with pytest.raises(ValueError, match="^ambient.num-frequencies: expected at least 0, got -1$"):
        MomentAmbientConfig(num_frequencies=-1)


def _slicing(config: SlicingNetworkConfig) -> SlicingNetwork:
    ambient = _ambient(config)
    assert isinstance(ambient, SlicingNetwork)
    return ambient
