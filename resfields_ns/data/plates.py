"""Clean plates: what cameras that stand still see behind what moves.

Notation: a plate is known where it can be trusted, and unknown elsewhere.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Int, UInt8
from rich.progress import track
from torch import Tensor

from resfields_ns.captures.large_arrays import make_rows
from resfields_ns.captures.sequence import Capture

TOLERANCE = 10  # of 255: what noise and compression change
DIFFERENT = 20  # of 255: what neither noise nor faint shadows change
LEAST_SHARE = 0.75  # of frames, that agree
LEAST_FRAMES = 3
MOST_FRAMES = 40
_BAND = 64  # rows that a median is taken of at a time
_SAME_POSE = 1e-4  # normalised units
_SPECKS = np.ones((3, 3), np.uint8)
_HOLES = np.ones((7, 7), np.uint8)
_LONGER_SIDE = 480  # of the pictures that exposed frames are found in
_ALIKE = 6  # of 255: what noise changes in these
_WINDOW = 5  # pixels: the neighbourhood
_LEAST_NEIGHBOURS = 8  # known ones, of 25: a straight front has 10
_REACH = 0.02  # of the longer side


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

    def at(
        self, indices: Int[Tensor, "rays 3"], colours: Float[Tensor, "rays 3"], masked: Bool[Tensor, "rays"]
    ) -> dict[str, Tensor]:
        """What is `behind` pixels (image, row, column) that show some `colours`, in [0, 1].

        Where it is not `known`, it counts as what the pixel shows, as it may be seen or hidden. Where it is, it is
        `hidden` if the pixel is masked, see `masks`, and `seen` if it is not and shows the same.
        """
        image, row, column = indices.unbind(dim=-1)
        camera = self.camera_index[image]
        plates = self.colours[camera, row, column].float() / 255.0
        known = self.known[camera, row, column]
        difference = 255.0 * (colours - plates).abs().amax(dim=-1)
        hidden, seen = known & masked, known & ~masked & (difference <= TOLERANCE)
        return {"behind": torch.where(known[:, None], plates, colours), "known": known, "hidden": hidden, "seen": seen}

    def before(self, image: int, picture: UInt8[Tensor, "height width 3"]) -> Bool[np.ndarray, "height width"]:
        """Where an image, given its picture, may show something before the plate: unless it shows what is known."""
        camera = int(self.camera_index[image])
        difference = cv2.absdiff(picture.numpy(), self.colours[camera].numpy()).max(axis=-1)
        mask = ((difference > DIFFERENT) | ~self.known[camera].numpy()).astype(np.uint8)
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


def have_plates(capture: Capture) -> bool:
    """Whether all cameras of a capture have plates, see `check_plates`."""
    try:
        check_plates(capture)
    except ValueError:
        return False
    return True


def find_plates(capture: Capture, images: UInt8[Tensor, "images height width 3"]) -> Plates:
    """What was given of each camera, and else the median of the frames that show the background.

    It is known where it shows in some frames, three in four of which agree with the median.

    Args:
        capture: whose cameras stand still, see `check_plates`
        images: its images
    """
    names = capture.camera_names
    camera_index = torch.tensor([names.index(image.camera_name) for image in capture.images])
    colours = torch.zeros(len(names), *images.shape[1:], dtype=torch.uint8)
    known = torch.ones(colours.shape[:3], dtype=torch.bool)
    for camera in track(range(len(names)), "Finding plates", transient=True):
        chosen = (camera_index == camera).nonzero()[:, 0]
        first = capture.images[int(chosen[0])]
        if first.plate is None:
            pictures = images[_spread(chosen)]
            colours[camera], known[camera] = _median(pictures, torch.from_numpy(find_exposed(pictures.numpy())))
        else:
            plate = torch.from_numpy(first.read_plate())
            colours[camera, : plate.shape[0], : plate.shape[1]] = plate
    return Plates(colours, known, camera_index, tuple(names))


def _spread(indices: Int[Tensor, "images"]) -> Int[Tensor, "some"]:
    """Some of them, evenly spread."""
    count = min(len(indices), MOST_FRAMES)
    return indices[torch.linspace(0, len(indices) - 1, count).round().long()]


def find_exposed(pictures: UInt8[np.ndarray, "frames height width 3"]) -> Bool[np.ndarray, "frames height width"]:
    """Which frames of a camera that stands still show the background, of each pixel; none where that is unsure.

    Where nothing moves, all do. From there it is grown inwards: a pixel shows the background in most of the frames in
    which its neighbours do (as in the seams of Agarwala et al. 2004, "Interactive digital photomontage"), so it is the
    colour that these frames agree on. A subject that hides it for most of the time is not taken for it, as by a median
    over time, and what the subject never leaves is not reached.
    """
    block = -(-max(pictures.shape[1:3]) // _LONGER_SIDE)
    size = -(-pictures.shape[2] // block), -(-pictures.shape[1] // block)
    small = [cv2.resize(picture, size, interpolation=cv2.INTER_AREA) for picture in pictures]
    seen = np.stack(small, axis=2).astype(np.int16)
    differences = np.abs(seen - np.median(seen, axis=2, keepdims=True)).max(axis=-1)
    known = ~_swept(differences > TOLERANCE)
    exposed = known[..., None].repeat(len(pictures), axis=-1)
    while True:
        count = _count(known)
        rows, columns = np.nonzero(~known & (count >= _LEAST_NEIGHBOURS))
        weights = (_count(exposed)[rows, columns] / count[rows, columns, None]) ** 3
        colours = seen[rows, columns]
        alike = np.abs(colours[:, :, None] - colours[:, None]).max(axis=-1) <= _ALIKE
        support = (weights[:, None] * alike).sum(axis=-1)
        sure = support.max(axis=-1, initial=0.0) >= np.maximum(LEAST_FRAMES, LEAST_SHARE * weights.sum(axis=-1))
        if not sure.any():
            break
        rows, columns = rows[sure], columns[sure]
        known[rows, columns] = True
        exposed[rows, columns] = alike[sure, support[sure].argmax(axis=-1)]
    height, width = pictures.shape[1:3]
    return np.moveaxis(exposed, -1, 0).repeat(block, axis=1).repeat(block, axis=2)[:, :height, :width]


def _count(marks: Bool[np.ndarray, "*shape"]) -> Float32[np.ndarray, "*shape"]:
    """How many pixels of the window around each are marked."""
    return cv2.boxFilter(marks.astype(np.float32), -1, (_WINDOW, _WINDOW), normalize=False)


def _swept(moving: Bool[np.ndarray, "height width frames"]) -> Bool[np.ndarray, "height width"]:
    """Where something moves in more than one frame, with what it encloses and its surroundings."""
    swept = (moving.sum(axis=-1) > 1).astype(np.uint8)
    swept = cv2.morphologyEx(swept, cv2.MORPH_OPEN, _SPECKS)
    reach = max(1, round(_REACH * max(swept.shape)))
    swept = cv2.morphologyEx(swept, cv2.MORPH_CLOSE, np.ones((2 * reach + 1, 2 * reach + 1), np.uint8))
    swept = cv2.dilate(swept, _SPECKS)
    _, labels = cv2.connectedComponents(1 - swept, connectivity=4)
    at_border = np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])
    return (swept > 0) | ~np.isin(labels, at_border)


def _median(
    pictures: UInt8[Tensor, "frames height width 3"], exposed: Bool[Tensor, "frames height width"]
) -> tuple[UInt8[Tensor, "height width 3"], Bool[Tensor, "height width"]]:
    """The median of the exposed frames, and where enough of these are within the tolerance of it."""
    medians, shares = [], []
    for band, shown in zip(pictures.split(_BAND, dim=1), exposed.split(_BAND, dim=1), strict=True):
        colours = torch.where(shown[..., None], band.float(), torch.nan)
        median = colours.nanmedian(dim=0).values
        difference = (colours - median).abs().amax(dim=-1)
        medians.append(median.nan_to_num().to(torch.uint8))
        shares.append((difference <= TOLERANCE).sum(dim=0) / shown.sum(dim=0).clamp(min=1))
    return torch.cat(medians), torch.cat(shares) >= LEAST_SHARE
