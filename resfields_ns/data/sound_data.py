"""Windows of a sound, and batches of their samples."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Float, Int
from nerfstudio.data.datasets.base_dataset import InputDataset
from torch import Tensor

from resfields_ns.captures.sequence import Sound
from resfields_ns.data.coordinate_data import CoordinateBatches, CoordinateDataManager, CoordinateDataManagerConfig
from resfields_ns.functional.intersections import pixel_coordinates
from resfields_ns.functional.waveforms import DRAWING_SIZE, draw_waveform, nearest_samples, sample_positions
from resfields_ns.host.dataparsing import sequence_of


class SoundDataset(InputDataset):
    """Windows of a sound as drawings of their waveforms.

    An item holds `image_idx` and `image` [H, W, 3] in 0..1, `samples` [L, C], the window's amplitudes, and of each
    sample whether it is one of the sound's (`sounding` [L]), and whether it is held out (`held_out` [L]).
    """

    @property
    def sound(self) -> Sound:
        """All windows."""
        return sequence_of(self, Sound)

    def get_numpy_image(self, image_idx: int) -> npt.NDArray[np.uint8]:
        """Return the drawing [H, W, 3], values 0 to 255."""
        height, width = DRAWING_SIZE
        places = pixel_coordinates(torch.arange(height * width), height, width)
        samples = self.sound.windows.amplitudes[self._frame(image_idx)]
        colours = draw_waveform(places, samples[nearest_samples(places[:, 1], len(samples))])
        return (255.0 * colours).round().to(torch.uint8).view(height, width, 3).numpy()

    def get_metadata(self, data: dict) -> dict[str, Tensor]:
        """Return `samples`, `sounding` and `held_out` of the item `data`."""
        frame, sound = self._frame(data["image_idx"]), self.sound
        return {
            "samples": sound.windows.amplitudes[frame],
            "sounding": sound.windows.sounding[frame],
            "held_out": sound.hold_out.mask(frame),
        }

    def _frame(self, image_idx: int) -> int:
        return self.sound.images[image_idx].frame


@dataclass
class SoundDataManagerConfig(CoordinateDataManagerConfig):
    """Random samples of a sound."""

    _target: type = field(default_factory=lambda: SoundDataManager)


class SoundDataManager(CoordinateDataManager):
    """Samples that are seen in training, and held-out ones in evaluation; a batch has their `amplitudes` [N, C]."""

    config: SoundDataManagerConfig
    train_dataset: SoundDataset
    eval_dataset: SoundDataset

    @cached_property
    def dataset_type(self) -> type[SoundDataset]:
        """Windows of a sound."""
        return SoundDataset

    def make_batches(self, dataset: InputDataset) -> CoordinateBatches:
        """Batches of the samples that are seen in training; for evaluation of those held out, if any are."""
        assert isinstance(dataset, SoundDataset)
        hold_out = dataset.sound.hold_out
        evaluated = dataset is self.eval_dataset and hold_out.any
        return SoundBatches(dataset, hold_out.draw_held_out if evaluated else hold_out.draw_seen)


DrawSamples = Callable[[Int[Tensor, "frames"], int], Int[Tensor, "frames samples"]]


class SoundBatches(CoordinateBatches):
    """Samples of windows, drawn by `draw_samples`: their positions, and `amplitudes`; the silence at ends too."""

    def __init__(self, dataset: SoundDataset, draw_samples: DrawSamples) -> None:
        windows = dataset.sound.windows
        super().__init__(torch.arange(len(windows.frames)))
        self.amplitudes = windows.amplitudes
        self.draw_samples = draw_samples

    def draw(self, frames: Int[Tensor, "frames"], samples: int) -> tuple[Float[Tensor, "points 1"], dict[str, Tensor]]:
        """Draw `samples` samples of each of `frames`."""
        drawn = self.draw_samples(frames, samples)
        points = sample_positions(drawn.flatten(), self.amplitudes.shape[1])[:, None]
        return points, {"amplitudes": self.amplitudes[frames[:, None], drawn].flatten(end_dim=1)}
