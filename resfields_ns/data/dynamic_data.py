"""Images and batches of rays of a capture."""

from dataclasses import dataclass, field
from typing import NoReturn

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Float, Float32, Int, UInt16
from nerfstudio.cameras.rays import RayBundle
from nerfstudio.data.datamanagers.base_datamanager import VanillaDataManager, VanillaDataManagerConfig
from nerfstudio.data.datasets.base_dataset import InputDataset
from nerfstudio.data.utils.dataloaders import FixedIndicesEvalDataloader, RandIndicesEvalDataloader
from nerfstudio.model_components.ray_generators import RayGenerator
from nerfstudio.utils.rich_utils import CONSOLE
from PIL import Image
from torch import Tensor

from resfields_ns.captures.large_arrays import make_rows
from resfields_ns.data.pixel_samplers import ForegroundBalancedPixels, PixelSampler, UniformPixels


class DynamicDataset(InputDataset):
    """A capture's images, each with `mask` and `depth` where there are any, at the size of its cameras.

    Only a part of each image counts where the capture has `crop_windows`, in pixels of the files.
    The alpha of an image is its mask where the capture names the image's own file as its mask.

    An item holds `image_idx`, `image` [H, W, 3] in 0..1 as in the file (alpha dropped), `mask` [H, W, 1] (true is
    foreground) and `depth` [H, W, 1]: the distance along the unit-length ray in normalised units, 0 for no reading.
    """

    exclude_batch_keys_from_device = ["image", "mask", "depth"]

    def get_numpy_image(self, image_idx: int) -> npt.NDArray[np.uint8]:
        """Return the image [H, W, 3], values 0 to 255."""
        channels = "RGBA" if self._has_mask_in_alpha(image_idx) else "RGB"
        with Image.open(self.image_filenames[image_idx]) as image:
            return np.array(self._resized(image.convert(channels), image_idx).convert("RGB"))

    def get_metadata(self, data: dict) -> dict:
        """Return the `mask` and `depth` of the item `data`, where the capture has them."""
        image_idx = data["image_idx"]
        items: dict[str, Tensor] = {}
        if self.metadata["mask_filenames"] is not None:
            items["mask"] = torch.from_numpy(self._mask(image_idx))[..., None]
        if self.metadata["depth_filenames"] is not None:
            items["depth"] = self._ray_depth(image_idx)[..., None]
        return items

    def load_arrays(self) -> dict[str, Tensor]:
        """Load all images as `image` uint8 [N, H, W, 3] and masks, where there are any, as `mask` bool [N, H, W].

        Raises ValueError if the masks leave no foreground at all.
        """
        shape = (len(self), *self._size(0))
        arrays = {"image": make_rows((*shape, 3), np.uint8, self.get_numpy_image, "Reading images")}
        if self.metadata["mask_filenames"] is not None:
            arrays["mask"] = make_rows(shape, np.bool_, self._mask, "Reading masks")
        if "mask" in arrays and not arrays["mask"].any():
            self._raise_no_foreground()
        return arrays

    def load_depth(self) -> UInt16[Tensor, "images height width"]:
        """Load all depth images as they are in the files; `depth_to_normalised` of the metadata makes them lengths."""
        return make_rows((len(self), *self._size(0)), np.uint16, self._stored_depth, "Reading depth")

    def _raise_no_foreground(self) -> NoReturn:
        folders = sorted({str(path.parent) for path in self.metadata["mask_filenames"]})
        threshold = self.metadata["mask_threshold"]
        raise ValueError(f"{', '.join(folders)}: expected foreground (mask above {threshold}), found none in any image")

    def _mask(self, image_idx: int) -> npt.NDArray[np.bool_]:
        with Image.open(self.metadata["mask_filenames"][image_idx]) as image:
            in_alpha = self._has_mask_in_alpha(image_idx)
            channel = image.convert("RGBA").getchannel("A") if in_alpha else image.convert("L")
            mask = np.array(self._resized(channel, image_idx))
        return mask > self.metadata["mask_threshold"]

    def _has_mask_in_alpha(self, image_idx: int) -> bool:
        """Whether the mask's file is the image itself; its alpha is the mask then."""
        masks = self.metadata["mask_filenames"]
        return masks is not None and masks[image_idx] == self.image_filenames[image_idx]

    def _ray_depth(self, image_idx: int) -> Float32[Tensor, "height width"]:
        depth = self._stored_depth(image_idx)
        normalised = torch.from_numpy(depth.astype(np.float32)) * self.metadata["depth_to_normalised"]
        if self.metadata["depth_kind"] == "z":
            normalised = normalised * self._ray_lengths(image_idx)
        return normalised

    def _stored_depth(self, image_idx: int) -> npt.NDArray[np.uint16]:
        with Image.open(self.metadata["depth_filenames"][image_idx]) as image:
            return _resized_depth(np.array(self._cropped(image, image_idx)), self._size(image_idx))

    def _ray_lengths(self, image_idx: int) -> Float32[Tensor, "height width"]:
        """Length of each pixel's ray where it crosses the plane z = 1."""
        camera = self.cameras[image_idx]
        height, width = self._size(image_idx)
        x = (torch.arange(width) + 0.5 - camera.cx) / camera.fx
        y = (torch.arange(height) + 0.5 - camera.cy) / camera.fy
        return (x**2 + y[:, None] ** 2 + 1.0).sqrt()

    def _resized(self, image: Image.Image, image_idx: int) -> Image.Image:
        height, width = self._size(image_idx)
        image = self._cropped(image, image_idx)
        if image.size == (width, height):
            return image
        return image.resize((width, height), resample=Image.Resampling.BILINEAR)

    def _cropped(self, image: Image.Image, image_idx: int) -> Image.Image:
        windows = self.metadata.get("crop_windows")
        if windows is None:
            return image
        window = windows[image_idx]
        return image.crop((window.left, window.top, window.left + window.width, window.top + window.height))

    def _size(self, image_idx: int) -> tuple[int, int]:
        """Height and width of the image's camera, which carries every scaling asked for."""
        return int(self.cameras.height[image_idx]), int(self.cameras.width[image_idx])


