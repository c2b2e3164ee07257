"""Frames of a video."""

import numpy as np
import numpy.typing as npt
from nerfstudio.data.datasets.base_dataset import InputDataset
from torch import Tensor

from resfields_ns.data.clips.hold_out import HoldOut
from resfields_ns.data.clips.pixels import ClipPixels


class VideoDataset(InputDataset):
    """Frames of a video as images; an item also says which of its pixels are held out from training.

    An item holds `image_idx`, `image` [H, W, 3] in 0..1 and `held_out` [H, W].
    """

    @property
    def pixels(self) -> ClipPixels:
        """All frames of the video."""
        return self.metadata["pixels"]

    @property
    def hold_out(self) -> HoldOut:
        """What of them is held out."""
        return self.metadata["hold_out"]

    def get_numpy_image(self, image_idx: int) -> npt.NDArray[np.uint8]:
        """Return the image [H, W, 3], values 0 to 255."""
        return self.pixels.array[self._frame(image_idx)].numpy()

    def get_metadata(self, data: dict) -> dict[str, Tensor]:
        """Return `held_out` of the item `data`."""
        mask = self.hold_out.mask(self._frame(data["image_idx"]))
        return {"held_out": mask.view(self.pixels.height, self.pixels.width)}

    def _frame(self, image_idx: int) -> int:
        return int(self.metadata["frame_index"][image_idx])
