"""Clips: the same pictures from every kind of file; one clear error or one stated conversion for what is odd."""

from collections.abc import Callable
from copy import deepcopy
from fractions import Fraction
from io import BytesIO
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from resfields_ns.captures.clips.clip_pixels import ClipPixels
from resfields_ns.captures.clips.footage import Footage, open_footage
from tests.cases import over
from tests.small_captures import write_video
from tests.video_family import waves

NUM_FRAMES, HEIGHT, WIDTH = 6, 24, 32
PICTURES = np.stack(waves(NUM_FRAMES, HEIGHT, WIDTH))


def write_encoded(path: Path, pictures: list[np.ndarray], codec: str, layout: str, written: str = "rgb24") -> None:
    """Write pictures with a codec in a layout of its pixels."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=10)
        stream.height, stream.width, stream.pix_fmt = *pictures[0].shape[:2], layout  # pyright: ignore
        for picture in pictures:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format=written)))  # pyright: ignore
        container.mux(stream.encode(None))  # pyright: ignore


def write_ffv1(path: Path, pictures: list[np.ndarray], layout: str, written: str) -> None:
    write_encoded(path, pictures, "ffv1", layout, written)


def write_folder(path: Path, pictures: list[np.ndarray]) -> None:
    path.mkdir()
    for frame, picture in enumerate(pictures):
        Image.fromarray(picture).save(path / f"{frame:03d}.png")


def _write_packets(path: Path, packets: list[bytes]) -> None:
    """Write packets as a video whose pictures are jpg files of 32 x 24 pixels, whatever they are."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mjpeg", rate=10)
        stream.height, stream.width, stream.pix_fmt = HEIGHT, WIDTH, "yuvj444p"  # pyright: ignore
        for index, data in enumerate(packets):
            packet = av.Packet(data)
            packet.stream, packet.time_base, packet.pts, packet.dts = stream, Fraction(1, 10), index, index  # pyright: ignore
            container.mux(packet)


def _jpg(picture: np.ndarray) -> bytes:
    buffer = BytesIO()
    Image.fromarray(picture).save(buffer, "JPEG", subsampling=0)
    return buffer.getvalue()


WRITERS: dict[str, tuple[str, Callable[[Path], None], float]] = {
    "mp4": ("clip.mp4", lambda path: write_video(path, list(PICTURES)), 4.0),
    "mkv": ("clip.mkv", lambda path: write_video(path, list(PICTURES)), 4.0),
    "webm": ("clip.webm", lambda path: write_encoded(path, list(PICTURES), "libvpx-vp9", "yuv444p"), 30.0),
    "gif": ("clip.gif", lambda path: write_encoded(path, list(PICTURES), "gif", "rgb8"), 80.0),
    "folder": ("clip", lambda path: write_folder(path, list(PICTURES)), 0.0),
    "bytes": ("clip.npy", lambda path: np.save(path, PICTURES), 0.0),
    "floats": ("clip.npy", lambda path: np.save(path, PICTURES / 255.0), 0.0),
    "half_floats": ("clip.npy", lambda path: np.save(path, (PICTURES / 255.0).astype(np.float16)), 1.0),
}
"""Name of the file, what writes it, and how far a pixel may be off, of 255."""


def read(clip: Footage, frames: list[int]) -> np.ndarray:
    return np.stack(list(clip.pictures(frames)))


@over("writer", WRITERS)
def test_every_format_gives_the_pictures(writer: tuple, tmp_path: Path) -> None:
    name, write, tolerance = writer
    write(tmp_path / name)
    clip = open_footage(tmp_path / name)
    assert (clip.size, clip.num_frames) == ((WIDTH, HEIGHT), NUM_FRAMES)
    pictures = read(clip, list(range(NUM_FRAMES)))
    difference = np.abs(pictures.astype(int) - PICTURES)
    assert difference.mean() <= tolerance / 3 and difference.max() <= 3 * tolerance
    np.testing.assert_array_equal(read(clip, [1, 4]), pictures[[1, 4]])


