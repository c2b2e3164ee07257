"""Losses of rendered rays (paper, Eq. 5 and A.1), and their options."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from resfields_ns.functional import losses
from resfields_ns.models.rendering import Rendering
from resfields_ns.options import Options, option, when, when_any

IS_DISTANCE = when("density", "volsdf")
COLOUR_LOSSES: dict[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {
    "l1": losses.masked_l1,
    "l2": losses.masked_l2,
}


@dataclass
class RayLossOptions(Options):
    """Which losses are taken; the base of the config of a model that has a density, a sampler and a background."""

    prefix: ClassVar[str] = "model."

    colour_loss: Literal["l1", "l2"] = "l1"
    """Mean absolute difference of colours (the paper), or mean squared difference (NeRF)."""
    whole_pictures: bool = option(False, acts=when("background", "color"), data="masks")
    """Compare whole pictures, which show the background color where masks say that there is nothing (NeRF), in place of
    the foreground alone."""
    opacity_loss_weight: float = option(0.1, least=0, data="masks or background")
    """Weight of the cross-entropy between rendered opacity and mask, or what surely hides or shows the background."""
    eikonal_loss_weight: float = option(0.1, least=0, acts=IS_DISTANCE)
    """Weight of the eikonal loss on signed distances."""
    eikonal_fraction: float = option(1.0, above=0, most=1, acts=(IS_DISTANCE, when_any("eikonal_loss_weight")))
    """Share of the samples on which the eikonal loss is taken; they alone pay for a spatial gradient."""
    depth_loss_weight: float = option(0.0, least=0)
    """Weight of the L1 loss on the distance along rays, for captures with depth (paper, A.5: 0.1)."""
    sparsity_loss_weight: float = option(0.0, least=0, acts=IS_DISTANCE)
    """Weight of the loss against surfaces in unseen space (paper, A.5: 0.1)."""
    sparsity_start_step: int = option(
        70_000,
        least=0,
        acts=(IS_DISTANCE, when_any("sparsity_loss_weight")),
        outlasts="the sparsity loss is never taken",
    )
    """Step from which the sparsity loss is taken."""
    coarse_loss_weight: float = option(0.1, least=0, acts=when("sampler.kind", "hierarchical"))
    """Weight of the losses on passes before the last, for samplers with several: of colours alone where one network
    renders all (Barron et al. 2021), of all that a network of their own learns from."""


def has_distances(config: RayLossOptions) -> str | None:
    """Why the number of a field is no distance, None where the eikonal loss makes it one."""
    return IS_DISTANCE(config) or when_any("eikonal_loss_weight")(config)


def colour_loss(
    options: RayLossOptions, rgb: Float[Tensor, "rays 3"], batch: Mapping[str, Tensor], background: float
) -> Float[Tensor, ""]:
    """Difference of colours from the images, over whole pictures or the foreground.

    Args:
        options: which
        rgb: as the images' cameras would show it
        batch: what the images hold at the rays: image [R, 3] in [0, 1] and, with masks, mask [R]
        background: grey in [0, 1] of a whole picture where its mask says that there is nothing
    """
    target, counts = batch["image"], torch.ones_like(rgb[:, 0])
    if "mask" in batch:
        mask = batch["mask"].to(target)
        if options.whole_pictures:
            target = torch.lerp(torch.full_like(target, background), target, mask[:, None])
        else:
            counts = mask
    return COLOUR_LOSSES[options.colour_loss](rgb, target, counts)


def pass_losses(
    options: RayLossOptions,
    rendering: Rendering,
    rgb: Float[Tensor, "rays 3"],
    batch: Mapping[str, Tensor],
    background: float,
) -> dict[str, Float[Tensor, ""]]:
    """The weighted losses of one pass over rays, by name.

    Args:
        options: weights
        rendering: what the pass rendered
        rgb, batch, background: as for `colour_loss`; the batch may hold depth [R] (0: none), or hidden and seen [R]
    """
    terms = {"colour": colour_loss(options, rgb, batch, background)}
    accumulation, weight = rendering.accumulation[:, 0], options.opacity_loss_weight
    if "mask" in batch and weight > 0.0:
        terms["opacity"] = weight * losses.opacity_cross_entropy(accumulation, batch["mask"].to(rgb))
    if "hidden" in batch and weight > 0.0:
        hidden, seen = batch["hidden"].to(rgb), batch["seen"].to(rgb)
        terms["opacity"] = weight * losses.opacity_where_known(accumulation, hidden, seen)
    if "depth" in batch and options.depth_loss_weight > 0.0:
        depth = batch["depth"].to(rgb)
        valid = (depth > 0.0) & batch["mask"] if "mask" in batch else depth > 0.0
        terms["depth"] = options.depth_loss_weight * losses.depth_l1(rendering.distance[:, 0], depth, valid)
    if rendering.gradient is not None:
        eikonal = losses.eikonal(rendering.gradient, rendering.in_scene)
        terms["eikonal"] = options.eikonal_loss_weight * eikonal
    return terms
