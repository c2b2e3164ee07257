"""Batches of rays from a capture held in memory as bytes."""

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import torch
from jaxtyping import Bool, Float, Int, Shaped
from nerfstudio.cameras.rays import RayBundle
from nerfstudio.data.datamanagers.base_datamanager import VanillaDataManager
from nerfstudio.data.utils.dataloaders import FixedIndicesEvalDataloader, RandIndicesEvalDataloader
from nerfstudio.model_components.ray_generators import RayGenerator
from nerfstudio.utils.rich_utils import CONSOLE
from torch import Tensor

from resfields_ns.data.dynamic_dataset import DynamicDataset
from resfields_ns.data.pixel_samplers import ForegroundBalancedPixels, PixelSampler, UniformPixels
from resfields_ns.data.plates import Plates, find_plates
from resfields_ns.host.host_configs import SequenceDataManagerConfig
from resfields_ns.options import option


@dataclass
class DynamicDataManagerConfig(SequenceDataManagerConfig):
    """Rays of a multi-view capture over time."""

    _target: type = field(default_factory=lambda: DynamicDataManager)
    train_num_rays_per_batch: int = option(1100, least=1)
    """Rays a training step (paper, A.4)."""
    eval_num_rays_per_batch: int = option(1100, least=1)
    """Rays of an evaluation batch."""
    frames_per_batch: int = option(16, least=1, data="second frame")
    """Frames that a training step looks at, equally often; few frames make long runs of one time, which are fast."""
    background_margin: float = option(1.0, above=0, most=1, data="masks")
    """How far from the foreground, as a share of the longer image side, the background half of the rays may pass."""
    skip_checks: bool = False
    """Train on a capture even where rf-check finds that nothing can be learned from it."""


class DynamicDataManager(VanillaDataManager[DynamicDataset]):
    """Training batches sorted by time, half of them on the foreground where the capture has masks."""

    config: DynamicDataManagerConfig
    prepare: Callable[["RayBatches"], None] = staticmethod(lambda rays: None)
    """What is done with the batches of training images once these have been read."""

    def setup_train(self) -> None:
        """Look over a capture that is to be trained on.

        Raises ValueError for one of which rf-check says that nothing can be learned from it.
        """
        if self.test_mode == "val" and not self.config.skip_checks:
            self._check_capture()

    def load(self) -> None:
        """Read all images, which are otherwise read when a batch is first drawn of them."""
        _ = self.train_rays, self.eval_rays

    @cached_property
    def train_rays(self) -> "RayBatches":
        """Batches of the training images."""
        CONSOLE.print(f"Loading {len(self.train_dataset)} training images...")
        rays = RayBatches(self.train_dataset, self.config, self.config.train_num_rays_per_batch, self.device)
        self.prepare(rays)
        return rays

    @cached_property
    def eval_rays(self) -> "RayBatches":
        """Batches of the evaluation images."""
        CONSOLE.print(f"Loading {len(self.eval_dataset)} evaluation images...")
        return RayBatches(self.eval_dataset, self.config, self.config.eval_num_rays_per_batch, self.device)

    @property
    def train_pixel_sampler(self) -> "RayBatches":  # pyright: ignore[reportIncompatibleVariableOverride]
        """The exporters' name for what draws rays."""
        return self.train_rays

    def _check_capture(self) -> None:
        from resfields_ns.captures.checks.checked_capture import CheckedCapture
        from resfields_ns.captures.checks.look_over import check_quickly

        data = Path(self.config.dataparser.data if self.config.data is None else self.config.data)
        try:
            check_quickly(CheckedCapture(data, "", self.train_dataset.capture, self.eval_dataset.capture))
        except ValueError as error:
            skip = "--pipeline.datamanager.skip-checks True trains on it all the same"
            raise ValueError(f"{error} ({skip})") from error

    def setup_eval(self) -> None:
        """Make the host's ways to the evaluation images."""
        self.fixed_indices_eval_dataloader = FixedIndicesEvalDataloader(
            input_dataset=self.eval_dataset, device=self.device
        )
        self.eval_dataloader = RandIndicesEvalDataloader(input_dataset=self.eval_dataset, device=self.device)

    def next_train(self, step: int) -> tuple[RayBundle, dict[str, Tensor]]:
        """Rays and what the images hold at them: image [R, 3] in 0..1 and, with masks, mask [R] bool."""
        del step
        self.train_count += 1
        return self.train_rays.sample()

    def next_eval(self, step: int) -> tuple[RayBundle, dict[str, Tensor]]:
        """As `next_train`, from the evaluation images."""
        del step
        self.eval_count += 1
        return self.eval_rays.sample()

    def get_train_rays_per_batch(self) -> int:
        """Rays a training step."""
        return self.config.train_num_rays_per_batch


