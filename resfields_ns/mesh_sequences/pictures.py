"""Reading textures."""

from io import BytesIO
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image, UnidentifiedImageError

SUFFIXES = (".png", ".jpg", ".jpeg")


def read_picture(source: Path | BytesIO, name: str) -> UInt8[np.ndarray, "height width 3"]:
    """Colours of an image; `name` says in errors which one it is. Transparency is dropped."""
    try:
        with Image.open(source) as image:
            return picture_pixels(image, name)
    except (UnidentifiedImageError, Image.DecompressionBombError, OSError) as error:
        raise _unreadable(name, error) from None


def picture_pixels(image: Image.Image, name: str) -> UInt8[np.ndarray, "height width 3"]:
    """Colours of an image that is open; its pixels may still have to be read."""
    try:
        return np.array(image.convert("RGB"))
    except (OSError, SyntaxError) as error:
        raise _unreadable(name, error) from None


def picture_beside(path: Path) -> Path | None:
    """The image of the same name in the same folder, if there is one."""
    candidates = (path.with_suffix(suffix) for suffix in SUFFIXES)
    return next((candidate for candidate in candidates if candidate.is_file()), None)


def _unreadable(name: str, error: Exception) -> ValueError:
    return ValueError(f"{name}: expected a texture image, found one that cannot be read ({error})")
