"""Images of a multi-view capture over time, with foreground masks and depth where the capture has them."""

from typing import NoReturn

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Float32, UInt16
from nerfstudio.data.datasets.base_dataset import InputDataset
from PIL import Image
from torch import Tensor

from resfields_ns.captures.large_arrays import make_rows


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
