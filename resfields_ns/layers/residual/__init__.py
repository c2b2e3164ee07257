"""Layers with a residual over time: the paper's, and its alternatives (Tables 6, 7 and A.9)."""

from resfields_ns.layers.residual.chunked import ChunkedLinear
from resfields_ns.layers.residual.coefficient_linear import CoefficientLinear
from resfields_ns.layers.residual.cp import CPLinear
from resfields_ns.layers.residual.direct import DirectLinear
from resfields_ns.layers.residual.experts import ExpertsLinear
from resfields_ns.layers.residual.frame_matrices import FrameMatricesLinear
from resfields_ns.layers.residual.hypernetwork import HyperNetworkLinear
from resfields_ns.layers.residual.low_rank import ResFieldLinear
from resfields_ns.layers.residual.matrix_matrix import MatrixMatrixLinear
from resfields_ns.layers.residual.modulated import ModulatedLinear
from resfields_ns.layers.residual.output_residual import OutputResidualLinear
from resfields_ns.layers.residual.residual_linear import ResidualLinear
from resfields_ns.layers.residual.tucker import TuckerLinear

__all__ = [
    "CPLinear",
    "ChunkedLinear",
    "CoefficientLinear",
    "DirectLinear",
    "ExpertsLinear",
    "FrameMatricesLinear",
    "HyperNetworkLinear",
    "MatrixMatrixLinear",
    "ModulatedLinear",
    "OutputResidualLinear",
    "ResFieldLinear",
    "ResidualLinear",
    "TuckerLinear",
]
