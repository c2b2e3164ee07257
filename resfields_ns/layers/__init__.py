"""Layers whose weights depend on time."""

from resfields_ns.layers.coefficients import SequenceTable, TimeTable
from resfields_ns.layers.encodings import (
    BasicEncoding,
    Encoding,
    GaussianEncoding,
    NoEncoding,
    PositionalEncoding,
    WindowedPositionalEncoding,
)
from resfields_ns.layers.geometric_mlp import GeometricMLP, ReLUGeometricMLP, SoftplusGeometricMLP
from resfields_ns.layers.linear import PlainLinear, TimeLinear
from resfields_ns.layers.low_rank import ResFieldLinear
from resfields_ns.layers.mlp import MLP, ReLUMLP, SirenMLP
from resfields_ns.layers.part import (
    Part,
    coefficients_of_frames,
    largest_rank,
    parameter_groups,
    part_losses,
    set_progress,
    show_residuals,
    shown_parts,
)
from resfields_ns.layers.residual_options import ResidualOptions

__all__ = [
    "BasicEncoding",
    "Encoding",
    "GaussianEncoding",
    "MLP",
    "NoEncoding",
    "GeometricMLP",
    "Part",
    "PlainLinear",
    "PositionalEncoding",
    "ReLUGeometricMLP",
    "ReLUMLP",
    "ResFieldLinear",
    "ResidualOptions",
    "SequenceTable",
    "SirenMLP",
    "SoftplusGeometricMLP",
    "TimeLinear",
    "TimeTable",
    "WindowedPositionalEncoding",
    "coefficients_of_frames",
    "largest_rank",
    "parameter_groups",
    "part_losses",
    "set_progress",
    "show_residuals",
    "shown_parts",
]
