"""Volume density from signed distance (VolSDF, Yariv et al. 2021, Eq. 2, 3)."""

import torch
from jaxtyping import Float
from torch import Tensor


def laplace_density(sdf: Float[Tensor, "*batch"], beta: Float[Tensor, ""]) -> Float[Tensor, "*batch"]:
    """Density (1 / beta) Psi_beta(-sdf), Psi the cumulative distribution of a zero-mean Laplace of scale beta.

    `sdf` is negative inside; both are in scene units, the density in their inverse.
    """
    return (0.5 + 0.5 * sdf.sign() * torch.expm1(-sdf.abs() / beta)) / beta
