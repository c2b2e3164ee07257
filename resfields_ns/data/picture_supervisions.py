"""What is known of a picture at its pixels, and how a field is compared with it: its colours, or their derivatives.

Derivatives are per pixel (`functional/picture_derivatives.py`); those of the field are exact. They leave a constant
open in every frame: its mean colour is given.
"""

from abc import ABC, abstractmethod
from typing import ClassVar

import torch
from jaxtyping import Float, Int
from torch import Tensor

from resfields_ns.captures.clips.clip_pixels import ClipPixels
from resfields_ns.functional.picture_derivatives import (
    mixed_gradients,
    on_edge,
    picture_gradients,
    picture_laplacians,
)
from resfields_ns.functional.shares import mean_of_rows

MEAN_WEIGHT = 0.01  # beside derivatives


class PictureSupervision(ABC):
    """What is known of a clip's pixels.

    Args:
        pixels: of the clip
        blended: of a clip that is blended into it, of the same size, with as many frames or one for all
    """

    order: ClassVar[int]
    """Of the highest derivative of the field that is compared."""

    def __init__(self, pixels: ClipPixels, blended: ClipPixels | None = None) -> None:
        self.pixels = pixels
        self.blended = blended

    @abstractmethod
    def known(
        self, frames: Int[Tensor, "points"], rows: Int[Tensor, "points"], columns: Int[Tensor, "points"]
    ) -> dict[str, Tensor]:
        """What is known at pixels of frames, by name."""

    @abstractmethod
    def losses(self, outputs: dict[str, Tensor], known: dict[str, Tensor]) -> dict[str, Float[Tensor, ""]]:
        """The terms of the loss of a field's `rgb` [N, 3] and, as far as `order` asks for them, its derivatives per
        pixel along each axis, `first` and `second` [N, 3, 2]."""

    def colours(
        self, frames: Int[Tensor, "points"], rows: Int[Tensor, "points"], columns: Int[Tensor, "points"]
    ) -> Float[Tensor, "points 3"]:
        """Colours in 0..1; the chosen pixels alone become floats."""
        return _colours(self.pixels, frames, rows, columns)

    def gradients(
        self, frames: Int[Tensor, "points"], rows: Int[Tensor, "points"], columns: Int[Tensor, "points"]
    ) -> Float[Tensor, "points 3 2"]:
        """The gradients, where two clips are blended the stronger ones."""
        size = self.pixels.height, self.pixels.width
        own = picture_gradients(lambda r, c: self.colours(frames, r, c), rows, columns, *size)
        if (other := self.blended) is None:
            return own
        there = frames if len(other.frames) > 1 else torch.zeros_like(frames)
        return mixed_gradients(own, picture_gradients(lambda r, c: _colours(other, there, r, c), rows, columns, *size))

    def _mean(self, frames: Int[Tensor, "points"]) -> dict[str, Tensor]:
        chosen, inverse = frames.unique(return_inverse=True)
        means = [self.pixels.array[frame].flatten(end_dim=1).double().mean(dim=0) for frame in chosen]
        return {"mean": torch.stack(means)[inverse].float() / 255.0}


class Values(PictureSupervision):
    """The colours, compared by their mean squared error (paper, 4.1)."""

    order = 0

    def known(
        self, frames: Int[Tensor, "points"], rows: Int[Tensor, "points"], columns: Int[Tensor, "points"]
    ) -> dict[str, Tensor]:
        """`image`."""
        return {"image": self.colours(frames, rows, columns)}

    def losses(self, outputs: dict[str, Tensor], known: dict[str, Tensor]) -> dict[str, Float[Tensor, ""]]:
        """Of colours."""
        return {"colour": mean_of_rows((outputs["rgb"] - known["image"]).square())}


class Gradients(PictureSupervision):
    """The gradients alone: Poisson's equation (Sitzmann et al. 2020b, 4.1), and the mean colour of every frame."""

    order = 1

    def known(
        self, frames: Int[Tensor, "points"], rows: Int[Tensor, "points"], columns: Int[Tensor, "points"]
    ) -> dict[str, Tensor]:
        """`gradients` and `mean`."""
        return {"gradients": self.gradients(frames, rows, columns), **self._mean(frames)}

    def losses(self, outputs: dict[str, Tensor], known: dict[str, Tensor]) -> dict[str, Float[Tensor, ""]]:
        """Of gradients, and of the mean colour."""
        error = (outputs["first"] - known["gradients"]).square()
        return {"gradient": mean_of_rows(error), "mean": mean_colour_loss(outputs["rgb"], known["mean"])}


class Laplacians(PictureSupervision):
    """The Laplacian alone, the gradients at the edges as its boundary condition, and the mean colour of every frame."""

    order = 2

    def known(
        self, frames: Int[Tensor, "points"], rows: Int[Tensor, "points"], columns: Int[Tensor, "points"]
    ) -> dict[str, Tensor]:
        """`laplacians`, `gradients`, `edge` and `mean`."""
        size = self.pixels.height, self.pixels.width
        return {
            "laplacians": picture_laplacians(lambda r, c: self.colours(frames, r, c), rows, columns, *size),
            "gradients": self.gradients(frames, rows, columns),
            "edge": on_edge(rows, columns, *size),
            **self._mean(frames),
        }

    def losses(self, outputs: dict[str, Tensor], known: dict[str, Tensor]) -> dict[str, Float[Tensor, ""]]:
        """Of Laplacians within, of gradients at the edges, and of the mean colour."""
        error = (outputs["second"].sum(dim=-1) - known["laplacians"]).square().mean(dim=-1)
        at_edge = (outputs["first"] - known["gradients"]).square().mean(dim=(-2, -1))
        return {
            "laplacian": mean_of_rows(error, ~known["edge"]),
            "edge_gradient": mean_of_rows(at_edge, known["edge"]),
            "mean": mean_colour_loss(outputs["rgb"], known["mean"]),
        }


def mean_colour_loss(rgb: Float[Tensor, "points 3"], mean: Float[Tensor, "points 3"]) -> Float[Tensor, ""]:
    """How far the mean colour of random points of each frame is from its own, squared and weighted.

    The mean product of two consecutive points' deviations: as points are independent, it expects the square of the
    mean's, which no row knows by itself.
    """
    deviation = rgb - mean
    return MEAN_WEIGHT * mean_of_rows(deviation * deviation.roll(1, dims=0))


def _colours(pixels: ClipPixels, frames: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    return pixels.array[frames, rows, columns].float() / 255.0


PICTURE_SUPERVISIONS: dict[str, type[PictureSupervision]] = {
    "values": Values,
    "gradients": Gradients,
    "laplacians": Laplacians,
}
