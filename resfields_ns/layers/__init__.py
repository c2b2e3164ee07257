"""Layers whose weights depend on time."""

from resfields_ns.layers.coefficients import TimeCoefficients
from resfields_ns.layers.encoding import WindowedPositionalEncoding
from resfields_ns.layers.geometric_mlp import GeometricMLP
from resfields_ns.layers.linear import PlainLinear, ResFieldLinear
from resfields_ns.layers.mlp import MLP, ReLUMLP, SirenMLP

__all__ = [
    "MLP",
    "GeometricMLP",
    "PlainLinear",
    "ReLUMLP",
    "ResFieldLinear",
    "SirenMLP",
    "TimeCoefficients",
    "WindowedPositionalEncoding",
]
