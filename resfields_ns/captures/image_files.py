"""Listing the frames of a camera's folders, checking image files by their headers alone, and images as RGB."""

from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image, UnidentifiedImageError

_SUFFIXES = {".png", ".jpg", ".jpeg"}
_SIXTEEN_BIT_MODES = {"I;16", "I;16B", "I"}
_OTHER_DEEP_MODES = {"I;16L", "I;16N", "F"}


def list_frames(folder: Path) -> dict[str, Path]:
    """Return the folder's png and jpg files by frame name (file name without suffix), in sorted order.

    Raises ValueError if the folder is missing or empty, or two files are the same frame.
    """
    if not folder.is_dir():
        raise ValueError(f"{folder}: expected a folder of png or jpg images, found no such folder")
    frames: dict[str, Path] = {}
    for path in sorted(path for path in folder.iterdir() if path.suffix.lower() in _SUFFIXES):
        if path.stem in frames:
            raise ValueError(f"{folder}: expected one file for each frame, found {frames[path.stem].name}, {path.name}")
        frames[path.stem] = path
    if not frames:
        raise ValueError(f"{folder}: expected png or jpg images, found none")
    return frames


def check_same_frames(frames: dict[str, Path], folder: Path, expected: list[str]) -> None:
    """Raise ValueError if the frames found in `folder` are not exactly the `expected` ones."""
    missing = [name for name in expected if name not in frames]
    if missing:
        raise ValueError(
            f"{folder}: expected the {len(expected)} frames that the capture has, "
            f"found {len(frames)}: frame {missing[0]!r} is missing"
        )
    surplus = sorted(frames.keys() - set(expected))
    if surplus:
        raise ValueError(
            f"{folder}: expected the {len(expected)} frames that the images have, "
            f"found {len(frames)}: frame {surplus[0]!r} has no image"
        )


def image_size(path: Path) -> tuple[int, int]:
    """Return (width, height) of an 8-bit image from its header."""
    size, mode = _header(path)
    if mode in _SIXTEEN_BIT_MODES | _OTHER_DEEP_MODES:
        raise ValueError(f"{path}: expected an 8-bit image, found mode {mode!r}")
    return size


def depth_size(path: Path) -> tuple[int, int]:
    """Return (width, height) of a 16-bit greyscale image from its header."""
    size, mode = _header(path)
    if mode not in _SIXTEEN_BIT_MODES:
        raise ValueError(f"{path}: expected a 16-bit greyscale depth image, found mode {mode!r} (8 bits or colour)")
    return size


def rgb_picture(image: Image.Image) -> UInt8[np.ndarray, "height width 3"]:
    """An image of 8 bits a channel as RGB; gray repeated in three channels, transparency laid over white."""
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        return np.array(Image.alpha_composite(Image.new("RGBA", image.size, "white"), rgba).convert("RGB"))
    return np.array(image.convert("RGB"))


def check_size(path: Path, size: tuple[int, int], expected: tuple[int, int], reference: str) -> None:
    """Raise ValueError if an image's (width, height) is not that of `reference`."""
    if size != expected:
        raise ValueError(
            f"{path}: expected {expected[0]}x{expected[1]} pixels as {reference}, found {size[0]}x{size[1]}"
        )


def _header(path: Path) -> tuple[tuple[int, int], str]:
    try:
        with Image.open(path) as image:
            return image.size, image.mode
    except (UnidentifiedImageError, Image.DecompressionBombError, OSError) as error:
        raise ValueError(f"{path}: expected an image, found a file that cannot be read ({error})") from None
