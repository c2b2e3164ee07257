"""Batches of coordinates for tasks without rays."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Annotated

import torch
import tyro
from jaxtyping import Float, Int
from nerfstudio.data.datamanagers.base_datamanager import VanillaDataManager
from nerfstudio.data.dataparsers.base_dataparser import DataparserOutputs
from nerfstudio.data.datasets.base_dataset import InputDataset
from nerfstudio.data.utils.dataloaders import FixedIndicesEvalDataloader, RandIndicesEvalDataloader
from torch import Tensor
from tyro.conf import Suppress

from resfields_ns.functional.segments import TimedPoints, TimeSegments
from resfields_ns.host.dataparsing import sequence_of
from resfields_ns.host.host_configs import SequenceDataManagerConfig
from resfields_ns.options import option
from resfields_ns.timeline import times_from_frames


class CoordinateBatches(ABC):
    """Random points of a sequence's frames, and what is known at them.

    Args:
        frames: the frames that have points to draw, in order
    """

    def __init__(self, frames: Int[Tensor, "frames"]) -> None:
        self.frames = frames

    @abstractmethod
    def draw(
        self, frames: Int[Tensor, "frames"], samples: int
    ) -> tuple[Float[Tensor, "points dims"], dict[str, Tensor]]:
        """Draw points of `frames`, frame after frame: `samples` or fewer of each, and what is known at each point."""

    def moments(self, frames: Int[Tensor, "frames"]) -> Int[Tensor, "frames"] | Float[Tensor, "frames"]:
        """The frame positions at which the points of `frames` lie, ascending: the frames themselves, for most."""
        return frames


_OLD = "--pipeline.datamanager"  # where names that the host had for two options still work


@dataclass
class CoordinateDataManagerConfig(SequenceDataManagerConfig):
    """Random coordinates of a sequence; the defaults are the paper's (A.2, A.3)."""

    train_num_rays_per_batch: Suppress[int] = 1024
    eval_num_rays_per_batch: Suppress[int] = 1024
    samples_per_batch: Annotated[int, tyro.conf.arg(aliases=[f"{_OLD}.train-num-rays-per-batch"])] = option(
        200_000, least=1
    )
    """Samples a training step, spread evenly over its frames."""
    eval_samples_per_batch: Annotated[int, tyro.conf.arg(aliases=[f"{_OLD}.eval-num-rays-per-batch"])] = option(
        20_000, least=1
    )
    """Samples of an evaluation batch."""
    frames_per_batch: int = option(300, least=1)
    """Frames that a training step looks at, at most; the paper's sequences are no longer, so it looks at all."""


class CoordinateDataManager(VanillaDataManager[InputDataset], ABC):
    """Training batches sorted by time, with equally many samples of each frame.

    A subclass says which dataset it has (`dataset_type`), what else is known of the sequence before it is one
    (`prepared`), and how its points are drawn (`make_batches`).
    """

    config: CoordinateDataManagerConfig

    @abstractmethod
    def make_batches(self, dataset: InputDataset) -> CoordinateBatches:
        """Load what a dataset's points are drawn from; ValueError if there is nothing to train on."""

    def prepared(self, outputs: DataparserOutputs) -> DataparserOutputs:
        """Outputs of the dataparser, with all that the task knows of the sequence."""
        return outputs

    def create_train_dataset(self) -> InputDataset:
        """What is trained on."""
        self.train_dataparser_outputs = self.prepared(self.train_dataparser_outputs)
        return self.dataset_type(self.train_dataparser_outputs)

    def create_eval_dataset(self) -> InputDataset:
        """What is evaluated on."""
        return self.dataset_type(self.prepared(self.dataparser.get_dataparser_outputs(split=self.test_split)))

    def setup_train(self) -> None:
        """Load what is trained on."""
        self.train_batches = self.make_batches(self.train_dataset)

    def setup_eval(self) -> None:
        """Load what is evaluated on."""
        self.eval_batches = self.make_batches(self.eval_dataset)
        self.fixed_indices_eval_dataloader = FixedIndicesEvalDataloader(
            input_dataset=self.eval_dataset, device=self.device
        )
        self.eval_dataloader = RandIndicesEvalDataloader(input_dataset=self.eval_dataset, device=self.device)

    def next_train(self, step: int) -> tuple[TimedPoints, dict[str, Tensor]]:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Points and what is known at them."""
        del step
        self.train_count += 1
        return self._draw(self.train_batches, self.train_dataset, self.config.samples_per_batch)

    def next_eval(self, step: int) -> tuple[TimedPoints, dict[str, Tensor]]:  # pyright: ignore[reportIncompatibleMethodOverride]
        """As `next_train`, from what is evaluated on."""
        del step
        self.eval_count += 1
        return self._draw(self.eval_batches, self.eval_dataset, self.config.eval_samples_per_batch)

    def get_train_rays_per_batch(self) -> int:
        """Samples a training step."""
        return self.config.samples_per_batch

    def _draw(
        self, batches: CoordinateBatches, dataset: InputDataset, count: int
    ) -> tuple[TimedPoints, dict[str, Tensor]]:
        frames = self._choose(batches.frames, count)
        points, batch = batches.draw(frames, count // len(frames))
        samples = len(points) // len(frames)
        times = times_from_frames(batches.moments(frames), sequence_of(dataset).num_frames).to(self.device)
        segments = TimeSegments(times, (samples,) * len(frames))
        batch = {name: values.to(self.device) for name, values in batch.items()}
        return TimedPoints(points.to(self.device), segments), batch

    def _choose(self, frames: Int[Tensor, "frames"], count: int) -> Int[Tensor, "chosen"]:
        """All frames, or a random part of them in order where they are more than a batch may look at."""
        most = min(self.config.frames_per_batch, count)
        return frames if len(frames) <= most else frames[torch.randperm(len(frames))[:most].sort().values]
