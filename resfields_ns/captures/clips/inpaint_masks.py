"""Masks of what is to be filled in: a picture for all frames, a folder with one a frame, or a video."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from jaxtyping import Bool
from PIL import Image

from resfields_ns.captures.clips.footage import Footage, PictureFootage, open_footage
from resfields_ns.captures.image_files import read_mask

_THRESHOLD = 127  # a mask's value above it is to be filled in


def read_inpaint_masks(
    path: Path, clip: Footage, frames: list[int], height: int, width: int
) -> Iterator[Bool[np.ndarray, "height width"]]:
    """Which pixels of frames of a clip, made smaller to height x width, are to be filled in: white of the mask.

    A pixel that a masked one has part in is masked. Raises ValueError if the masks are of another size or number.
    """
    masks = open_footage(path)
    check_fits(masks, clip, "--inpaint")
    one = masks.num_frames == 1
    chosen = [0] if one else frames
    if isinstance(masks, PictureFootage):
        values = (read_mask(masks.files[frame]) for frame in chosen)
    else:
        values = (picture.max(axis=-1) for picture in masks.pictures(chosen))
    found = (_resized(value > _THRESHOLD, height, width) for value in values)
    return (mask for mask in [next(found)] * len(frames)) if one else found


def check_fits(other: Footage, clip: Footage, option: str) -> None:
    """Raise ValueError, which names an option, if footage beside a clip is of another size or number of frames."""
    if other.size != clip.size:
        (width, height), (expected_width, expected_height) = other.size, clip.size
        raise ValueError(
            f"{option}: expected {expected_width}x{expected_height} pixels as {clip.path} has, found {width}x{height} "
            f"in {other.path}"
        )
    if other.num_frames not in (1, clip.num_frames):
        expected = "one frame" if clip.num_frames == 1 else f"one frame, or {clip.num_frames} as {clip.path} has"
        raise ValueError(f"{option}: expected {expected}, found {other.num_frames} in {other.path}")


def _resized(mask: Bool[np.ndarray, "rows columns"], height: int, width: int) -> Bool[np.ndarray, "height width"]:
    if mask.shape == (height, width):
        return mask
    picture = Image.fromarray(mask.astype(np.uint8) * 255)
    return np.array(picture.resize((width, height), resample=Image.Resampling.BILINEAR)) > 0
