"""Pictures as phones write them, and masks as segmenters and editors do."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image, ImageOps
from PIL.PngImagePlugin import PngInfo

from resfields_ns.captures.clips.footage import open_footage
from resfields_ns.captures.image_files import image_size, mask_size, read_mask, read_picture

SUBJECT = np.zeros((4, 4), bool)
SUBJECT[1:3, 1:3] = True


def _palette(indices: np.ndarray, colours: list[int], **options: object) -> Image.Image:
    image = Image.fromarray(indices.astype(np.uint8), "P")
    image.putpalette(colours)
    image.info.update(options)
    return image


def _cut_out(colour: tuple[int, int, int], everywhere: bool = True) -> Image.Image:
    """A subject of a colour, with the room's colours kept around it or not."""
    pixels = np.zeros((4, 4, 4), np.uint8)
    pixels[..., :3] = colour if everywhere else 0
    pixels[SUBJECT, :3] = colour
    pixels[..., 3] = np.where(SUBJECT, 255, 0)
    return Image.fromarray(pixels)


def _grey(low: int, high: int, kind: type = np.uint8) -> Image.Image:
    return Image.fromarray(np.where(SUBJECT, kind(high), kind(low)).astype(kind))


def _rgb(colour: tuple[int, int, int]) -> Image.Image:
    return Image.fromarray(np.where(SUBJECT[..., None], np.array(colour, np.uint8), np.uint8(0)))


_TWO_PARTS = SUBJECT.astype(np.uint8) * np.array([1, 1, 2, 2], np.uint8)
MASKS: dict[str, Callable[[], Image.Image]] = {
    "grey": lambda: _grey(0, 255),
    "black and white": lambda: _grey(0, 255).convert("1"),
    "zeros and ones": lambda: _grey(0, 1),
    "16 bits": lambda: _grey(0, 65535, np.uint16),
    "16 bits of 255": lambda: _grey(0, 255, np.uint16),
    "16 bits of ones": lambda: _grey(0, 1, np.uint16),
    "dark cut-out, colours kept": lambda: _cut_out((20, 10, 5)),
    "bright cut-out, colours gone": lambda: _cut_out((250, 240, 230), everywhere=False),
    "grey with alpha": lambda: _cut_out((40, 40, 40)).convert("LA"),
    "opaque alpha": lambda: _grey(0, 255).convert("RGBA"),
    "RGB": lambda: _grey(0, 255).convert("RGB"),
    "RGB of a dark label": lambda: _rgb((64, 0, 0)),
    "RGB of ones": lambda: _grey(0, 1).convert("RGB"),
    "palette of labels": lambda: _palette(_TWO_PARTS, [0, 0, 0, 128, 0, 0, 0, 128, 0]),
    "palette with a bright background": lambda: _palette(SUBJECT, [255, 255, 0, 0, 0, 128]),
    "grey palette": lambda: _palette(SUBJECT, [0, 0, 0, 255, 255, 255]),
    "grey palette, inverted": lambda: _palette(~SUBJECT, [255, 255, 255, 0, 0, 0]),
    "palette of ones": lambda: _palette(SUBJECT, [0, 0, 0, 1, 1, 1]),
    "palette with transparency": lambda: _palette(SUBJECT, [9, 9, 9, 9, 9, 9], transparency=0),
}


@pytest.mark.parametrize("name", MASKS)
def test_masks_as_tools_write_them(name: str, tmp_path: Path) -> None:
    image = MASKS[name]()
    image.save(tmp_path / "mask.png", **{key: image.info[key] for key in ("transparency",) if key in image.info})
    assert np.array_equal(read_mask(tmp_path / "mask.png") > 127, SUBJECT)
    assert mask_size(tmp_path / "mask.png") == (4, 4)


@pytest.mark.parametrize("name", MASKS)
def test_masks_of_no_subject_are_empty(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.test_masks_and_pictures.SUBJECT", np.zeros((4, 4), bool))
    monkeypatch.setattr("tests.test_masks_and_pictures._TWO_PARTS", np.zeros((4, 4), np.uint8))
    image = MASKS[name]()
    image.save(tmp_path / "mask.png", **{key: image.info[key] for key in ("transparency",) if key in image.info})
    assert not (read_mask(tmp_path / "mask.png") > 127).any()


def test_soft_masks_and_noise_stay_as_they_are(tmp_path: Path) -> None:
    """A ramp keeps its values, and black with the noise of a JPEG file is not taken for zeros and ones."""
    ramp = np.arange(256, dtype=np.uint8).reshape(16, 16)
    Image.fromarray(ramp).save(tmp_path / "ramp.png")
    assert np.array_equal(read_mask(tmp_path / "ramp.png"), ramp)
    Image.fromarray(257 * ramp.astype(np.uint16)).save(tmp_path / "deep.png")
    assert np.array_equal(read_mask(tmp_path / "deep.png"), ramp)
    noise = np.zeros((64, 64), np.uint8)
    noise[20:40, 20:40] = 1
    Image.fromarray(noise).save(tmp_path / "noise.jpg", quality=100)
    with Image.open(tmp_path / "noise.jpg") as image:
        assert np.array(image).max() == 1
    assert not (read_mask(tmp_path / "noise.jpg") > 127).any()


def _stored(upright: Image.Image, orientation: int) -> Image.Image:
    """The picture as a camera that was held otherwise has stored it."""
    for turned in (upright, *(upright.transpose(method) for method in Image.Transpose)):
        turned.getexif()[0x0112] = orientation
        with_exif = turned.copy()
        with_exif.getexif()[0x0112] = orientation
        if np.array_equal(np.array(ImageOps.exif_transpose(with_exif)), np.array(upright)):
            return turned
    raise AssertionError


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["jpg", "png"])
def test_photographs_are_upright(orientation: int, suffix: str, tmp_path: Path) -> None:
    pixels = np.zeros((24, 40, 3), np.uint8)
    pixels[:8, :16] = 255, 0, 0
    stored = _stored(Image.fromarray(pixels), orientation)
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f"photo.{suffix}"
    stored.save(path, exif=exif, quality=100, subsampling=0)
    assert stored.size == ((40, 24) if orientation < 5 else (24, 40))
    assert image_size(path) == (40, 24)
    assert np.abs(read_picture(path).astype(int) - pixels).max() < 12
    (picture,) = open_footage(tmp_path).pictures([0])
    assert np.abs(picture.astype(int) - pixels).max() < 12


@pytest.mark.parametrize("orientation", [0, 9, 99])
def test_an_orientation_that_is_none_turns_nothing(orientation: int, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.new("RGB", (6, 4)).save(tmp_path / "photo.jpg", exif=exif)
    assert image_size(tmp_path / "photo.jpg") == (6, 4) and read_picture(tmp_path / "photo.jpg").shape == (4, 6, 3)


def test_pictures_of_16_bits_a_channel_palettes_and_alpha(tmp_path: Path) -> None:
    pixels = np.zeros((4, 4, 3), np.uint8)
    pixels[:2, :2] = 200, 40, 40
    cv2.imwrite(str(tmp_path / "deep.png"), 257 * pixels[..., ::-1].astype(np.uint16))
    Image.fromarray(pixels).quantize(4).save(tmp_path / "palette.png")
    Image.fromarray(pixels).convert("RGBA").save(tmp_path / "alpha.png", pnginfo=PngInfo())
    for path in tmp_path.iterdir():
        assert image_size(path) == (4, 4)
        assert np.array_equal(read_picture(path), pixels), path
