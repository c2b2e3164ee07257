"""Time-dependent weights and their application (paper Eq. 3, 4).

Notation: K segments of equal time, R the rank, W [out, in] the shared weight, v [K, R] the coefficients,
M [R, out, in] the basis (the paper's spanning set). Samples of one segment share one composed matrix,
so no weight is ever gathered per ray.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor


def compose_weights(
    weight: Float[Tensor, "out in"],
    coefficients: Float[Tensor, "segments rank"],
    basis: Float[Tensor, "rank out in"],
) -> Float[Tensor, "segments out in"]:
    """W + sum_r v_r M_r for every segment (Eq. 3 and 4)."""
    composed = torch.addmm(weight.reshape(1, -1), coefficients, basis.flatten(start_dim=1))
    return composed.view(-1, *weight.shape)


def segment_linear(
    x: Float[Tensor, "points in"],
    weights: Float[Tensor, "segments out in"],
    sizes: tuple[int, ...],
    bias: Float[Tensor, "out"] | None = None,
) -> Float[Tensor, "points out"]:
    """Apply weights[k] to the sizes[k] points of segment k; a single matrix serves all points."""
    if weights.shape[0] == 1:
        return F.linear(x, weights[0], bias)
    if not sizes:
        return x.new_zeros(0, weights.shape[1])
    parts = zip(x.split(sizes), weights.unbind(0), strict=True)
    return torch.cat([F.linear(part, weight, bias) for part, weight in parts])
