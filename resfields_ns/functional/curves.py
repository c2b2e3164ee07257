"""Numbers over time as curves: B-splines, sums of cosines, and how rough they are.

Uniform B-splines. Notation: n control points, degree p, n - p pieces of equal length over [0, 1]. Within a piece, at
the share f in [0, 1] of it, p + 1 neighbouring control points are blended; the curve is p - 1 times continuously
differentiable.

Trajectories as sums of cosines, the basis of the discrete cosine transform (Wang et al. 2021a). Notation: N frames, K
basis functions; u is a frame position, i at frame i and linear in between. A point's trajectory is x(u) = x_0 + sum_k
c_k phi_k(u) with phi_k(u) = sqrt(2 / N) cos(pi k (2 u + 1) / (2 N)), k = 1..K. The constant function k = 0 is left out:
it takes no part in motion.

How far numbers over time are from straight lines. Notation: v [T, W], rows at equal distances in time (Eilers & Marx
1996 penalise control points of splines so).
"""

import math

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


def dct_basis(
    frame_positions: Float[Tensor, "*batch"], num_frames: int, num_functions: int
) -> Float[Tensor, "*batch basis"]:
    """phi_1..phi_K at frame positions; orthonormal over the frames while K < N."""
    k = torch.arange(1, num_functions + 1, device=frame_positions.device, dtype=frame_positions.dtype)
    angles = (math.pi / (2 * num_frames)) * (2.0 * frame_positions[..., None] + 1.0) * k
    return math.sqrt(2.0 / num_frames) * angles.cos()


def roughness(table: Float[Tensor, "rows width"]) -> Float[Tensor, ""]:
    """Mean of (v_(k-1) - 2 v_k + v_(k+1))^2; 0 for fewer than three rows."""
    differences = table.diff(n=2, dim=0) if len(table) > 2 else torch.zeros_like(table)
    return differences.square().mean()
