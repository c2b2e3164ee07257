"""Frames and batches of pixels of a video."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import ClassVar, Literal

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Float, Int
from nerfstudio.data.dataparsers.base_dataparser import DataparserOutputs
from nerfstudio.data.datasets.base_dataset import InputDataset
from torch import Tensor

from resfields_ns.captures.clips.clip_pixels import ClipPixels, HoldOut
from resfields_ns.captures.sequence import Clip
from resfields_ns.data.coordinate_data import CoordinateBatches, CoordinateDataManager, CoordinateDataManagerConfig
from resfields_ns.data.picture_supervisions import PICTURE_SUPERVISIONS, PictureSupervision
from resfields_ns.functional.intersections import pixel_coordinates
from resfields_ns.host.dataparsing import sequence_of, with_sequence
from resfields_ns.options import Obstacle, when


@dataclass(frozen=True, eq=False)
class SupervisedClip(Clip):
    """A video, and what a field is told of it."""

    supervision: PictureSupervision = field(kw_only=True)


class VideoDataset(InputDataset):
    """Frames of a video as images; an item also says which of its pixels are held out from training.

    An item holds `image_idx`, `image` [H, W, 3] in 0..1, `held_out` [H, W] and, where derivatives are trained on, the
    `gradients` [H, W, 3, 2] that they are or are made of.
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
        """Return `held_out` of the item `data`, and `gradients` where derivatives are trained on."""
        frame, height, width = self._frame(data["image_idx"]), self.pixels.height, self.pixels.width
        found = {"held_out": self.hold_out.mask(frame).view(height, width)}
        supervision = sequence_of(self, SupervisedClip).supervision
        if supervision.order > 0:
            pixels = torch.arange(height * width)
            gradients = supervision.gradients(torch.full_like(pixels, frame), pixels // width, pixels % width)
            found["gradients"] = gradients.view(height, width, 3, 2)
        return found

    def _frame(self, image_idx: int) -> int:
        return sequence_of(self, Clip).images[image_idx].frame


@dataclass
class VideoDataManagerConfig(CoordinateDataManagerConfig):
    """Random pixels of a video (paper, 4.1 and A.2)."""

    below: ClassVar[Mapping[str, Obstacle]] = {
        "dataparser.blend_with": when("supervision", "gradients"),
        "dataparser.inpaint": when("supervision", "values"),
    }

    _target: type = field(default_factory=lambda: VideoDataManager)
    supervision: Literal["values", "gradients", "laplacians"] = "values"
    """What is known of pixels: their colours (paper), or derivatives of the picture alone (Poisson's equation)."""


class VideoDataManager(CoordinateDataManager):
    """Pixels that are seen in training, and held-out ones in evaluation, and what is known of them."""

    config: VideoDataManagerConfig
    train_dataset: VideoDataset
    eval_dataset: VideoDataset

    @cached_property
    def dataset_type(self) -> type[VideoDataset]:
        """Frames of a video."""
        return VideoDataset

    def prepared(self, outputs: DataparserOutputs) -> DataparserOutputs:
        """The video, and how a field is supervised by it, which the model asks for too."""
        clip = sequence_of(outputs, Clip)
        supervision = PICTURE_SUPERVISIONS[self.config.supervision](clip.pixels, clip.blended)
        return with_sequence(outputs, clip.known_as(SupervisedClip, supervision=supervision))

    def make_batches(self, dataset: InputDataset) -> CoordinateBatches:
        """Batches of the pixels that are seen in training; of the evaluated frames, of those held out, if any are."""
        assert isinstance(dataset, VideoDataset)
        evaluated = dataset is self.eval_dataset and dataset.hold_out.any
        return HeldOutPixels(dataset) if evaluated else SeenPixels(dataset)


class _ClipBatches(CoordinateBatches):
    """Pixels of a video: (row, column) as the field sees them, and what the supervision knows of them."""

    def __init__(self, dataset: VideoDataset, frames: Int[Tensor, "frames"]) -> None:
        super().__init__(frames)
        self.hold_out = dataset.hold_out
        self.pixels = dataset.pixels
        self.supervision = sequence_of(dataset, SupervisedClip).supervision

    def _batch(
        self, frames: Int[Tensor, "frames"], pixels: Int[Tensor, "frames samples"]
    ) -> tuple[Float[Tensor, "points 2"], dict[str, Tensor]]:
        drawn, width = pixels.flatten(), self.pixels.width
        known = self.supervision.known(frames.repeat_interleave(pixels.shape[1]), drawn // width, drawn % width)
        return pixel_coordinates(drawn, self.pixels.height, width), known


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
        some = hold_out.held_out_frames | (hold_out.counts > 0)
        super().__init__(dataset, some.nonzero()[:, 0])

    def draw(self, frames: Int[Tensor, "frames"], samples: int) -> tuple[Float[Tensor, "points 2"], dict[str, Tensor]]:
        """Draw `samples` pixels of each of `frames`."""
        return self._batch(frames, self.hold_out.draw_held_out(frames, samples))
