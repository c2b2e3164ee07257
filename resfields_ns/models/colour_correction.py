"""How the colours of cameras differ: exposure, gain and white balance, as a linear map of colours for each camera.

Notation: a corrected colour is A c + b, of a colour c in [0, 1] as pictures hold it. A is diagonal for the kind "gain",
any 3 x 3 matrix for "affine". Under a curve v = L^(1 / 2.2) a difference of s stops is a gain of 2^(s / 2.2).
"""

from dataclasses import dataclass
from typing import Any, Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

Kind = Literal["gain", "affine"]


@dataclass(frozen=True, eq=False)
class Correction:
    """A linear map of colours, or one for each of several colours.

    Args:
        matrix: A
        offset: b
    """

    matrix: Float[Tensor, "*colours 3 3"]
    offset: Float[Tensor, "*colours 3"]

    def __call__(self, rgb: Float[Tensor, "*colours 3"]) -> Float[Tensor, "*colours 3"]:
        """The corrected colours."""
        return (self.matrix * rgb[..., None, :]).sum(dim=-1) + self.offset


def fit_correction(kind: Kind, rgb: Float[Tensor, "pixels 3"], target: Float[Tensor, "pixels 3"]) -> Correction:
    """The correction of colours that comes closest to others, by least squares.

    Where colours are too alike to tell, it is the one nearest to none.
    """
    colours, difference = rgb.double().cpu(), (target - rgb).double().cpu()
    ones = torch.ones_like(colours[:, :1])
    if kind == "gain":
        channels = torch.stack((colours.T, ones.T.expand_as(colours.T)), dim=-1)
        gain, offset = _least_squares(channels, difference.T[..., None])[..., 0].unbind(dim=-1)
        matrix = gain.diag()
    else:
        solution = _least_squares(torch.cat((colours, ones), dim=1), difference)
        matrix, offset = solution[:3].T, solution[3]
    return Correction((torch.eye(3) + matrix).to(rgb), offset.to(rgb))


def _least_squares(
    factors: Float[Tensor, "*batch pixels unknowns"], values: Float[Tensor, "*batch pixels columns"]
) -> Float[Tensor, "*batch unknowns columns"]:
    """Of all best solutions the smallest."""
    return torch.linalg.lstsq(factors, values, driver="gelsd").solution


class ColourCorrection(nn.Module):
    """A correction for each of several cameras, to be learned; that of the first camera stays the identity.

    Args:
        kind: of the corrections, which start as the identity
        cameras: name of the camera of every image
    """

    cameras: Int[Tensor, "images"]

    def __init__(self, kind: Kind, cameras: list[str]) -> None:
        super().__init__()
        self.kind: Kind = kind
        self.names = list(dict.fromkeys(cameras))
        self.register_buffer("cameras", torch.tensor([self.names.index(name) for name in cameras]), persistent=False)
        others = len(self.names) - 1
        self.gain = nn.Parameter(torch.zeros(others, 3, *(() if kind == "gain" else (3,))))
        """What is added to the identity, for all cameras but the first."""
        self.offset = nn.Parameter(torch.zeros(others, 3))

    def forward(self, rgb: Float[Tensor, "rays 3"], images: Int[Tensor, "rays"]) -> Float[Tensor, "rays 3"]:
        """Colours as the cameras of some images show them."""
        corrections = self.corrections
        cameras = self.cameras.index_select(0, images)
        of_rays = (part.index_select(0, cameras) for part in (corrections.matrix, corrections.offset))
        return Correction(*of_rays)(rgb)

    @property
    def corrections(self) -> Correction:
        """Those of all cameras."""
        gain = torch.diag_embed(self.gain) if self.kind == "gain" else self.gain
        identity = torch.eye(3, device=gain.device)
        return Correction(
            torch.cat((identity[None], identity + gain)), torch.cat((torch.zeros_like(identity[:1]), self.offset))
        )

    def by_camera(self) -> dict[str, dict[str, Any]]:
        """Every camera's `matrix` and `offset`, as lists."""
        matrices, offsets = (part.tolist() for part in (self.corrections.matrix, self.corrections.offset))
        return {
            name: {"matrix": matrix, "offset": offset}
            for name, matrix, offset in zip(self.names, matrices, offsets, strict=True)
        }
