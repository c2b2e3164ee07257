"""Decoded pictures as a player shows them: upright, in RGB, without transparency.

Notation: a display matrix [[a, b], [c, d]] shows the pixel (x, y) at (a x + c y, b x + d y), but for a shift.
"""

from typing import Any, Literal

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from resfields_ns.captures.image_files import rgb_picture

_ONE = 1 << 16  # of the matrix's fixed-point numbers


def shown_size(frame: Any, name: str) -> tuple[int, int]:
    """(width, height) of a frame, as PyAV decodes it, once it is upright; `name` says in errors whose it is."""
    is_swapped = _orientation(frame, name)[0]
    return (frame.height, frame.width) if is_swapped else (frame.width, frame.height)


def shown_pixels(frame: Any, name: str) -> UInt8[np.ndarray, "height width 3"]:
    """The pixels of a frame, as PyAV decodes it: upright, in RGB, transparency laid over white."""
    if pixel_mode(frame.format) == "RGBA":
        pixels = rgb_picture(Image.fromarray(frame.to_ndarray(format="rgba")))
    else:
        pixels = frame.to_ndarray(format="rgb24")
    is_swapped, across, down = _orientation(frame, name)
    if is_swapped:
        pixels = pixels.swapaxes(0, 1)
    return np.ascontiguousarray(pixels[::down, ::across])


def pixel_mode(pixels: Any) -> Literal["L", "RGB", "RGBA"]:
    """Pillow's name for PyAV's pixel format: L is gray, RGBA has an alpha channel."""
    if pixels.has_palette:
        return "RGB"
    if any(component.is_alpha for component in pixels.components):
        return "RGBA"
    return "L" if len(pixels.components) == 1 else "RGB"


def _orientation(frame: Any, name: str) -> tuple[bool, int, int]:
    """Whether columns become rows, and the steps (1 or -1) across and down that are then taken.

    Raises ValueError if a picture is turned by anything but quarters.
    """
    matrix = next((bytes(data) for data in frame.side_data if data.type.name == "DISPLAYMATRIX"), None)
    if matrix is None:
        return False, 1, 1
    (a, b, _), (c, d, _) = np.frombuffer(matrix, dtype="=i4").reshape(3, 3)[:2].tolist()
    if (b, c) == (0, 0) and abs(a) == abs(d) == _ONE:
        return False, a // _ONE, d // _ONE
    if (a, d) == (0, 0) and abs(b) == abs(c) == _ONE:
        return True, c // _ONE, b // _ONE
    raise ValueError(f"{name}: expected pictures turned by 0, 90, 180 or 270 degrees, found {frame.rotation}")
