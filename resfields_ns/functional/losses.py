"""Training losses (paper Eq. 5).

Notation: per ray rgb and target in [0, 1], foreground in {0, 1}, accumulation in [0, 1].
"""

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor


def masked_l1(
    rgb: Float[Tensor, "rays 3"], target: Float[Tensor, "rays 3"], foreground: Float[Tensor, "rays"]
) -> Float[Tensor, ""]:
    """Mean absolute colour difference over the foreground; 0 where there is none."""
    difference = (rgb - target).abs().mean(dim=-1)
    return (difference * foreground).sum() / foreground.sum().clamp(min=1.0)


def opacity_cross_entropy(
    accumulation: Float[Tensor, "rays"], foreground: Float[Tensor, "rays"], margin: float = 1e-3
) -> Float[Tensor, ""]:
    """Binary cross-entropy of rendered opacity, kept `margin` away from 0 and 1, against the mask."""
    return F.binary_cross_entropy(accumulation.clamp(margin, 1.0 - margin), foreground)


def eikonal(gradient: Float[Tensor, "points 3"]) -> Float[Tensor, ""]:
    """Mean squared deviation of the gradient's length from one (Gropp et al. 2020)."""
    return (gradient.norm(dim=-1) - 1.0).square().mean()


def depth_l1(
    depth: Float[Tensor, "rays"], target: Float[Tensor, "rays"], valid: Bool[Tensor, "rays"]
) -> Float[Tensor, ""]:
    """Mean absolute difference of distances along rays where the target is valid (Cai et al. 2022); 0 where none is."""
    return ((depth - target).abs() * valid).sum() / valid.sum().clamp(min=1)


def sparsity(
    ray_sdf: Float[Tensor, "*samples"],
    free_sdf: Float[Tensor, "*points"],
    ray_sharpness: float = 1000.0,
    free_sharpness: float = 100.0,
) -> Float[Tensor, ""]:
    """Penalty on surfaces that no colour asks for (Long et al. 2022, Eq. 11).

    Mean of exp(-sharpness |sdf|) over samples of rays and over points anywhere in the scene, halved; sharpnesses, in
    the inverse of scene units, are those of the released code.
    """
    on_rays = torch.exp(-ray_sharpness * ray_sdf.abs()).mean()
    anywhere = torch.exp(-free_sharpness * free_sdf.abs()).mean()
    return 0.5 * (on_rays + anywhere)
