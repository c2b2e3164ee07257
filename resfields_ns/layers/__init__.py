"""Layers whose weights depend on time."""

from resfields_ns.layers.encoding import (
    BasicEncoding,
    Encoding,
    GaussianEncoding,
    NoEncoding,
    WindowedPositionalEncoding,
)
from resfields_ns.layers.geometric_mlp import GeometricMLP
from resfields_ns.layers.linear import PlainLinear, ResFieldLinear
from resfields_ns.layers.mlp import MLP, ReLUMLP, SirenMLP
from resfields_ns.layers.relu_geometric_mlp import ReLUGeometricMLP
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
    "SirenMLP",
    "SoftplusGeometricMLP",
    "TimeTable",
    "WindowedPositionalEncoding",
]
