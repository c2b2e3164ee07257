"""A video as a picture that plays in space (paper, 4.1)."""

import dataclasses
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from nerfstudio.data.scene_box import SceneBox
from nerfstudio.utils import colormaps
from torch import Tensor

from resfields_ns.captures.sequence import Clip
from resfields_ns.data.video_data import SupervisedClip
from resfields_ns.fields.hash_grid_field import HashGridFieldConfig
from resfields_ns.fields.siren_field import SIZES_ACT, EncodingOptions, SirenFieldConfig, make_mlp_field
from resfields_ns.fields.value_field import Picture, ValueField
from resfields_ns.functional import metrics
from resfields_ns.functional.picture_derivatives import gradients_of_picture
from resfields_ns.functional.segments import TimedPoints
from resfields_ns.host.dataparsing import sequence_of
from resfields_ns.models.coordinate_model import CoordinateModelConfig
from resfields_ns.models.picture_model import PictureModel
from resfields_ns.options import option, unless, when


@dataclass
class VideoModelConfig(CoordinateModelConfig):
    """A network that maps (t, y, x) to a colour; the defaults are the paper's."""

    _target: type = dataclasses.field(default_factory=lambda: VideoModel)
    below: ClassVar = SIZES_ACT
    network: Literal["siren", "relu", "relu-basic", "relu-positional", "gaussian", "hash-grid"] = "siren"
    """Siren; ReLU with no, the basic, the positional or the Gaussian encoding of time and pixel (Tancik et al. 2020);
    or the hash grid of Instant NGP, which has no residual layers (paper, Table 1)."""
    field: SirenFieldConfig = option(factory=SirenFieldConfig, acts=unless("network", "hash-grid"))
    """Sizes of Siren and ReLU networks."""
    encoding: EncodingOptions = EncodingOptions()
    """Sizes of the encodings."""
    hash_grid: HashGridFieldConfig = option(factory=HashGridFieldConfig, acts=when("network", "hash-grid"))
    """The hash grid."""


class VideoModel(PictureModel):
    """Colours of a video's pixels; cameras see the picture hang in space, see `functional/intersections.py`."""

    config: VideoModelConfig
    field: ValueField

    def __init__(
        self, config: VideoModelConfig, scene_box: SceneBox, num_train_data: int, metadata: dict, **kwargs: Any
    ) -> None:
        self.supervision = sequence_of(metadata, SupervisedClip).supervision
        super().__init__(config, scene_box, num_train_data, metadata, **kwargs)

    def make_field(self) -> ValueField:
        """The network."""
        config, pixels = self.config, sequence_of(self.kwargs["metadata"], Clip).pixels
        picture = Picture(pixels.height, pixels.width)
        if config.network == "hash-grid":
            return config.hash_grid.setup(num_frames=self.num_frames, quantity=picture)
        return make_mlp_field(config.network, config.field, config.encoding, self.num_frames, picture)

    def get_outputs(self, ray_bundle: TimedPoints) -> dict[str, Tensor]:
        """Colours `rgb` [N, 3] at (row, column) of a batch, not clamped, and the derivatives that the loss asks for."""
        if self.supervision.order == 0:
            return {"rgb": self.field.values(ray_bundle)}
        rgb, derivatives = self.field.values_and_derivatives(ray_bundle, self.supervision.order)
        picture = self.picture
        step = 2.0 / torch.tensor([picture.height - 1, picture.width - 1]).to(rgb)  # between pixels
        return {"rgb": rgb} | {
            name: of * step**order for name, order, of in zip(("first", "second"), (1, 2), derivatives, strict=False)
        }

    def get_loss_dict(
        self, outputs: dict[str, Any], batch: dict[str, Any], metrics_dict: dict | None = None
    ) -> dict[str, Tensor]:
        """The terms of the supervision's loss."""
        del metrics_dict
        return self.supervision.losses(outputs, batch)

    def get_metrics_dict(self, outputs: dict[str, Any], batch: dict[str, Any]) -> dict[str, Tensor]:
        """PSNR of a batch of colours."""
        if "image" not in batch:
            return {}
        return {"psnr": -10.0 * torch.log10(self.supervision.losses(outputs, batch)["colour"].detach())}

    def get_image_metrics_and_images(
        self, outputs: dict[str, Tensor], batch: dict[str, Any]
    ) -> tuple[dict[str, float], dict[str, Tensor]]:
        """PSNR of a frame's pixels that are trained on and of those held out, where there are any; original beside
        reconstruction.

        Where derivatives are trained on, PSNR is that of colours less their mean error, which derivatives do not tell,
        and there is the relative error of the picture's gradients; that alone where two are blended, without a truth.
        """
        rgb, target = outputs["rgb"], batch["image"].to(outputs["rgb"])
        held_out = batch["held_out"].to(target.device)
        values: dict[str, float] = {}
        if "gradients" in batch:
            gradients = batch["gradients"].to(rgb)
            values["gradient_error"] = float((gradients_of_picture(rgb) - gradients).norm() / gradients.norm())
            rgb = (rgb + (target - rgb).mean(dim=(0, 1))).clamp(0.0, 1.0)
        if self.supervision.blended is None:
            parts = {"psnr_train": ~held_out, "psnr_test": held_out}
            values |= {name: metrics.masked_psnr(rgb, target, mask) for name, mask in parts.items() if mask.any()}
        depth = colormaps.apply_depth_colormap(outputs["depth"], accumulation=outputs["accumulation"])
        return values, {"img": torch.cat((target, rgb), dim=1), "depth": depth}
