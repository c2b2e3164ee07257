"""The fused MLP equals layer after layer; without a GPU its kernels run in Triton's interpreter (`conftest.py`)."""

from functools import partial

import pytest
import torch
from torch import Tensor

from resfields_ns.functional.segments import TimeSegments
from resfields_ns.layers import GeometricMLP, ReLUGeometricMLP, ResidualOptions, SoftplusGeometricMLP
from tests.cases import perturb_parameters

pytest.importorskip("triton")
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"

MLPS = {
    "softplus": partial(SoftplusGeometricMLP, in_dim=21, hidden_dim=64, num_hidden=5, out_dim=17, skip_layers=(2, 4)),
    "softplus wide": partial(
        SoftplusGeometricMLP, in_dim=52, hidden_dim=128, num_hidden=3, out_dim=65, skip_layers=(1,)
    ),
    "relu": partial(ReLUGeometricMLP, in_dim=3, hidden_dim=64, num_hidden=3, out_dim=6, skip_layers=()),
}
TOLERANCE = 1e-5 if DEVICE == "cpu" else 3e-2  # a GPU's products are float16
RESIDUAL_LAYERS = {"plain": (), "residual": (1, 2), "all": (0, 1, 2, 3)}
SIZES = (70, 3, 150)


@pytest.fixture(params=[(name, which) for name in MLPS for which in RESIDUAL_LAYERS], ids=lambda pair: "-".join(pair))
def mlp(request: pytest.FixtureRequest) -> GeometricMLP:
    """An MLP of which nothing is zero."""
    name, which = request.param
    torch.manual_seed(0)
    make_layers = ResidualOptions(residual_layers=RESIDUAL_LAYERS[which], rank=3).layer_maker(num_frames=4)
    made = MLPS[name](num_coordinates=3, radius=0.5, make_layers=make_layers)
    perturb_parameters(made, 0.05)
    return made.to(DEVICE)


def _points(mlp: GeometricMLP) -> tuple[Tensor, TimeSegments]:
    points = torch.randn(sum(SIZES), mlp.in_dim, generator=torch.Generator().manual_seed(1))
    return points.to(DEVICE), TimeSegments(torch.tensor((0.0, 0.4, 1.0), device=DEVICE), SIZES)


def _loss(output: Tensor, gradient: Tensor) -> Tensor:
    """Of all outputs, each with a weight of its own."""
    weights = torch.linspace(0.5, 1.5, output.shape[1], device=DEVICE)
    return (output.square() * weights).mean() + 0.3 * (gradient.norm(dim=1) - 1.0).square().sum() / len(output)


def _values_and_gradients(mlp: GeometricMLP, fused: bool, with_gradient: bool) -> list[Tensor]:
    x, segments = _points(mlp)
    x.requires_grad_()
    if fused:
        with torch.autocast(DEVICE, torch.float16, enabled=DEVICE == "cuda"):
            output, gradient = mlp._evaluate_fused(x, segments, mlp.compose(segments.times), with_gradient)
    elif with_gradient:
        output, gradient = mlp.double().forward_with_gradient(x.double(), segments)
    else:
        output, gradient = mlp.double()(x.double(), segments), x[:0]
    gradients = torch.autograd.grad(_loss(output, gradient), [x, *mlp.parameters()], allow_unused=True)
    return [output, gradient, *(g for g in gradients if g is not None)]


@pytest.mark.parametrize("with_gradient", [True, False])
def test_values_and_all_gradients_agree(mlp: GeometricMLP, with_gradient: bool) -> None:
    mine = _values_and_gradients(mlp, True, with_gradient)
    for value, exact in zip(mine, _values_and_gradients(mlp, False, with_gradient), strict=True):
        assert (value.double() - exact.double()).norm() <= TOLERANCE * exact.norm()
