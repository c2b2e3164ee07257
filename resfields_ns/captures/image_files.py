"""Image files as cameras, phones and editors write them: listed, checked by their headers alone, and read.

Pictures are upright: turned as their EXIF orientation tells, as calibrations see them.
"""

from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager
from io import BytesIO
from pathlib import Path

import numpy as np
from jaxtyping import Float32, Shaped, UInt8, UInt16
from PIL import ExifTags, Image, ImageOps

from resfields_ns.captures.array_files import map_array
from resfields_ns.captures.untrusted import blamed
from resfields_ns.files import list_folder

PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg")
_DEPTH_SUFFIXES = (*PICTURE_SUFFIXES, ".tif", ".tiff", ".npy")
_SIXTEEN_BIT_MODES = {"I;16", "I;16B", "I;16L", "I;16N", "I"}
_FLOAT_MODE = "F"
_MOST_COUNTS = 65535


_FORMATS = ("PNG", "JPEG")
_DEPTH_FORMATS = (*_FORMATS, "TIFF")
_MOST_PIXELS = 100_000_000
_MOST_PIXELS_PER_BYTE = 2000  # PNG and JPEG compress a picture of one colour less


@contextmanager
def open_image(
    source: Path | BytesIO,
    name: str | None = None,
    expected: str = "an image",
    found: str = "a file that cannot be read",
) -> Iterator[Image.Image]:
    """An image file, or its content, as Pillow opens it: PNG, JPEG or, where a file is called so, TIFF.

    The content tells the format, and Pillow knows others, of which one starts a program (EPS). Raises ValueError, also
    for what is found in the block when pixels are read; it begins with `name`, by default the path, if the file is
    none, is broken, or has too many pixels for its bytes or for memory.
    """
    name = name or str(source)
    is_tiff = isinstance(source, Path) and source.suffix.lower() in (".tif", ".tiff")
    with ExitStack() as opened:
        opened.enter_context(blamed(name, expected, found))
        if isinstance(source, Path) and source.exists() and not source.is_file():
            raise ValueError("it is a folder, a pipe or a device")
        image = opened.enter_context(Image.open(source, formats=_DEPTH_FORMATS if is_tiff else _FORMATS))
        size = source.stat().st_size if isinstance(source, Path) else source.getbuffer().nbytes
        if image.width * image.height > min(_MOST_PIXELS, _MOST_PIXELS_PER_BYTE * size):
            raise ValueError(f"{image.width}x{image.height} pixels in {size} bytes")
        yield image


def list_frames(folder: Path) -> dict[str, Path]:
    """Return the folder's png and jpg files by frame name (file name without suffix), in natural order.

    Raises ValueError if the folder is missing or empty, or two files are the same frame.
    """
    return _list_frames(folder, PICTURE_SUFFIXES)


def list_depths(folder: Path) -> dict[str, Path]:
    """As `list_frames`, of depth images, which may be tiff and npy files too."""
    return _list_frames(
        folder, _DEPTH_SUFFIXES, "; depth may be tiff or npy files too, of floats: convert others to these"
    )


def _list_frames(folder: Path, suffixes: Collection[str], also: str = "") -> dict[str, Path]:
    if not folder.is_dir():
        raise ValueError(f"{folder}: expected a folder of png or jpg images, found no such folder")
    frames: dict[str, Path] = {}
    for path in list_folder(folder, suffixes):
        if path.stem in frames:
            raise ValueError(f"{folder}: expected one file for each frame, found {frames[path.stem].name}, {path.name}")
        frames[path.stem] = path
    if not frames:
        others = ", ".join(list(dict.fromkeys(path.suffix for path in list_folder(folder) if path.suffix))[:3])
        raise ValueError(f"{folder}: expected png or jpg images, found none{others and f' but {others} files'}{also}")
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
    """Return (width, height) of an 8-bit picture from its header, upright."""
    size, mode = _header(path)
    if mode in _SIXTEEN_BIT_MODES | {_FLOAT_MODE}:
        raise ValueError(f"{path}: expected an 8-bit image, found mode {mode!r}")
    return size


def mask_size(path: Path) -> tuple[int, int]:
    """Return (width, height) of a mask of any depth of colour from its header, upright."""
    return _header(path)[0]


def depth_size(path: Path) -> tuple[int, int]:
    """Return (width, height) of a depth image from its header: 16 bits of grey, or floats."""
    if path.suffix.lower() == ".npy":
        depth = _open_array(path)
        return depth.shape[1], depth.shape[0]
    size, mode = _header(path)
    if mode not in _SIXTEEN_BIT_MODES | {_FLOAT_MODE}:
        raise ValueError(f"{path}: expected a 16-bit greyscale depth image, found mode {mode!r} (8 bits or colour)")
    return size


def check_size(path: Path, size: tuple[int, int], expected: tuple[int, int], reference: str) -> None:
    """Raise ValueError if an image's (width, height) is not that of `reference`."""
    if size != expected:
        raise ValueError(
            f"{path}: expected {expected[0]}x{expected[1]} pixels as {reference}, found {size[0]}x{size[1]}"
        )