class RayBatches:
    """Random rays of a dataset, sorted by time.

    Args:
        dataset: images, masks and cameras; held as bytes
        config: says how pixels are drawn
        num_rays_per_batch: how many rays are drawn at once
        device: where the rays go
    """

    def __init__(
        self,
        dataset: DynamicDataset,
        config: DynamicDataManagerConfig,
        num_rays_per_batch: int,
        device: torch.device | str,
    ) -> None:
        self.arrays = dataset.load_arrays()
        self.dataset = dataset
        self.num_rays_per_batch = num_rays_per_batch
        self.frames_per_batch = config.frames_per_batch
        self.ray_generator = RayGenerator(dataset.cameras.to(device)).to(device)
        self.background_margin = config.background_margin
        self.device = device
        self.plates: Plates | None = None
        self.look_at(self.arrays.get("mask"))

    def look_at(self, masks: Bool[Tensor, "images height width"] | None) -> None:
        """Draw half of the rays where masks are true, or all alike."""
        self.masks = masks
        self.pixels: PixelSampler = self._pixels(masks)

    def _pixels(self, masks: Bool[Tensor, "images height width"] | None) -> UniformPixels | ForegroundBalancedPixels:
        dataset = self.dataset
        frame_index = dataset.capture.frame_index
        height, width = dataset.cameras.height[:, 0], dataset.cameras.width[:, 0]
        if masks is None or masks.all():
            return UniformPixels(frame_index, height, width)
        return ForegroundBalancedPixels(masks, frame_index, self.background_margin, height, width)

    @contextmanager
    def everywhere(self) -> Iterator[None]:
        """Draw all pixels alike in the block."""
        usual, self.pixels = self.pixels, self._pixels(None)
        try:
            yield
        finally:
            self.pixels = usual

    def leave_masks(self) -> None:
        """Draw pixels without masks, and batches that hold none."""
        self.arrays.pop("mask", None)
        self.look_at(None)

    def load_plates(self) -> None:
        """Let batches have what is `behind` their pixels, see `Plates.at`; masks are where it may be hidden."""
        self.arrays.pop("mask", None)
        self.plates = find_plates(self.dataset.capture, self.arrays["image"])
        self.look_at(self.plates.masks(self.arrays["image"]))

    def draw_images(self) -> None:
        """Let a batch look at as many images as at frames else, each equally often, one after the other."""
        self.pixels.group(torch.arange(len(self.dataset)))

    def load_depth(self) -> None:
        """Let batches have the `depth` of their pixels: distances along the rays in normalised units, 0 for none."""
        self.arrays["depth"] = self.dataset.load_depth()

    def sample(self) -> tuple[RayBundle, dict[str, Tensor]]:
        """Draw rays and the values of their pixels."""
        indices = self.pixels.sample(self._draw_frames(self.num_rays_per_batch))
        image, row, column = indices.unbind(dim=-1)
        batch = {name: values[image, row, column] for name, values in self.arrays.items()}
        batch["image"] = batch["image"].float() / 255.0
        batch["indices"] = indices
        if self.plates is not None and self.masks is not None:
            batch |= self.plates.at(indices, batch["image"], self.masks[image, row, column])
        batch = {name: _sent(values, self.device) for name, values in batch.items()}
        ray_bundle = self.ray_generator(batch["indices"])
        if "depth" in batch:
            batch["depth"] = self._distances(batch["depth"], ray_bundle)
        return ray_bundle, batch

    def _distances(self, stored: Shaped[Tensor, "rays"], ray_bundle: RayBundle) -> Float[Tensor, "rays"]:
        lengths = ray_bundle.metadata["directions_norm"][:, 0]
        return self.dataset.capture.ray_distances(stored, lengths)

    @property
    def segment_sizes(self) -> tuple[int, ...]:
        """How many rays each of the frames of a batch has, in order of time."""
        count = self.num_rays_per_batch
        num_frames = min(self.frames_per_batch, len(self.pixels.frames))
        ends = [-(-frame * count // num_frames) for frame in range(num_frames + 1)]
        return tuple(end - start for start, end in itertools.pairwise(ends))

    def _draw_frames(self, count: int) -> Int[Tensor, "rays"]:
        """The frame of each ray: few frames, each equally often, in order."""
        frames = self.pixels.frames
        chosen = frames[torch.randperm(len(frames))[: self.frames_per_batch].sort().values]
        return chosen[torch.arange(count) * len(chosen) // count]


def _sent(values: Tensor, device: torch.device | str) -> Tensor:
    """On the device; a GPU fetches them by itself, while Python goes on."""
    return values.pin_memory().to(device, non_blocking=True) if torch.device(device).type == "cuda" else values
