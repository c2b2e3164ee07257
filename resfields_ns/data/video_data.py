"""Frames and batches of pixels of a video."""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt
from jaxtyping import Float, Int
from nerfstudio.data.datasets.base_dataset import InputDataset
from torch import Tensor

from resfields_ns.captures.clips.clip_pixels import ClipPixels, HoldOut
from resfields_ns.captures.sequence import Clip
from resfields_ns.data.coordinate_data import CoordinateBatches, CoordinateDataManager, CoordinateDataManagerConfig
from resfields_ns.functional.intersections import pixel_coordinates
from resfields_ns.host.dataparsing import sequence_of


class VideoDataset(InputDataset):
    """Frames of a video as images; an item also says which of its pixels are held out from training.

    An item holds `image_idx`, `image` [H, W, 3] in 0..1 and `held_out` [H, W].
    """

    @property
    def pixels(self) -> ClipPixels:
        """All frames of the video."""
        return sequence_of(self, Clip).pixels

    @property
    def hold_out(self) -> HoldOut:
        """What of them is held out."""
        return sequence_of(self, Clip).hold_out

    def get_numpy_image(self, image_idx: int) -> npt.NDArray[np.uint8]:
        """Return the image [H, W, 3], values 0 to 255."""
        return self.pixels.array[self._frame(image_idx)].numpy()

    def get_metadata(self, data: dict) -> dict[str, Tensor]:
        """Return `held_out` of the item `data`."""
        mask = self.hold_out.mask(self._frame(data["image_idx"]))
        return {"held_out": mask.view(self.pixels.height, self.pixels.width)}

    def _frame(self, image_idx: int) -> int:
        return sequence_of(self, Clip).images[image_idx].frame


@dataclass
class VideoDataManagerConfig(CoordinateDataManagerConfig):
    """Random pixels of a video (paper, 4.1 and A.2)."""

    _target: type = field(default_factory=lambda: VideoDataManager)


class VideoDataManager(CoordinateDataManager):
    """Pixels that are seen in training, and held-out ones in evaluation; a batch has their `image` [N, 3] in 0..1."""

    config: VideoDataManagerConfig
    train_dataset: VideoDataset
    eval_dataset: VideoDataset

    @cached_property
    def dataset_type(self) -> type[VideoDataset]:
        """Frames of a video."""
        return VideoDataset

    def make_batches(self, dataset: InputDataset) -> CoordinateBatches:
        """Batches of the pixels that are seen in training; of the evaluated frames, of those held out, if any are."""
        assert isinstance(dataset, VideoDataset)
        evaluated = dataset is self.eval_dataset and dataset.hold_out.any
        return HeldOutPixels(dataset) if evaluated else SeenPixels(dataset)


class _ClipBatches(CoordinateBatches):
    """Pixels of a video: (row, column) as the field sees them, and `image`; the drawn pixels alone become floats."""

    def __init__(self, dataset: VideoDataset, frames: Int[Tensor, "frames"]) -> None:
        super().__init__(frames)
        self.hold_out = dataset.hold_out
        self.pixels = dataset.pixels
        self.colours = dataset.pixels.array.flatten(1, 2)

    def _batch(
        self, frames: Int[Tensor, "frames"], pixels: Int[Tensor, "frames samples"]
    ) -> tuple[Float[Tensor, "points 2"], dict[str, Tensor]]:
        points = pixel_coordinates(pixels.flatten(), self.pixels.height, self.pixels.width)
        image = self.colours[frames[:, None], pixels].flatten(end_dim=1).float() / 255.0
        return points, {"image": image}


class SeenPixels(_ClipBatches):
    """Pixels that are trained on."""

    def __init__(self, dataset: VideoDataset) -> None:
        super().__init__(dataset, (~dataset.hold_out.held_out_frames).nonzero()[:, 0])

    def draw(self, frames: Int[Tensor, "frames"], samples: int) -> tuple[Float[Tensor, "points 2"], dict[str, Tensor]]:
        """Draw `samples` pixels of each of `frames`."""
        return self._batch(frames, self.hold_out.draw_seen(frames, samples))


class HeldOutPixels(_ClipBatches):
    """Pixels that are held out."""

    def __init__(self, dataset: VideoDataset) -> None:
        hold_out = dataset.hold_out
        some = hold_out.held_out_frames | (hold_out.pixels.shape[1] > 0)
        super().__init__(dataset, some.nonzero()[:, 0])

    def draw(self, frames: Int[Tensor, "frames"], samples: int) -> tuple[Float[Tensor, "points 2"], dict[str, Tensor]]:
        """Draw `samples` pixels of each of `frames`."""
        return self._batch(frames, self.hold_out.draw_held_out(frames, samples))
