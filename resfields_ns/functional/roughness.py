"""How far numbers over time are from straight lines.

Notation: v [T, W], rows at equal distances in time (Eilers & Marx 1996 penalise control points of splines so).
"""

import torch
from jaxtyping import Float
from torch import Tensor


def roughness(table: Float[Tensor, "rows width"]) -> Float[Tensor, ""]:
    """Mean of (v_(k-1) - 2 v_k + v_(k+1))^2; 0 for fewer than three rows."""
    differences = table.diff(n=2, dim=0) if len(table) > 2 else torch.zeros_like(table)
    return differences.square().mean()
