"""A video as a picture that plays in space (paper, 4.1)."""

import dataclasses
from dataclasses import dataclass
from typing import Any, Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from nerfstudio.configs.base_config import InstantiateConfig
from nerfstudio.utils import colormaps
from torch import Tensor

from resfields_ns.captures.sequence import Clip
from resfields_ns.fields.hash_grid_field import HashGridFieldConfig
from resfields_ns.fields.siren_field import SirenFieldConfig
from resfields_ns.fields.value_field import Picture, ValueField
from resfields_ns.functional import metrics
from resfields_ns.functional.segments import TimedPoints
from resfields_ns.functional.shares import mean_of_rows
from resfields_ns.host.dataparsing import sequence_of
from resfields_ns.models.coordinate_model import CoordinateModelConfig
from resfields_ns.models.picture_model import PictureModel
from resfields_ns.options import option, when


@dataclass
class VideoModelConfig(CoordinateModelConfig):
    """A network that maps (t, y, x) to a colour; the defaults are the paper's."""

    _target: type = dataclasses.field(default_factory=lambda: VideoModel)
    network: Literal["siren", "hash-grid"] = "siren"
    """Siren with residual layers, or the hash grid of Instant NGP, which has none (paper, Table 1)."""
    field: SirenFieldConfig = option(factory=SirenFieldConfig, acts=when("network", "siren"))
    """The Siren."""
    hash_grid: HashGridFieldConfig = option(factory=HashGridFieldConfig, acts=when("network", "hash-grid"))
    """The hash grid."""

    @property
    def network_config(self) -> InstantiateConfig:
        """Sizes of the network that was chosen."""
        return {"siren": self.field, "hash-grid": self.hash_grid}[self.network]


class VideoModel(PictureModel):
    """Colours of a video's pixels; cameras see the picture hang in space, see `functional/intersections.py`."""

    config: VideoModelConfig

    def make_field(self) -> ValueField:
        """The network."""
        pixels = sequence_of(self.kwargs["metadata"], Clip).pixels
        picture = Picture(pixels.height, pixels.width)
        return self.config.network_config.setup(num_frames=self.num_frames, quantity=picture)

    def get_outputs(self, ray_bundle: TimedPoints) -> dict[str, Tensor]:
        """Colours `rgb` [N, 3] at (row, column) of a batch, not clamped."""
        return {"rgb": self.field.values(ray_bundle)}

    def get_loss_dict(
        self, outputs: dict[str, Any], batch: dict[str, Any], metrics_dict: dict | None = None
    ) -> dict[str, Tensor]:
        """Mean squared error of colours (paper, 4.1)."""
        del metrics_dict
        return {"colour": self._error(outputs["rgb"], batch)}

    def get_metrics_dict(self, outputs: dict[str, Any], batch: dict[str, Any]) -> dict[str, Tensor]:
        """PSNR of a batch."""
        return {"psnr": -10.0 * torch.log10(self._error(outputs["rgb"].detach(), batch))}

    def _error(self, rgb: Float[Tensor, "points 3"], batch: dict[str, Any]) -> Float[Tensor, ""]:
        return mean_of_rows(F.mse_loss(rgb, batch["image"].to(self.device), reduction="none"))

    def get_image_metrics_and_images(
        self, outputs: dict[str, Tensor], batch: dict[str, Any]
    ) -> tuple[dict[str, float], dict[str, Tensor]]:
        """PSNR of a frame's pixels that are trained on and of those held out, where there are any; original beside
        reconstruction."""
        rgb, target = outputs["rgb"], batch["image"].to(outputs["rgb"])
        held_out = batch["held_out"].to(target.device)
        parts = {"psnr_train": ~held_out, "psnr_test": held_out}
        values = {name: metrics.masked_psnr(rgb, target, mask) for name, mask in parts.items() if mask.any()}
        depth = colormaps.apply_depth_colormap(outputs["depth"], accumulation=outputs["accumulation"])
        return values, {"img": torch.cat((target, rgb), dim=1), "depth": depth}
