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
from resfields_ns.fields.ambient import AmbientConfig, MomentAmbientConfig, NoAmbientConfig, SlicingNetworkConfig
from resfields_ns.fields.bijective_warp import BijectiveWarpConfig
from resfields_ns.fields.colour import FeatureColour, ViewBasisColour, ViewDependentColour
from resfields_ns.fields.densities import Density, LaplaceDensity, ReLUDensity
from resfields_ns.fields.dynamic_field import DynamicField
from resfields_ns.fields.hexplane import HexPlaneConfig
from resfields_ns.fields.moving_grid import MovingGridConfig
from resfields_ns.fields.warps import IdentityWarpConfig, SE3WarpConfig, TranslationWarpConfig, WarpConfig
from resfields_ns.functional.segments import TimedPoints, TimeSegments
from resfields_ns.layers import (
    MLP,
    PlainLinear,
    ReLUGeometricMLP,
    ReLUMLP,
    ResFieldLinear,
    ResidualOptions,
    SirenMLP,
    SoftplusGeometricMLP,
    TimeLinear,
)
from resfields_ns.layers.alternatives import (
    CPLinear,
    DirectLinear,
    ExpertsLinear,
    FrameMatricesLinear,
    HyperNetworkLinear,
    MatrixMatrixLinear,
    ModulatedLinear,
    OutputResidualLinear,
    TuckerLinear,
)
from resfields_ns.layers.coefficients import cubic_spline, frame_table
from resfields_ns.layers.linear import ResidualLinear
from resfields_ns.layers.low_rank import ChunkedLinear, CoefficientLinear
from resfields_ns.layers.residual_options import RESIDUALS
from resfields_ns.models.samplers import (
    HierarchicalSampler,
    LearnedOccupancySampler,
    OccupancySampler,
    Sampler,
    SamplerConfig,
    UniformSampler,
)


def over(name: str, cases: Mapping[str, Any]) -> pytest.MarkDecorator:
    """Run a test for each of the cases."""
    return pytest.mark.parametrize(name, list(cases.values()), ids=list(cases))


def fill_parameters(module: torch.nn.Module, scale: float = 1.0) -> None:
    """Give coefficients and bases numbers as large as those of training, so that time matters."""
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            if name.endswith(("table", "basis", "factors", "core", "experts", "deviations")):
                parameter.add_(scale * torch.randn_like(parameter))


def perturb_parameters(module: torch.nn.Module, scale: float = 0.1) -> None:
    """Move every parameter away from where it starts, so that nothing is zero."""
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(scale * torch.randn_like(parameter))


LOW_RANK_LAYERS: dict[str, Callable[..., ResFieldLinear]] = {
    "row_per_frame": ResFieldLinear,
    "row_per_two_frames": partial(ResFieldLinear, make_coefficients=partial(frame_table, fraction=0.5)),
    "spline": partial(ResFieldLinear, make_coefficients=partial(cubic_spline, fraction=0.8)),
}
COEFFICIENT_LAYERS: dict[str, Callable[..., CoefficientLinear]] = {
    **LOW_RANK_LAYERS,
    "output": OutputResidualLinear,
    "modulated": ModulatedLinear,
    "direct": DirectLinear,
    "frame_matrices": FrameMatricesLinear,
    "matrix_matrix": MatrixMatrixLinear,
    "cp": CPLinear,
    "tucker": partial(TuckerLinear, matrix_rank=3),
}
RESIDUAL_LAYERS: dict[str, Callable[..., ResidualLinear]] = {
    **COEFFICIENT_LAYERS,
    "hypernetwork": HyperNetworkLinear,
    "experts": ExpertsLinear,
    "weight_chunks": partial(ChunkedLinear, weight_chunks=3),
    "residual_chunks": partial(ChunkedLinear, residual_chunks=3),
    "both_chunks": partial(ChunkedLinear, weight_chunks=2, residual_chunks=4),
}
RESIDUAL_PARAMETERS: dict[str, tuple[tuple[str, ...], ...]] = {
    **dict.fromkeys(LOW_RANK_LAYERS, (("coefficients.table",), ("basis",))),
    "output": (("coefficients.table",),),
    "frame_matrices": (("coefficients.table",),),
    "matrix_matrix": (("coefficients.table",), ("basis",)),
    "hypernetwork": (("basis",),),
    "cp": (("coefficients.table",), ("out_factors",), ("in_factors",)),
    "tucker": (("coefficients.table",), ("core",), ("out_factors",), ("in_factors",)),
    "experts": (("experts",),),
    "weight_chunks": (("deviations", "basis"),),
    "residual_chunks": (("basis",),),
    "both_chunks": (("deviations", "basis"),),
}
"""Sets of parameters, any of which, all zero, leaves nothing but the base weight, where there is one."""


def _plain_linear(in_features: int, out_features: int, num_frames: int, rank: int, bias: bool = True) -> PlainLinear:
    del num_frames, rank
    return PlainLinear(in_features, out_features, bias)


LINEAR_LAYERS: dict[str, Callable[..., TimeLinear]] = {**RESIDUAL_LAYERS, "plain": _plain_linear}


@dataclass(frozen=True)
class MLPCase:
    """An MLP of 5 inputs and 3 outputs over 6 frames, and what a plain evaluation of it needs to know."""

    NUM_FRAMES = 6
    SHAPES = ((5, 16), (16, 16), (16, 16), (16, 3))

    build: Callable[..., MLP]
    activation: Callable[[Tensor], Tensor]
    skip_layers: tuple[int, ...] = ()
    residual_layers: tuple[int, ...] = ()
    residual: Any = "low-rank"
    scale: float = 0.15

    def make(self, **options: Any) -> MLP:
        """The MLP, with residuals about as large as its weights."""
        residuals = ResidualOptions(self.residual_layers, self.residual, rank=2)
        mlp = self.build(**({"make_layers": residuals.layer_maker(self.NUM_FRAMES)} | options))
        fill_parameters(mlp, self.scale)
        return mlp


