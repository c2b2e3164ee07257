"""Uniform B-splines.

Notation: n control points, degree p, n - p pieces of equal length over [0, 1]. Within a piece, at the share f in [0, 1]
of it, p + 1 neighbouring control points are blended; the curve is p - 1 times continuously differentiable.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor


def spline_weights(
    times: Float[Tensor, "times"], num_points: int, degree: int
) -> tuple[Int[Tensor, "times"], Float[Tensor, "times weights"]]:
    """At times in [0, 1]: the first of the p + 1 control points that count, and their weights, which add up to 1.

    The weights of degree k come from those of degree k - 1 (Cox 1972, de Boor 1972; here for equidistant knots):
    N_j = ((f + k - j) N'_(j-1) + (j + 1 - f) N'_j) / k.
    """
    num_pieces = num_points - degree
    position = times.clamp(0.0, 1.0) * num_pieces
    piece = position.floor().clamp(max=num_pieces - 1)
    share = (position - piece)[:, None]
    weights = torch.ones_like(share)
    for k in range(1, degree + 1):
        j = torch.arange(k + 1, dtype=share.dtype, device=share.device)
        zero = torch.zeros_like(share)
        before, own = torch.cat((zero, weights), dim=1), torch.cat((weights, zero), dim=1)
        weights = ((share + k - j) * before + (j + 1 - share) * own) / k
    return piece.long(), weights