def _resized_depth(depth: npt.NDArray, size: tuple[int, int]) -> npt.NDArray[np.uint16]:
    """Depth values at (height, width) pixels; the nearest reading, since depths must not be mixed."""
    rows, columns = (
        ((np.arange(new) + 0.5) * old / new).astype(np.int64) for old, new in zip(depth.shape, size, strict=True)
    )
    return depth[rows[:, None], columns].astype(np.uint16)


@dataclass
class DynamicDataManagerConfig(VanillaDataManagerConfig):
    """Rays of a multi-view capture over time."""

    _target: type = field(default_factory=lambda: DynamicDataManager)
    train_num_rays_per_batch: int = 1100
    """Rays a training step (paper, A.4)."""
    eval_num_rays_per_batch: int = 1100
    """Rays of an evaluation batch."""
    frames_per_batch: int = 16
    """Frames that a training step looks at, equally often; few frames make long runs of one time, which are fast."""
    background_margin: float = 1.0
    """How far from the foreground, as a share of the longer image side, the background half of the rays may pass."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.frames_per_batch < 1:
            raise ValueError(f"datamanager.frames-per-batch: expected at least 1, got {self.frames_per_batch}")
        if not 0.0 < self.background_margin <= 1.0:
            raise ValueError(f"datamanager.background-margin: expected (0, 1], got {self.background_margin}")


class DynamicDataManager(VanillaDataManager[DynamicDataset]):
    """Training batches sorted by time, half of them on the foreground where the capture has masks."""

    config: DynamicDataManagerConfig

    def setup_train(self) -> None:
        """Load the training images and check that there is something to train on."""
        CONSOLE.print(f"Loading {len(self.train_dataset)} training images...")
        self.train_rays = RayBatches(self.train_dataset, self.config, self.device)

    def setup_eval(self) -> None:
        """Load the evaluation images."""
        CONSOLE.print(f"Loading {len(self.eval_dataset)} evaluation images...")
        self.eval_rays = RayBatches(self.eval_dataset, self.config, self.device)
        self.fixed_indices_eval_dataloader = FixedIndicesEvalDataloader(
            input_dataset=self.eval_dataset, device=self.device
        )
        self.eval_dataloader = RandIndicesEvalDataloader(input_dataset=self.eval_dataset, device=self.device)

    def next_train(self, step: int) -> tuple[RayBundle, dict[str, Tensor]]:
        """Rays and what the images hold at them: image [R, 3] in 0..1 and, with masks, mask [R] bool."""
        del step
        self.train_count += 1
        return self.train_rays.sample(self.config.train_num_rays_per_batch)

    def next_eval(self, step: int) -> tuple[RayBundle, dict[str, Tensor]]:
        """As `next_train`, from the evaluation images."""
        del step
        self.eval_count += 1
        return self.eval_rays.sample(self.config.eval_num_rays_per_batch)

    def get_train_rays_per_batch(self) -> int:
        """Rays a training step."""
        return self.config.train_num_rays_per_batch


class RayBatches:
    """Random rays of a dataset, sorted by time.

    Args:
        dataset: images, masks and cameras; held as bytes
        config: says how pixels are drawn
        device: where the rays go
    """

    def __init__(self, dataset: DynamicDataset, config: DynamicDataManagerConfig, device: torch.device | str) -> None:
        self.arrays = dataset.load_arrays()
        self.dataset = dataset
        self.frames_per_batch = config.frames_per_batch
        self.ray_generator = RayGenerator(dataset.cameras.to(device))
        self.device = device
        frame_index = dataset.metadata["frame_index"]
        self.pixels: PixelSampler = UniformPixels(frame_index, *self.arrays["image"].shape[1:3])
        if "mask" in self.arrays and not self.arrays["mask"].all():
            self.pixels = ForegroundBalancedPixels(self.arrays["mask"], frame_index, config.background_margin)

    def load_depth(self) -> None:
        """Let batches have the `depth` of their pixels: distances along the rays in normalised units, 0 for none."""
        self.arrays["depth"] = self.dataset.load_depth()

    def sample(self, count: int) -> tuple[RayBundle, dict[str, Tensor]]:
        """Draw rays and the values of their pixels."""
        indices = self.pixels.sample(self._draw_frames(count))
        image, row, column = indices.unbind(dim=-1)
        batch = {name: values[image, row, column] for name, values in self.arrays.items()}
        batch["image"] = batch["image"].float() / 255.0
        batch["indices"] = indices
        ray_bundle = self.ray_generator(indices.to(self.device))
        if "depth" in batch:
            batch["depth"] = self._distances(batch["depth"], ray_bundle)
        return ray_bundle, batch

    def _distances(self, stored: UInt16[Tensor, "rays"], ray_bundle: RayBundle) -> Float[Tensor, "rays"]:
        metadata = self.dataset.metadata
        depth = stored.to(self.device).float() * metadata["depth_to_normalised"]
        return depth * ray_bundle.metadata["directions_norm"][:, 0] if metadata["depth_kind"] == "z" else depth

    def _draw_frames(self, count: int) -> Int[Tensor, "rays"]:
        """The frame of each ray: few frames, each equally often, in order."""
        frames = self.pixels.frames
        chosen = frames[torch.randperm(len(frames))[: self.frames_per_batch].sort().values]
        return chosen[torch.arange(count) * len(chosen) // count]
