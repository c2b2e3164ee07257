"""Every implementation, listed once; laws are parametrised over these lists with `over`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from resfields_ns.data.pixel_samplers import ForegroundBalancedPixels, PixelSampler, UniformPixels
from resfields_ns.fields.colour import FeatureColour, ViewDependentColour
from resfields_ns.layers import MLP, GeometricMLP, PlainLinear, ReLUMLP, ResFieldLinear, SirenMLP
from resfields_ns.models.samplers import OccupancySamplerConfig, SamplerConfig, UniformSamplerConfig


def over(name: str, cases: Mapping[str, Any]) -> pytest.MarkDecorator:
    """Run a test for each of the cases."""
    return pytest.mark.parametrize(name, list(cases.values()), ids=list(cases))


def fill_parameters(module: torch.nn.Module, scale: float = 1.0) -> None:
    """Give coefficients and bases numbers as large as those of training, so that time matters."""
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            if name.endswith(("table", "basis")):
                parameter.normal_(0.0, scale)


RESIDUAL_LAYERS: dict[str, Callable[..., ResFieldLinear]] = {
    "row_per_frame": ResFieldLinear,
    "row_per_two_frames": partial(ResFieldLinear, coefficient_fraction=0.5),
}


def _plain_linear(in_features: int, out_features: int, num_frames: int, rank: int, bias: bool = True) -> PlainLinear:
    del num_frames, rank
    return PlainLinear(in_features, out_features, bias)


LINEAR_LAYERS: dict[str, Callable[..., ResFieldLinear | PlainLinear]] = {
    **RESIDUAL_LAYERS,
    "plain": _plain_linear,
}


@dataclass(frozen=True)
class MLPCase:
    """An MLP of 5 inputs and 3 outputs over 6 frames, and what a plain evaluation of it needs to know."""

    NUM_FRAMES = 6
    SHAPES = ((5, 16), (16, 16), (16, 16), (16, 3))

    build: Callable[..., MLP]
    activation: Callable[[Tensor], Tensor]
    skip_layer: int | None = None
    residual_layers: tuple[int, ...] = ()

    def make(self, **options: Any) -> MLP:
        """The MLP, with large residuals."""
        options = {"residual_layers": self.residual_layers, "num_frames": self.NUM_FRAMES, "rank": 2} | options
        mlp = self.build(**options)
        fill_parameters(mlp, scale=0.15)
        return mlp


_GEOMETRIC = {"num_coordinates": 3, "in_dim": 5, "hidden_dim": 16, "num_hidden": 3, "out_dim": 3, "radius": 0.5}
MLP_KINDS = {
    "relu": MLPCase(partial(ReLUMLP, shapes=MLPCase.SHAPES), torch.relu),
    "siren": MLPCase(partial(SirenMLP, shapes=MLPCase.SHAPES), lambda x: torch.sin(30.0 * x)),
    **{
        f"geometric_skip_{skip}": MLPCase(
            partial(GeometricMLP, **_GEOMETRIC, skip_layer=skip), partial(F.softplus, beta=100, threshold=1000), skip
        )
        for skip in (1, 2)
    },
}
RESIDUAL_SUBSETS = {"none": (), "some": (1, 3), "all": (0, 1, 2, 3)}
MLPS = {
    f"{kind}-{subset}": replace(case, residual_layers=indices)
    for kind, case in MLP_KINDS.items()
    for subset, indices in RESIDUAL_SUBSETS.items()
}
GEOMETRIC_MLPS = {name: case for name, case in MLPS.items() if name.startswith("geometric")}

COLOURS = {"feature": FeatureColour, "view_dependent": ViewDependentColour}

SAMPLERS: dict[str, SamplerConfig] = {
    "uniform": UniformSamplerConfig(num_samples=12),
    "occupancy": OccupancySamplerConfig(num_samples=12, resolution=8),
}

PIXEL_SAMPLERS: dict[str, Callable[[Tensor], PixelSampler]] = {
    "uniform": lambda masks: UniformPixels(*masks.shape),
    "foreground_balanced": partial(ForegroundBalancedPixels, background_margin=1.0),
}
