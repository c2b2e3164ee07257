"""Metrics and pictures of a rendered image beside the ground truth."""

from functools import cache
from pathlib import Path

import torch
from jaxtyping import Bool, Float
from nerfstudio.utils import colormaps
from nerfstudio.utils.rich_utils import CONSOLE
from torch import Tensor
from torchmetrics.functional.image import structural_similarity_index_measure

from resfields_ns.functional import metrics
from resfields_ns.models.colour_correction import Kind, fit_correction


def image_metrics(
    rgb: Float[Tensor, "h w 3"], target: Float[Tensor, "h w 3"], mask: Bool[Tensor, "h w"] | None
) -> dict[str, float]:
    """PSNR (dB), foreground PSNR where a mask has some, SSIM, and LPIPS where its weights are stored."""
    batch, target_batch = (image.clamp(0.0, 1.0).permute(2, 0, 1)[None] for image in (rgb, target))
    results = {"psnr": metrics.psnr(rgb, target)}
    if mask is not None and mask.any():
        results["psnr_foreground"] = metrics.masked_psnr(rgb, target, mask)
    ssim = structural_similarity_index_measure(batch, target_batch, data_range=1.0)
    results["ssim"] = float(ssim[0] if isinstance(ssim, tuple) else ssim)
    if (lpips := _lpips()) is not None:
        results["lpips"] = float(lpips.to(rgb.device)(batch, target_batch))
    return results


def mask_metrics(accumulation: Float[Tensor, "h w 1"], mask: Bool[Tensor, "h w"] | None) -> dict[str, float]:
    """Overlap (IoU) of what is rendered with a mask that has some foreground."""
    if mask is None or not mask.any():
        return {}
    return {"mask_iou": metrics.mask_iou(accumulation[..., 0], mask)}


def colour_corrected_metrics(
    kind: Kind, rgb: Float[Tensor, "h w 3"], target: Float[Tensor, "h w 3"], mask: Bool[Tensor, "h w"] | None
) -> dict[str, float]:
    """`image_metrics`, named `..._colour_corrected`, once the foreground has its best correction of that kind.

    The background is the model's and no camera's, and stays. Nothing for an empty mask.
    """
    foreground = torch.ones_like(rgb[..., 0], dtype=torch.bool) if mask is None else mask
    if not foreground.any():
        return {}
    colours, corrected = rgb[foreground], rgb.clone()
    corrected[foreground] = fit_correction(kind, colours, target[foreground])(colours)
    return {f"{name}_colour_corrected": value for name, value in image_metrics(corrected, target, mask).items()}


def images_to_show(outputs: dict[str, Tensor], target: Float[Tensor, "h w 3"]) -> dict[str, Tensor]:
    """Ground truth beside prediction [h, 2w, 3], and accumulation, depth and any normals as colours [h, w, 3]."""
    accumulation = outputs["accumulation"]
    shown = {
        "img": torch.cat((target, outputs["rgb"]), dim=1),
        "accumulation": colormaps.apply_colormap(accumulation),
        "depth": colormaps.apply_depth_colormap(outputs["depth"], accumulation=accumulation),
    }
    if "normals" in outputs:
        shown["normals"] = 0.5 * (outputs["normals"] + 1.0) * accumulation + (1.0 - accumulation)
    return shown


@cache
def _lpips() -> torch.nn.Module | None:
    """LPIPS (Zhang et al. 2018), or nothing where its network's weights are not stored: none are fetched unasked."""
    from torchmetrics.image.lpip import LearnedPerceptualImagePatchSimilarity
    from torchvision.models import AlexNet_Weights

    stored = Path(torch.hub.get_dir()) / "checkpoints" / Path(AlexNet_Weights.IMAGENET1K_V1.url).name
    if not stored.is_file():
        CONSOLE.print(
            f"LPIPS is left out: it needs torchvision's AlexNet, 233 MB, as {stored}. To fetch it once: "
            "python -c 'from torchvision.models import alexnet; alexnet(weights=\"IMAGENET1K_V1\")'",
            soft_wrap=True,
        )
        return None
    return LearnedPerceptualImagePatchSimilarity(net_type="alex", normalize=True)
