"""Training losses of rendered rays and of implicit surfaces.

Training losses (paper Eq. 5). Notation: per ray rgb and target in [0, 1], foreground in {0, 1}, accumulation in [0, 1].

How numbers of an implicit surface are compared with what is known of it. Notation: values are a field's numbers at
points, negative inside and zero on the surface; gradients are theirs by the point; normals look outward and have length
one.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from resfields_ns.functional.shares import mean_of_rows


def masked_l1(
    rgb: Float[Tensor, "rays 3"], target: Float[Tensor, "rays 3"], foreground: Float[Tensor, "rays"]
) -> Float[Tensor, ""]:
    """Mean absolute colour difference over the foreground; 0 where there is none."""
    difference = (rgb - target).abs().mean(dim=-1)
    return mean_of_rows(difference, foreground)


def masked_l2(
    rgb: Float[Tensor, "rays 3"], target: Float[Tensor, "rays 3"], foreground: Float[Tensor, "rays"]
) -> Float[Tensor, ""]:
    """Mean squared colour difference over the foreground (Mildenhall et al. 2020); 0 where there is none."""
    difference = (rgb - target).square().mean(dim=-1)
    return mean_of_rows(difference, foreground)


def opacity_cross_entropy(
    accumulation: Float[Tensor, "rays"], foreground: Float[Tensor, "rays"], margin: float = 1e-3
) -> Float[Tensor, ""]:
    """Binary cross-entropy of rendered opacity, kept `margin` away from 0 and 1, against the mask."""
    opacity = accumulation.clamp(margin, 1.0 - margin)
    return -mean_of_rows(foreground * opacity.log() + (1.0 - foreground) * (1.0 - opacity).log())


def opacity_where_known(
    accumulation: Float[Tensor, "rays"],
    opaque: Float[Tensor, "rays"],
    empty: Float[Tensor, "rays"],
    margin: float = 1e-3,
) -> Float[Tensor, ""]:
    """`opacity_cross_entropy` over rays that are known to be opaque, and over those known to be empty (1, else 0).

    Both count alike, however many they are; a kind that has none counts as 0.
    """
    opacity = accumulation.clamp(margin, 1.0 - margin)
    return -0.5 * (mean_of_rows(opacity.log(), opaque) + mean_of_rows((1.0 - opacity).log(), empty))


def eikonal(gradient: Float[Tensor, "points 3"], in_scene: Bool[Tensor, "rays"] | None = None) -> Float[Tensor, ""]:
    """Mean squared deviation of the gradient's length from one (Gropp et al. 2020).

    Where `in_scene` is given, points come in as many of each ray, and those of other rays do not count.
    """
    deviations = (gradient.norm(dim=-1) - 1.0).square()
    if in_scene is None:
        return mean_of_rows(deviations)
    of_rays = deviations.view(len(in_scene), -1).mean(dim=1)
    return mean_of_rows(of_rays, in_scene)


def depth_l1(
    depth: Float[Tensor, "rays"], target: Float[Tensor, "rays"], valid: Bool[Tensor, "rays"]
) -> Float[Tensor, ""]:
    """Mean absolute difference of distances along rays where the target is valid (Cai et al. 2022); 0 where none is."""
    return mean_of_rows((depth - target).abs(), valid)


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
    on_rays = mean_of_rows(torch.exp(-ray_sharpness * ray_sdf.abs()))
    anywhere = mean_of_rows(torch.exp(-free_sharpness * free_sdf.abs()))
    return 0.5 * (on_rays + anywhere)


PERCENTAGE_OFFSET = 0.01  # keeps the loss finite on the surface (the released code's)
FAR_DISTANCE = 0.05  # five times the spread of samples near the surface (paper, A.3)
EMPTY_SHARPNESS = 100.0  # of the penalty on a surface where there is none (Sitzmann et al. 2020b: alpha >> 1)
ORIENTED_WEIGHTS = {"surface": 3000.0, "normal": 100.0, "empty": 100.0, "eikonal": 50.0}  # Siren's released code


def absolute_percentage(
    values: Float[Tensor, "points"], distances: Float[Tensor, "points"], far_weight: float = 1.0
) -> Float[Tensor, ""]:
    """Mean of |value - distance| / (|distance| + 0.01), MAPE (Müller et al. 2022, paper 4.2).

    Points farther than 0.05 count `far_weight` times. Where all count alike, the value 0 has an error of at most 1 at
    any distance, and its slope, 1 / |distance|, is a hundredth of that at the surface: a short training leaves the far
    field at numbers near zero, whose sign is noise.
    """
    weights = torch.where(distances.abs() > FAR_DISTANCE, far_weight, 1.0)
    return mean_of_rows(weights * (values - distances).abs() / (distances.abs() + PERCENTAGE_OFFSET))


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
    return {name: ORIENTED_WEIGHTS[name] * mean_of_rows(term) for name, term in terms.items()}


def occupancy_cross_entropy(values: Float[Tensor, "points"], inside: Bool[Tensor, "points"]) -> Float[Tensor, ""]:
    """Mean binary cross-entropy of the probability sigmoid(-value) to be inside (Mescheder et al. 2019, Eq. 3).

    The surface is the decision boundary, where the value is zero.
    """
    return mean_of_rows(F.binary_cross_entropy_with_logits(-values, inside.to(values), reduction="none"))
