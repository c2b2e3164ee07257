"""Layers whose weights depend on time."""

from resfields_ns.layers.encoding import (
    BasicEncoding,
    Encoding,
    GaussianEncoding,
    NoEncoding,
    WindowedPositionalEncoding,
)
from resfields_ns.layers.geometric_mlp import GeometricMLP
from resfields_ns.layers.linear import PlainLinear, TimeLinear
from resfields_ns.layers.mlp import MLP, ReLUMLP, SirenMLP
from resfields_ns.layers.relu_geometric_mlp import ReLUGeometricMLP
from resfields_ns.layers.residual.low_rank import ResFieldLinear
from resfields_ns.layers.residual_options import ResidualOptions
from resfields_ns.layers.shown_residuals import largest_rank, show_residuals
from resfields_ns.layers.smoothness import smoothness_losses
from resfields_ns.layers.softplus_geometric_mlp import SoftplusGeometricMLP
from resfields_ns.layers.time_table import TimeTable

__all__ = [
    "BasicEncoding",
    "Encoding",
    "GaussianEncoding",
    "MLP",
    "NoEncoding",
    "GeometricMLP",
    "PlainLinear",
    "ReLUGeometricMLP",
    "ReLUMLP",
    "ResFieldLinear",
    "ResidualOptions",
    "SirenMLP",
    "SoftplusGeometricMLP",
    "TimeLinear",
    "TimeTable",
    "WindowedPositionalEncoding",
    "largest_rank",
    "show_residuals",
    "smoothness_losses",
]