GRAY = list(PICTURES[..., 0])
ALPHA = np.concatenate((PICTURES, np.full((NUM_FRAMES, HEIGHT, WIDTH, 1), 255, np.uint8)), axis=-1)
ALPHA[:, :, : WIDTH // 2, 3] = 0
OVER_WHITE = np.where(ALPHA[..., 3:] == 0, 255, PICTURES)

CONVERTED: dict[str, tuple[str, Callable[[Path], None], str, np.ndarray]] = {
    "gray_video": ("clip.mkv", lambda path: write_ffv1(path, GRAY, "gray", "gray"), "L", PICTURES[..., :1]),
    "gray_folder": ("clip", lambda path: write_folder(path, GRAY), "L", PICTURES[..., :1]),
    "gray_array": ("clip.npy", lambda path: np.save(path, np.stack(GRAY)), "L", PICTURES[..., :1]),
    "gray_channel": ("clip.npy", lambda path: np.save(path, PICTURES[..., :1]), "L", PICTURES[..., :1]),
    "alpha_video": (
        "clip.mkv",
        lambda path: write_encoded(path, list(ALPHA), "ffv1", "bgra", "rgba"),
        "RGBA",
        OVER_WHITE,
    ),
    "alpha_folder": ("clip", lambda path: write_folder(path, list(ALPHA)), "RGBA", OVER_WHITE),
    "alpha_array": ("clip.npy", lambda path: np.save(path, ALPHA / 255.0), "RGBA", OVER_WHITE),
}
"""Name of the file, what writes it, its mode, and the pictures that it becomes."""


@over("case", CONVERTED)
def test_gray_is_repeated_and_alpha_laid_over_white(case: tuple, tmp_path: Path, capsys) -> None:
    name, write, mode, expected = case
    write(tmp_path / name)
    clip = open_footage(tmp_path / name)
    assert clip.mode == mode
    pixels = ClipPixels(clip, list(range(NUM_FRAMES)), HEIGHT, WIDTH)
    np.testing.assert_allclose(pixels.array, np.broadcast_to(expected, PICTURES.shape), atol=1)
    said = " ".join(capsys.readouterr().out.split())
    assert ("repeated in three channels" if mode == "L" else "its alpha channel is laid over white") in said


def _broken_h264(path: Path) -> None:
    """Overwrite the inside of the eighth picture's data, which decoders paint over."""
    write_video(path, waves(12, 48, 64))
    with av.open(str(path)) as container:
        packet = list(container.demux(video=0))[7]
        start, size = packet.pos, packet.size
    assert start is not None
    data = bytearray(path.read_bytes())
    data[start + size // 2 : start + size] = bytes(size - size // 2)
    path.write_bytes(data)


def _broken_jpg(path: Path) -> None:
    write_folder(path, list(PICTURES))
    file = path / "003.png"
    file.write_bytes(file.read_bytes()[:300])


def _changing_video(path: Path) -> None:
    _write_packets(path, [*map(_jpg, PICTURES[:3]), *map(_jpg, PICTURES[:3, ::2, ::2])])


def _undecodable(path: Path) -> None:
    packets = [_jpg(picture) for picture in PICTURES]
    _write_packets(path, [*packets[:3], b"no picture at all", *packets[4:]])


def _changing_folder(path: Path) -> None:
    write_folder(path, [*PICTURES[:2], PICTURES[2, 1:]])


def _not_a_number(path: Path) -> None:
    values = PICTURES / 255.0
    values[4, 0, 0, 0] = np.nan
    np.save(path, values)


BAD: dict[str, tuple[str, Callable[[Path], object], str]] = {
    "broken_h264": ("clip.mp4", _broken_h264, r"clip\.mp4: expected a video, found one whose frame \d+ is broken"),
    "undecodable": ("clip.mkv", _undecodable, r"clip\.mkv: expected a video, found one broken after \d frames \("),
    "broken_file": ("clip", _broken_jpg, r"003\.png: expected a picture, found a broken file \("),
    "changing_video": ("clip.mkv", _changing_video, r"expected frames of 32x24 pixels, found 16x12 in frame 3"),
    "changing_folder": ("clip", _changing_folder, r"002\.png: expected 32x24 pixels as 000\.png, found 32x23"),
    "no_frames": ("clip.mkv", lambda path: _write_packets(path, []), r"clip\.mkv: expected a video"),
    "empty_folder": ("clip", lambda path: path.mkdir(), r"clip: expected png or jpg images, found none"),
    "empty_array": ("clip.npy", lambda path: np.save(path, PICTURES[:0]), r"clip\.npy: .*, found one without frames"),
    "nothing": ("clip.mp4", lambda path: None, r"clip\.mp4: expected a video, found no such file"),
    "no_array": ("clip.npy", lambda path: path.write_bytes(b"no"), r"clip\.npy: expected an array of numbers, found"),
    "objects": (
        "clip.npy",
        lambda path: np.save(path, np.array([{}]), True),
        r"clip\.npy: expected an array of numbers, found",
    ),
    "shape": ("clip.npy", lambda path: np.save(path, PICTURES[0, 0]), r"found \[32, 3\] of uint8"),
    "channels": ("clip.npy", lambda path: np.save(path, PICTURES[..., :2]), r"found \[6, 24, 32, 2\] of uint8"),
    "type": (
        "clip.npy",
        lambda path: np.save(path, PICTURES.astype(np.int64)),
        r"\[.*\] of uint8 or float, .* of int64",
    ),
    "not_a_number": ("clip.npy", _not_a_number, r"expected numbers from 0 to 1, found nan to nan in frame 4"),
    "beyond_one": ("clip.npy", lambda path: np.save(path, PICTURES / 25.0), r"from 0 to 1, found .* to .* in frame 0"),
    "thin": ("clip.npy", lambda path: np.save(path, PICTURES[:, :1]), r"at least 2x2 pixels, found 32x1"),
}
"""Name of the file, what writes it, and the error."""


@over("case", BAD)
def test_what_is_no_video_is_one_clear_error(case: tuple, tmp_path: Path) -> None:
    name, write, message = case
    write(tmp_path / name)
    with pytest.raises(ValueError, match=message):
        clip = open_footage(tmp_path / name)
        read(clip, list(range(clip.num_frames)))


def test_pixels_are_bytes_at_the_size_asked_for_and_copies_share_them(tmp_path: Path) -> None:
    np.save(tmp_path / "clip.npy", PICTURES)
    pixels = ClipPixels(open_footage(tmp_path / "clip.npy"), [1, 3], HEIGHT // 2, WIDTH // 2)
    assert pixels.array.shape == (2, HEIGHT // 2, WIDTH // 2, 3) and pixels.array.numpy().dtype == np.uint8
    means = PICTURES[[1, 3]].reshape(2, HEIGHT // 2, 2, WIDTH // 2, 2, 3).mean(axis=(2, 4))
    assert np.abs(pixels.array.numpy() - means).mean() < 3.0
    assert deepcopy({"pixels": pixels})["pixels"].array.data_ptr() == pixels.array.data_ptr()
