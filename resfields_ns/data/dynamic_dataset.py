"""Images of a capture, as nerfstudio's datasets have them, and all of them in arrays.

Images of different sizes lie at the upper left of an array's rows, with zeros beside and below.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Float32, UInt16
from nerfstudio.data.datasets.base_dataset import InputDataset
from torch import Tensor

from resfields_ns.captures.large_arrays import make_rows
from resfields_ns.captures.sequence import Capture
from resfields_ns.host.dataparsing import sequence_of


class DynamicDataset(InputDataset):
    """A capture's images, each with `mask` and `depth` where there are any, at the size of its cameras.

    An item holds `image_idx`, `image` [H, W, 3] in 0..1 as in the file (alpha dropped), `mask` [H, W, 1] (true is
    foreground) and `depth` [H, W, 1]: the distance along the unit-length ray in normalised units, 0 for no reading.
    """

    exclude_batch_keys_from_device = ["image", "mask", "depth"]

    @property
    def capture(self) -> Capture:
        """What the images are of."""
        return sequence_of(self, Capture)

    def get_numpy_image(self, image_idx: int) -> npt.NDArray[np.uint8]:
        """Return the image [H, W, 3], values 0 to 255."""
        return self.capture.images[image_idx].read_colours()

    def get_metadata(self, data: dict) -> dict:
        """Return the `mask` and `depth` of the item `data`, where the capture has them."""
        capture = self.capture
        image = capture.images[data["image_idx"]]
        items: dict[str, Tensor] = {}
        if capture.has_masks:
            items["mask"] = torch.from_numpy(capture.foreground(image))[..., None]
        if capture.has_depth:
            items["depth"] = torch.from_numpy(capture.distances(image))[..., None]
        return items

    def load_arrays(self) -> dict[str, Tensor]:
        """Load all images as `image` uint8 [N, H, W, 3] and masks, where there are any, as `mask` bool [N, H, W].

        Raises ValueError if the masks leave no foreground at all.
        """
        capture, images = self.capture, self.capture.images
        arrays = {"image": self._load(np.uint8, self.get_numpy_image, "Reading images", (3,))}
        if capture.has_masks:
            arrays["mask"] = self._load(np.bool_, lambda index: capture.foreground(images[index]), "Reading masks")
            if not arrays["mask"].any():
                folders = ", ".join(sorted({str(image.mask.parent) for image in images if image.mask is not None}))
                raise ValueError(
                    f"{folders}: expected foreground (mask above {capture.mask_threshold}), found none in any image"
                )
        return arrays

    def load_depth(self) -> UInt16[Tensor, "images height width"] | Float32[Tensor, "images height width"]:
        """Load all depth images as they are in the files; `Capture.ray_distances` makes them lengths."""
        images = self.capture.images
        kind = np.float32 if self.capture.holds_floats else np.uint16
        return self._load(kind, lambda index: images[index].read_depth(), "Reading depth")

    def _load(
        self,
        kind: type[np.generic],
        read: Callable[[int], npt.NDArray],
        description: str,
        channels: tuple[int, ...] = (),
    ) -> Tensor:
        shape = (int(self.cameras.height.max()), int(self.cameras.width.max()), *channels)

        def read_row(index: int) -> npt.NDArray:
            pixels = read(index)
            if pixels.shape == shape:
                return pixels
            row = np.zeros(shape, kind)
            row[: pixels.shape[0], : pixels.shape[1]] = pixels
            return row

        return make_rows((len(self), *shape), kind, read_row, description)