def rgb_picture(image: Image.Image) -> UInt8[np.ndarray, "height width 3"]:
    """An image of 8 bits a channel as RGB; gray repeated in three channels, transparency laid over white."""
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        return np.array(Image.alpha_composite(Image.new("RGBA", image.size, "white"), rgba).convert("RGB"))
    return np.array(image.convert("RGB"))


def upright(image: Image.Image) -> Image.Image:
    """An opened image as it is to be seen: turned as its EXIF orientation tells."""
    return image if _orientation(image) == 1 else ImageOps.exif_transpose(image)


def read_picture(path: Path) -> UInt8[np.ndarray, "height width 3"]:
    """Colours of a picture, upright; alpha is dropped."""
    with open_image(path) as image:
        return np.array(upright(image).convert("RGB"))


def read_mask(path: Path) -> UInt8[np.ndarray, "height width"]:
    """What a mask says of each pixel, from 0, background, to 255, foreground, upright.

    Where the file has transparency, that is its alpha: a cut-out. Of a palette in colour, index 0 is background, as are
    black pixels among at most 256 colours: labels of segmenters. Else it is the brightness, of 8 or 16 bits; a file
    without loss whose largest value is 1 has zeros and ones.
    """
    with open_image(path) as opened:
        lossless = opened.format not in ("JPEG", "MPO")
        return mask_values(upright(opened), lossless)


def mask_values(image: Image.Image, lossless: bool = True) -> UInt8[np.ndarray, "height width"]:
    """As `read_mask`, of an image; `lossless` says that its values are those that were written."""
    if image.has_transparency_data:
        alpha = np.array(image.convert("RGBA").getchannel("A"))
        if alpha.min() < 255:
            return alpha
    if image.mode in _SIXTEEN_BIT_MODES | {_FLOAT_MODE}:
        values = np.nan_to_num(np.array(image).astype(np.float64))
        return _bright(values / 257.0 if values.max() > 255.0 else values, lossless)
    if image.mode in ("1", "L"):
        return _bright(np.array(image.convert("L")), lossless)
    palette = np.array(image.getpalette("RGB") or []).reshape(-1, 3)
    if not _is_grey(palette):
        return np.where(np.array(image) > 0, np.uint8(255), np.uint8(0))
    colours = np.array(image.convert("RGB"))
    if _is_grey(colours):
        return _bright(colours[..., 0], lossless)
    if lossless and image.convert("RGB").getcolors(256) is not None:
        return np.where(colours.any(axis=-1), np.uint8(255), np.uint8(0))
    return np.array(image.convert("L"))


def _is_grey(colours: Shaped[np.ndarray, "*batch 3"]) -> bool:
    return bool((colours == colours[..., :1]).all())


def _bright(values: Shaped[np.ndarray, "height width"], lossless: bool) -> UInt8[np.ndarray, "height width"]:
    if lossless and values.max() <= 1:
        values = values * 255
    return np.round(values).astype(np.uint8)


def read_alpha(path: Path) -> UInt8[np.ndarray, "height width"]:
    """The alpha of a picture, upright."""
    with open_image(path) as image:
        return np.array(upright(image).convert("RGBA").getchannel("A"))


def read_depth(path: Path) -> UInt16[np.ndarray, "height width"] | Float32[np.ndarray, "height width"]:
    """Depth as the file holds it, in counts of 16 bits or in floats; 0 where there is no reading."""
    if path.suffix.lower() == ".npy":
        depth = np.array(_open_array(path))
    else:
        with open_image(path) as image:
            depth = np.array(upright(image))
    if depth.dtype.kind != "f":
        if depth.min() < 0 or depth.max() > _MOST_COUNTS:
            raise ValueError(f"{path}: expected depth of 0 to {_MOST_COUNTS}, found {depth.min()} to {depth.max()}")
        return depth.astype(np.uint16)
    depth = depth.astype(np.float32)
    return np.where(np.isfinite(depth) & (depth > 0.0), depth, np.float32(0.0))


def holds_floats(path: Path) -> bool:
    """Whether a depth image holds floats, by its header."""
    return _open_array(path).dtype.kind == "f" if path.suffix.lower() == ".npy" else _header(path)[1] == _FLOAT_MODE


def _open_array(path: Path) -> np.ndarray:
    depth = map_array(path, "an array of depths")
    if depth.ndim != 2 or not (depth.dtype == np.uint16 or depth.dtype.kind == "f"):
        found = f"{list(depth.shape)} of {depth.dtype}"
        raise ValueError(f"{path}: expected an array [height, width] of uint16 or floats, found {found}")
    return depth


def _header(path: Path) -> tuple[tuple[int, int], str]:
    with open_image(path) as image:
        width, height = image.size
        return ((height, width) if _orientation(image) >= 5 else (width, height)), image.mode


def _orientation(image: Image.Image) -> int:
    """EXIF's orientation, 1 for upright to 8; from 5 on, width and height are exchanged."""
    if not image.info.get("exif"):  # where it follows the pixels of a png, they would have to be read
        return 1
    orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
    return orientation if orientation in range(1, 9) else 1
