"""How numbers of an implicit surface are compared with what is known of it.

Notation: values are a field's numbers at points, negative inside and zero on the surface; gradients are theirs by the
point; normals look outward and have length one.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

PERCENTAGE_OFFSET = 0.01  # keeps the loss finite on the surface (the released code's)
EMPTY_SHARPNESS = 100.0  # of the penalty on a surface where there is none (Sitzmann et al. 2020b: alpha >> 1)
ORIENTED_WEIGHTS = {"surface": 3000.0, "normal": 100.0, "empty": 100.0, "eikonal": 50.0}  # Siren's released code


def absolute_percentage(values: Float[Tensor, "points"], distances: Float[Tensor, "points"]) -> Float[Tensor, ""]:
    """Mean of |value - distance| / (|distance| + 0.01), MAPE (Müller et al. 2022, paper 4.2)."""
    return ((values - distances).abs() / (distances.abs() + PERCENTAGE_OFFSET)).mean()


def oriented_points(
    values: Float[Tensor, "points"],
    gradients: Float[Tensor, "points 3"],
    normals: Float[Tensor, "points 3"],
    on_surface: Bool[Tensor, "points"],
) -> dict[str, Float[Tensor, ""]]:
    """The weighted terms of Siren's loss for points with normals (Sitzmann et al. 2020b, Eq. 6).

    On the surface the value is zero and the gradient is the normal; elsewhere the value is not zero; everywhere the
    gradient has length one. Each term is a mean over all points. `normals` of points off the surface are not used.
    """
    terms = {
        "surface": values.abs() * on_surface,
        "normal": (1.0 - F.cosine_similarity(gradients, normals, dim=-1)) * on_surface,
        "empty": torch.exp(-EMPTY_SHARPNESS * values.abs()) * ~on_surface,
        "eikonal": (gradients.norm(dim=-1) - 1.0).abs(),
    }
    return {name: ORIENTED_WEIGHTS[name] * term.mean() for name, term in terms.items()}


def occupancy_cross_entropy(values: Float[Tensor, "points"], inside: Bool[Tensor, "points"]) -> Float[Tensor, ""]:
    """Mean binary cross-entropy of the probability sigmoid(-value) to be inside (Mescheder et al. 2019, Eq. 3).

    The surface is the decision boundary, where the value is zero.
    """
    return F.binary_cross_entropy_with_logits(-values, inside.to(values))
