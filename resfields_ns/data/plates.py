"""Clean plates: what cameras that stand still see behind what moves.

Notation: a plate is known where it can be trusted, and unknown elsewhere.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor

from resfields_ns.captures.large_arrays import make_rows
from resfields_ns.captures.sequence import Capture

TOLERANCE = 10  # of 255: what noise and compression change
HIDDEN = 30  # of 255: what neither noise nor faint shadows change
LEAST_SHARE = 0.75  # of the frames
LEAST_FRAMES = 3
MOST_FRAMES = 60
_BAND = 64  # rows that a median is taken of at a time
_SAME_POSE = 1e-4  # normalised units
_SPECKS = np.ones((3, 3), np.uint8)
_HOLES = np.ones((7, 7), np.uint8)


@dataclass(frozen=True, eq=False)
class Plates:
    """The plates of a capture's cameras, padded at the right and below as its images are.

    Args:
        colours: of each camera
        known: where they can be trusted
        camera_index: which camera took each image of the capture
        names: of the cameras
    """

    colours: UInt8[Tensor, "cameras height width 3"]
    known: Bool[Tensor, "cameras height width"]
    camera_index: Int[Tensor, "images"]
    names: tuple[str, ...]

    def at(self, indices: Int[Tensor, "rays 3"], colours: Float[Tensor, "rays 3"]) -> dict[str, Tensor]:
        """What is `behind` pixels (image, row, column) that show some `colours`, in [0, 1].

        Where it is not `known`, it counts as what the pixel shows, as it may be seen or hidden. It is `hidden`
        where the pixel surely shows something else, and `seen` where it does not.
        """
        image, row, column = indices.unbind(dim=-1)
        camera = self.camera_index[image]
        plates = self.colours[camera, row, column].float() / 255.0
        known = self.known[camera, row, column]
        difference = 255.0 * (colours - plates).abs().amax(dim=-1)
        hidden, seen = known & (difference > HIDDEN), known & (difference <= TOLERANCE)
        return {"behind": torch.where(known[:, None], plates, colours), "known": known, "hidden": hidden, "seen": seen}

    def before(self, image: int, picture: UInt8[Tensor, "height width 3"]) -> Bool[np.ndarray, "height width"]:
        """Where an image, given its picture, may show something before the plate: unless it shows what is known."""
        camera = int(self.camera_index[image])
        difference = cv2.absdiff(picture.numpy(), self.colours[camera].numpy()).max(axis=-1)
        mask = ((difference > TOLERANCE) | ~self.known[camera].numpy()).astype(np.uint8)
        mask = cv2.morphologyEx(mask, cv2.MORPH_OPEN, _SPECKS)
        return cv2.morphologyEx(mask, cv2.MORPH_CLOSE, _HOLES).astype(bool)

    def masks(self, images: UInt8[Tensor, "images height width 3"]) -> Bool[Tensor, "images height width"]:
        """`before` of all images."""
        shape = tuple(images.shape[:3])
        return make_rows(shape, np.bool_, lambda index: self.before(index, images[index]), "Comparing with plates")

    def report(self) -> Iterator[str]:
        """A line for each camera, how much of its plate is known."""
        for name, known in zip(self.names, self.known, strict=True):
            yield f"Plate of {name}: known in {100.0 * known.float().mean():.1f} % of the image"


def check_plates(capture: Capture) -> None:
    """Raise ValueError for cameras that have no plates: one moves, or has no file and too few frames for a median."""
    expected = "--pipeline.model.background plate: expected cameras that stand still"
    for name in capture.camera_names:
        images = [image for image in capture.images if image.camera_name == name]
        first = images[0]
        for image in images:
            if not np.allclose(image.camera.pose, first.camera.pose, atol=_SAME_POSE):
                raise ValueError(f"{expected}, found {name} moving between {first.file} and {image.file}: choose field")
        if first.plate is None and len(images) < LEAST_FRAMES:
            raise ValueError(f"{expected} in {LEAST_FRAMES} frames or more, found {len(images)} of {name}")


def find_plates(capture: Capture, images: UInt8[Tensor, "images height width 3"]) -> Plates:
    """What was given of each camera, and else the median over time, known where three in four frames agree with it.

    Args:
        capture: whose cameras stand still, see `check_plates`
        images: its images
    """
    names = capture.camera_names
    camera_index = torch.tensor([names.index(image.camera_name) for image in capture.images])
    colours = torch.zeros(len(names), *images.shape[1:], dtype=torch.uint8)
    known = torch.ones(colours.shape[:3], dtype=torch.bool)
    for camera in range(len(names)):
        chosen = (camera_index == camera).nonzero()[:, 0]
        first = capture.images[int(chosen[0])]
        if first.plate is None:
            colours[camera], known[camera] = _median(images[_spread(chosen)])
        else:
            plate = torch.from_numpy(first.read_plate())
            colours[camera, : plate.shape[0], : plate.shape[1]] = plate
    return Plates(colours, known, camera_index, tuple(names))


def _spread(indices: Int[Tensor, "images"]) -> Int[Tensor, "some"]:
    """Some of them, evenly spread."""
    count = min(len(indices), MOST_FRAMES)
    return indices[torch.linspace(0, len(indices) - 1, count).round().long()]


def _median(
    pictures: UInt8[Tensor, "frames height width 3"],
) -> tuple[UInt8[Tensor, "height width 3"], Bool[Tensor, "height width"]]:
    """The median, and where enough frames are within the tolerance of it."""
    medians, shares = [], []
    for band in pictures.split(_BAND, dim=1):
        median = band.median(dim=0).values
        difference = (band.short() - median.short()).abs().amax(dim=-1)
        medians.append(median)
        shares.append((difference <= TOLERANCE).float().mean(dim=0))
    return torch.cat(medians), torch.cat(shares) >= LEAST_SHARE
