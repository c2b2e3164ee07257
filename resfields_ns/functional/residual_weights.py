"""Time-dependent weights (paper Eq. 3, 4).

Notation: K segments of equal time, R the rank, W [out, in] the shared weight, v [K, R] the coefficients,
M [R, out, in] the basis (the paper's spanning set). Samples of one segment share one composed matrix,
so no weight is ever gathered per ray.
"""

import torch
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


def span(
    coefficients: Float[Tensor, "segments rank"], basis: Float[Tensor, "rank rows columns"]
) -> Float[Tensor, "segments rows columns"]:
    """sum_r v_r M_r for every segment (Eq. 4)."""
    return (coefficients @ basis.flatten(start_dim=1)).view(-1, *basis.shape[1:])


def truncate_rank(
    coefficients: Float[Tensor, "rows rank"], basis: Float[Tensor, "rank out in"], rank: int
) -> Float[Tensor, "rows rank"]:
    """Coefficients whose residuals v M are the best approximation of the given ones by `rank` matrices.

    Best in the least-squares sense over all rows: the singular value decomposition of v M (Eckart & Young 1936), taken
    on its small side: v M has the left singular vectors of v L, where L L^T = M M^T.
    """
    flat = basis.flatten(start_dim=1).double()
    values, vectors = torch.linalg.eigh(flat @ flat.T)
    root = vectors * values.clamp(min=0.0).sqrt()
    left = torch.linalg.svd(coefficients.double() @ root, full_matrices=False).U[:, :rank]
    return (left @ (left.T @ coefficients.double())).to(coefficients)
