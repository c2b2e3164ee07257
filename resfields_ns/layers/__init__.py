"""Layers whose weights depend on time."""

from resfields_ns.layers.coefficients import TimeTable, smoothness_losses
from resfields_ns.layers.encodings import (
    BasicEncoding,
    Encoding,
    GaussianEncoding,
    NoEncoding,
    WindowedPositionalEncoding,
)
from resfields_ns.layers.geometric_mlp import GeometricMLP, ReLUGeometricMLP, SoftplusGeometricMLP
from resfields_ns.layers.linear import PlainLinear, TimeLinear
from resfields_ns.layers.low_rank import ResFieldLinear
from resfields_ns.layers.mlp import MLP, ReLUMLP, SirenMLP
from resfields_ns.layers.part import largest_rank, show_residuals
from resfields_ns.layers.residual_options import ResidualOptions

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