_GEOMETRIC = {"num_coordinates": 3, "in_dim": 5, "hidden_dim": 16, "num_hidden": 3, "out_dim": 3, "radius": 0.5}


def _softplus_geometric(skip_layers: tuple[int, ...]) -> MLPCase:
    activation = partial(F.softplus, beta=100, threshold=1000)
    return MLPCase(partial(SoftplusGeometricMLP, **_GEOMETRIC, skip_layers=skip_layers), activation, skip_layers)


def _relu_geometric(skip_layers: tuple[int, ...]) -> MLPCase:
    return MLPCase(partial(ReLUGeometricMLP, **_GEOMETRIC, skip_layers=skip_layers), torch.relu, skip_layers)


MLP_KINDS = {
    "relu": MLPCase(partial(ReLUMLP, shapes=MLPCase.SHAPES), torch.relu),
    "siren": MLPCase(partial(SirenMLP, shapes=MLPCase.SHAPES), lambda x: torch.sin(30.0 * x)),
    "geometric_softplus_no_skip": _softplus_geometric(()),
    "geometric_softplus_skip_1": _softplus_geometric((1,)),
    "geometric_softplus_skip_2": _softplus_geometric((2,)),
    "geometric_softplus_skip_1_2": _softplus_geometric((1, 2)),
    "geometric_relu_no_skip": _relu_geometric(()),
    "geometric_relu_skip_1": _relu_geometric((1,)),
}
RESIDUAL_SUBSETS = {"none": (), "some": (1, 3), "all": (0, 1, 2, 3)}
MLPS = (
    {
        f"{kind}-{subset}": replace(case, residual_layers=indices)
        for kind, case in MLP_KINDS.items()
        for subset, indices in RESIDUAL_SUBSETS.items()
    }
    | {
        f"{kind}-{residual}": replace(
            MLP_KINDS[kind],
            residual_layers=RESIDUAL_SUBSETS["all"],
            residual=residual,
            scale=0.02 if residual in ("frame-matrices", "experts") else MLPCase.scale,  # these are no products
        )
        for kind in ("siren", "geometric_softplus_skip_1_2")
        for residual in list(RESIDUALS)[1:]
    }
)
GEOMETRIC_MLPS = {name: case for name, case in MLPS.items() if name.startswith("geometric")}

COLOURS = {"feature": FeatureColour, "view_dependent": ViewDependentColour, "view_basis": ViewBasisColour}

WARPS: dict[str, WarpConfig] = {
    "identity": IdentityWarpConfig(),
    "translation": TranslationWarpConfig(hidden_dim=16),
    "translation_encoded": TranslationWarpConfig(hidden_dim=16, num_frequencies=3),
    "se3": SE3WarpConfig(hidden_dim=16, num_frequencies=3),
    "bijective": BijectiveWarpConfig(hidden_dim=16, num_frequencies=3),
}

AMBIENTS: dict[str, AmbientConfig] = {
    "none": NoAmbientConfig(),
    "moment": MomentAmbientConfig(),
    "moment_encoded": MomentAmbientConfig(num_frequencies=3),
    "hexplane": HexPlaneConfig(resolution=6, features=2),
    "slicing": SlicingNetworkConfig(hidden_dim=32, num_frequencies=3, num_ambient_frequencies=2),
    "moving_grid": MovingGridConfig(resolution=3, num_grids=3, features=2, log2_table_size=7),
}

DENSITIES: dict[str, Density] = {"volsdf": LaplaceDensity(0.1), "nerf": ReLUDensity(0.001, scale=2.0)}

SAMPLERS: dict[str, Callable[..., Sampler]] = {
    kind: partial(make, SamplerConfig(num_samples=12, num_fine_samples=7, resolution=8))
    for kind, make in {
        "uniform": UniformSampler,
        "occupancy": OccupancySampler,
        "learned-occupancy": LearnedOccupancySampler,
        "hierarchical": HierarchicalSampler,
    }.items()
}

FRAME_INDEX = torch.tensor([1, 0, 1])
"""Of the three images that pixel samplers are tried on: the first and the last show frame 1."""

PIXEL_SAMPLERS: dict[str, Callable[[Tensor], PixelSampler]] = {
    "uniform": lambda masks: UniformPixels(FRAME_INDEX, *masks.shape[1:]),
    "foreground_balanced": lambda masks: ForegroundBalancedPixels(masks, FRAME_INDEX, background_margin=1.0),
}


def field_values_and_gradients(field: DynamicField, points: Tensor) -> list[Tensor]:
    """What a field says at 96 points of three moments, and gradients of a loss on all of that."""
    segments = TimeSegments(torch.tensor([0.0, 0.3, 1.0], device=points.device), (32, 16, 48))
    raw, gradient, feature = field.raw_gradient_and_feature(TimedPoints(points, segments))
    loss = (gradient.norm(dim=-1) - 1.0).square().mean() + field.density(raw).mean() + feature.square().mean()
    used = [parameter for parameter in field.parameters() if parameter.requires_grad]
    gradients = torch.autograd.grad(loss, used, allow_unused=True)
    return [raw, gradient, feature, *(g for g in gradients if g is not None)]
