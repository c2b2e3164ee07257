"""Volume density, and what rays gather of it.

Density comes from signed distance (VolSDF, Yariv et al. 2021, Eq. 2, 3), and is composited along rays (Max 1995;
Mildenhall et al. 2020, Eq. 3).

Notation: sample i of a ray has density sigma_i and covers the length delta_i; its weight is
w_i = exp(-sum_{j<i} sigma_j delta_j) (1 - exp(-sigma_i delta_i)). Its optical depth is sigma_i delta_i.
"""

import torch
from jaxtyping import Float
from torch import Tensor


def laplace_density(sdf: Float[Tensor, "*batch"], beta: Float[Tensor, ""]) -> Float[Tensor, "*batch"]:
    """Density (1 / beta) Psi_beta(-sdf), Psi the cumulative distribution of a zero-mean Laplace of scale beta.

    `sdf` is negative inside; both are in scene units, the density in their inverse.
    """
    return (0.5 + 0.5 * sdf.sign() * torch.expm1(-sdf.abs() / beta)) / beta


def laplace_depth(
    start: Float[Tensor, "*batch"],
    end: Float[Tensor, "*batch"],
    length: Float[Tensor, "*batch"],
    beta: Float[Tensor, ""],
) -> Float[Tensor, "*batch"]:
    """Optical depth of pieces of a ray along which the signed distance goes evenly from `start` to `end`.

    The integral of `laplace_density` in closed form: with x = s / beta, Psi_beta(-s) is the derivative of
    G(x) = min(x, 0) - exp(-|x|) / 2, so that its mean over a piece is (G(x_1) - G(x_0)) / (x_1 - x_0).
    """
    x0, x1 = start / beta, end / beta
    change = x1 - x0
    flat = change.abs() < 1e-2
    mean = (_primitive(x1) - _primitive(x0)) / torch.where(flat, torch.ones_like(change), change)
    return length * torch.where(flat, laplace_density(0.5 * (start + end), beta), mean / beta)


def linear_depth(
    start: Float[Tensor, "*batch"], end: Float[Tensor, "*batch"], length: Float[Tensor, "*batch"]
) -> Float[Tensor, "*batch"]:
    """Optical depth of pieces of a ray whose density is the positive part of what goes evenly from `start` to `end`."""
    above, below = (torch.relu(sign * start) + torch.relu(sign * end) for sign in (1.0, -1.0))
    return 0.5 * length * above * above / (above + below).clamp(min=1e-12)


def _primitive(x: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch"]:
    return x.clamp(max=0.0) - 0.5 * torch.exp(-x.abs())


def compositing_weights(
    density: Float[Tensor, "rays samples"], deltas: Float[Tensor, "rays samples"]
) -> Float[Tensor, "rays samples"]:
    """Probability that each ray ends in each sample; they sum to the ray's accumulation."""
    optical_depth = density * deltas
    transmittance = torch.exp(-(optical_depth.cumsum(dim=-1) - optical_depth))
    return transmittance * -torch.expm1(-optical_depth)


def composite(
    weights: Float[Tensor, "rays samples"], values: Float[Tensor, "rays samples channels"]
) -> Float[Tensor, "rays channels"]:
    """Weighted sum of the samples' values along every ray."""
    return torch.einsum("rs,rsc->rc", weights, values)


def without_background(
    rgb: Float[Tensor, "*batch 3"],
    accumulation: Float[Tensor, "*batch 1"],
    background: Float[Tensor, "*batch 3"] | float,
) -> Float[Tensor, "*batch 4"]:
    """RGBA of colours in [0, 1] that are seen before a background: laid over it again, they are `rgb`."""
    colours = (rgb - background * (1.0 - accumulation)) / accumulation.clamp(min=1e-6)
    return torch.cat((colours.clamp(0.0, 1.0), accumulation), dim=-1)
