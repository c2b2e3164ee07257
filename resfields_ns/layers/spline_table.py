"""Coefficients that are smooth over time."""

import torch
from jaxtyping import Float
from torch import Tensor

from resfields_ns.functional.splines import spline_weights
from resfields_ns.layers.coefficients import INITIAL_STD, Coefficients

DEGREE = 3  # cubic: twice continuously differentiable


class SplineTable(Coefficients):
    """Control points of a uniform B-spline over time in [0, 1].

    Args:
        num_pieces: polynomial pieces, at least 1
        degree: p, at least 1; the curve is p - 1 times continuously differentiable
        width: length of a row
        smoothness_weight: as for `Coefficients`
    """

    def __init__(self, num_pieces: int, degree: int, width: int, smoothness_weight: float = 0.0) -> None:
        super().__init__(num_pieces + degree, width, INITIAL_STD, smoothness_weight)
        self.degree = degree

    def at(
        self, table: Float[Tensor, "rows width"], times: Float[Tensor, "segments"]
    ) -> Float[Tensor, "segments width"]:
        """The curve at times in [0, 1]."""
        first, weights = spline_weights(times, table.shape[0], self.degree)
        rows = first[:, None] + torch.arange(self.degree + 1, device=first.device)
        return (weights[..., None] * table[rows]).sum(dim=1)


def cubic_spline(num_frames: int, width: int, fraction: float = 1.0, smoothness_weight: float = 0.0) -> SplineTable:
    """A cubic spline with a piece between every two frames, or for a share in (0, 1] of these spans."""
    return SplineTable(max(1, round((num_frames - 1) * fraction)), DEGREE, width, smoothness_weight)
