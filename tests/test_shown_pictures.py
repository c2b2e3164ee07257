"""Videos as phones and editors write them give the pictures that a player shows (expected: FFmpeg's own)."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from resfields_ns.captures.clips.footage import open_footage
from resfields_ns.captures.video_file import decode_frames, extract_frames, frame_path, probe_video
from tests.cases import over
from tests.timed_videos import SIZE, ffmpeg, gray, write_gray_video, write_timed_video


def _shown(path: Path) -> np.ndarray:
    video = probe_video(path)
    return np.stack([picture for _, picture in decode_frames(video, list(range(video.num_frames)))])


def _shown_by_ffmpeg(path: Path) -> np.ndarray:
    folder = path.with_suffix(".pictures")
    folder.mkdir()
    ffmpeg("-i", path, "-fps_mode", "passthrough", folder / "%06d.png")
    return np.stack([np.array(Image.open(file).convert("RGB")) for file in sorted(folder.iterdir())])


@pytest.fixture(scope="module")
def corner(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten frames whose upper left quarter is red."""
    path = tmp_path_factory.mktemp("corner") / "plain.mp4"
    picture = gray(0)
    picture[: SIZE[1] // 2, : SIZE[0] // 2] = (255, 0, 0)
    write_timed_video(path, [picture] * 10, np.arange(10) / 30)
    return path


ORIENTATIONS: dict[str, tuple[list[object], tuple[int, int], tuple[int, int]]] = {
    "0": ([], (64, 48), (0, 0)),
    "90": (["-display_rotation", 90], (48, 64), (-1, 0)),
    "180": (["-display_rotation", 180], (64, 48), (-1, -1)),
    "270": (["-display_rotation", 270], (48, 64), (0, -1)),
    "mirrored": (["-display_hflip"], (64, 48), (0, -1)),
    "turned and mirrored": (["-display_rotation", 90, "-display_hflip"], (48, 64), (-1, -1)),
}
"""FFmpeg's options, the size shown, and the corner (row, column) that is red."""


@over("orientation", ORIENTATIONS)
@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
def test_pictures_are_upright(orientation: tuple, suffix: str, corner: Path, tmp_path: Path) -> None:
    options, size, red = orientation
    path = tmp_path / f"turned{suffix}"
    ffmpeg(*options, "-i", corner, "-c", "copy", path)
    video = probe_video(path)
    assert video.size == size
    pictures = _shown(path)
    assert np.abs(pictures[0, red[0], red[1]].astype(int) - (255, 0, 0)).max() <= 5
    assert pictures[0, :: size[1] - 1, :: size[0] - 1, 0].sum() < 2 * 255
    np.testing.assert_allclose(pictures, _shown_by_ffmpeg(path), atol=8)
    clip = open_footage(path)
    assert clip.size == size
    np.testing.assert_array_equal(np.stack(list(clip.pictures([0, 3]))), pictures[[0, 3]])
    extract_frames({tmp_path / "frames": video}, [3], size)
    np.testing.assert_array_equal(np.array(Image.open(frame_path(tmp_path / "frames", 3))), pictures[3])


def test_pictures_turned_askew_are_refused(corner: Path, tmp_path: Path) -> None:
    ffmpeg("-display_rotation", 45, "-i", corner, "-c", "copy", tmp_path / "askew.mp4")
    with pytest.raises(
        ValueError, match=r"askew\.mp4: expected pictures turned by 0, 90, 180 or 270 degrees, found 45"
    ):
        probe_video(tmp_path / "askew.mp4")


CUTS: dict[str, tuple[list[object], str, list[object], list[int]]] = {
    "mp4": ([], ".mp4", ["-ss", 1.0], list(range(30, 60))),
    "mov": ([], ".mov", ["-ss", 1.0], list(range(30, 60))),
    "mkv, which keeps what lies before": ([], ".mkv", ["-ss", 1.0], list(range(60))),
    "at both ends": ([], ".mp4", ["-ss", 0.5, "-t", 0.7], list(range(15, 36))),
    "between key frames": (["-g", 10], ".mp4", ["-ss", 1.1], list(range(33, 60))),
    "open groups": (["-x264-params", "open-gop=1:keyint=10:scenecut=0"], ".mp4", ["-ss", 1.1], list(range(33, 60))),
    "H.265": (
        ["-c:v", "libx265", "-x265-params", "open-gop=1:keyint=10:scenecut=0:log-level=none"],
        ".mkv",
        ["-ss", 1.1],
        list(range(30, 60)),
    ),
}
"""Options for what is cut, the suffix, where it is cut, and the frames that are shown."""


@over("cut", CUTS)
def test_a_clip_cut_without_encoding_it_again(cut: tuple, tmp_path: Path) -> None:
    encoding, suffix, where, shown = cut
    write_gray_video(tmp_path / "long.mp4", range(60), *encoding)
    path = tmp_path / f"cut{suffix}"
    ffmpeg(*where[:2], "-i", tmp_path / "long.mp4", *where[2:], "-c", "copy", path)
    video, pictures = probe_video(path), _shown(path)
    by_ffmpeg = _shown_by_ffmpeg(path)
    assert video.num_frames == len(pictures) == len(by_ffmpeg)
    np.testing.assert_allclose(pictures, by_ffmpeg, atol=2)
    frames = [round(level / 4) for level in pictures.mean(axis=(1, 2, 3))]
    assert frames[: len(shown)] == shown and len(frames) - len(shown) in (0, 1, 2)  # FFmpeg ends at a packet
    first = np.array(video.times) - video.times[0]
    np.testing.assert_allclose(first, 1e6 / 30 * (np.array(frames) - frames[0]), atol=1000)
    clip = open_footage(path)
    assert clip.num_frames == len(pictures)
    np.testing.assert_array_equal(np.stack(list(clip.pictures(list(range(len(pictures)))))), pictures)


CODECS: dict[str, tuple[str, list[object]]] = {
    "VP8 with pictures never shown": (
        "clip.webm",
        ["-c:v", "libvpx", "-auto-alt-ref", 1, "-lag-in-frames", 25, "-arnr-maxframes", 7, "-b:v", "300k"],
    ),
    "VP9": ("clip.webm", ["-c:v", "libvpx-vp9", "-auto-alt-ref", 1, "-lag-in-frames", 25, "-b:v", "300k"]),
    "H.264 in AVI": ("clip.avi", ["-c:v", "libx264"]),
    "MPEG-4 in AVI": ("clip.avi", ["-c:v", "mpeg4"]),
    "MJPEG": ("clip.mkv", ["-c:v", "mjpeg"]),
    "fragments": ("clip.mp4", ["-movflags", "frag_keyframe+empty_moov"]),
}


@over("codec", CODECS)
def test_every_picture_is_found_at_its_time(codec: tuple, tmp_path: Path) -> None:
    name, options = codec
    ffmpeg("-f", "lavfi", "-i", "testsrc2=s=320x240:r=30:d=3", *options, tmp_path / name)
    video, pictures = probe_video(tmp_path / name), _shown(tmp_path / name)
    by_ffmpeg = _shown_by_ffmpeg(tmp_path / name)
    assert video.num_frames == len(pictures) == len(by_ffmpeg) == 90
    assert np.abs(pictures.astype(int) - by_ffmpeg).mean() < 2.0
    np.testing.assert_allclose(np.diff(video.times), 1e6 / 30, atol=1000)


TRANSPARENT: dict[str, tuple[str, list[object]]] = {
    "VP9": ("clip.webm", ["-c:v", "libvpx-vp9", "-pix_fmt", "yuva420p"]),
    "VP8": ("clip.webm", ["-c:v", "libvpx", "-pix_fmt", "yuva420p", "-auto-alt-ref", 0]),
    "ProRes": ("clip.mov", ["-c:v", "prores_ks", "-pix_fmt", "yuva444p10le"]),
}


@over("codec", TRANSPARENT)
def test_transparency_is_laid_over_white(codec: tuple, tmp_path: Path) -> None:
    picture = np.zeros((SIZE[1], SIZE[0], 4), np.uint8)
    picture[12:36, 16:48] = (255, 0, 0, 255)
    Image.fromarray(picture).save(tmp_path / "0.png")
    name, options = codec
    ffmpeg("-loop", 1, "-t", 0.2, "-i", tmp_path / "0.png", *options, tmp_path / name)
    assert probe_video(tmp_path / name).mode == open_footage(tmp_path / name).mode == "RGBA"
    for pictures in (_shown(tmp_path / name), np.stack(list(open_footage(tmp_path / name).pictures([0, 1])))):
        np.testing.assert_array_equal(pictures[:, [0, 0, -1, -1], [0, -1, 0, -1]], 255)
        assert np.abs(pictures[:, 24, 32].astype(int) - (255, 0, 0)).max() <= 3


_COLOURS = np.array([[(200, 40, 40), (40, 200, 40)], [(40, 40, 200), (255, 255, 255)]], np.uint8)
COLOURS: dict[str, tuple[str, str, str, list[object]]] = {
    "BT.601": ("bt601", "smpte170m", "tv", ["-pix_fmt", "yuv420p"]),
    "BT.601 of PAL": ("bt601", "bt470bg", "tv", ["-pix_fmt", "yuv420p"]),
    "BT.601, full range": ("bt601", "smpte170m", "pc", ["-pix_fmt", "yuv420p"]),
    "BT.709": ("bt709", "bt709", "tv", ["-pix_fmt", "yuv420p"]),
    "BT.709, full range": ("bt709", "bt709", "pc", ["-pix_fmt", "yuv420p"]),
    "BT.2020, 10 bit": (
        "bt2020",
        "bt2020nc",
        "tv",
        ["-pix_fmt", "yuv420p10le", "-c:v", "libx265", "-x265-params", "log-level=none:lossless=1"],
    ),
}
"""The matrix and its name in the file, the range, and how it is encoded."""


@over("colours", COLOURS)
def test_colours_are_those_that_were_filmed(colours: tuple, tmp_path: Path) -> None:
    matrix, name, levels, options = colours
    Image.fromarray(_COLOURS.repeat(48, axis=0).repeat(64, axis=1)).save(tmp_path / "0.png")
    scale = f"scale=out_color_matrix={matrix}:out_range={levels}:flags=accurate_rnd+full_chroma_int"
    tags = ["-colorspace", name, "-color_range", levels]
    path = tmp_path / "clip.mp4"
    ffmpeg("-loop", 1, "-t", 0.2, "-i", tmp_path / "0.png", "-vf", scale, "-crf", 2, *options, *tags, path)
    shown = _shown(path)[0][24::48, 32::64].astype(int)
    assert np.abs(shown - _COLOURS).max() <= 3


def test_a_file_of_sound_alone_is_refused(tmp_path: Path) -> None:
    ffmpeg("-f", "lavfi", "-i", "sine", "-t", 1, tmp_path / "clip.mkv")
    with pytest.raises(ValueError, match=r"clip\.mkv: expected a video, found a file without pictures"):
        probe_video(tmp_path / "clip.mkv")
