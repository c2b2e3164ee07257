"""Frames of waves, and batches of points at which their equation must hold."""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Float, Int
from nerfstudio.data.datasets.base_dataset import InputDataset
from torch import Tensor

from resfields_ns.captures.sequence import PlaneWaves
from resfields_ns.data.coordinate_data import CoordinateBatches, CoordinateDataManager, CoordinateDataManagerConfig
from resfields_ns.functional.wave_equations import wave_colours
from resfields_ns.host.dataparsing import sequence_of

BORDER_SHARE, SOURCE_SHARE = 0.125, 0.375  # of the points of a batch


class WaveDataset(InputDataset):
    """Frames of waves in colours, by finite differences.

    An item holds `image_idx` and `image` [S, S, 3] in 0..1, and `reference` [S, S, values], the solution.
    """

    @property
    def waves(self) -> PlaneWaves:
        """All frames."""
        return sequence_of(self, PlaneWaves)

    def get_numpy_image(self, image_idx: int) -> npt.NDArray[np.uint8]:
        """Return the picture [S, S, 3], values 0 to 255."""
        return (255.0 * wave_colours(self._reference(image_idx)[..., 0])).round().to(torch.uint8).numpy()

    def get_metadata(self, data: dict) -> dict[str, Tensor]:
        """Return `reference` of the item `data`."""
        return {"reference": self._reference(data["image_idx"])}

    def _reference(self, image_idx: int) -> Tensor:
        return torch.from_numpy(self.waves.reference.frames[self.waves.images[image_idx].frame])


@dataclass
class WaveDataManagerConfig(CoordinateDataManagerConfig):
    """Random points of the square, and moments."""

    _target: type = field(default_factory=lambda: WaveDataManager)


class WaveDataManager(CoordinateDataManager):
    """Points inside the square and at its border; a batch says of each whether it is there, `border` [N]."""

    config: WaveDataManagerConfig
    train_dataset: WaveDataset
    eval_dataset: WaveDataset

    @cached_property
    def dataset_type(self) -> type[WaveDataset]:
        """Frames of waves."""
        return WaveDataset

    def make_batches(self, dataset: InputDataset) -> CoordinateBatches:
        """Batches of points; nothing of the solution is used."""
        waves = sequence_of(dataset, PlaneWaves)
        return WaveBatches(waves.num_frames, waves.reference.equation.source)


class WaveBatches(CoordinateBatches):
    """Random points of the square at random moments, each within half a frame of one of N frames.

    Args:
        num_frames: N
        source: width of the source that needs more points than its area has, where there is one
    """

    def __init__(self, num_frames: int, source: float | None = None) -> None:
        super().__init__(torch.arange(num_frames))
        self.source = source

    def draw(self, frames: Int[Tensor, "frames"], samples: int) -> tuple[Float[Tensor, "points 2"], dict[str, Tensor]]:
        """Draw `samples` points of each of `frames`: an eighth at the border, three around a source."""
        points = 2.0 * torch.rand(len(frames), samples, 2) - 1.0
        border = torch.zeros(len(frames), samples, dtype=torch.bool)
        count = round(BORDER_SHARE * samples)
        border[:, :count] = True
        axis = torch.randint(2, (len(frames), count, 1))
        side = 2.0 * torch.randint(2, (len(frames), count, 1)) - 1.0
        points[:, :count] = points[:, :count].scatter(2, axis, side)
        if self.source is not None:
            near = slice(count, count + round(SOURCE_SHARE * samples))
            points[:, near] = (2.0 * self.source * torch.randn_like(points[:, near])).clamp(-0.999, 0.999)
        return points.flatten(end_dim=1), {"border": border.flatten()}

    def moments(self, frames: Int[Tensor, "frames"]) -> Float[Tensor, "frames"]:
        """Random frame positions, up to half a frame from the frames."""
        moved = frames + torch.rand(len(frames)) - 0.5
        return moved.clamp(0.0, float(self.frames[-1]))
