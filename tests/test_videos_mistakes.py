"""`rf-videos`: videos, calibrations, offsets and options with something wrong are one line, and nothing is written."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from resfields_ns.commands.videos import videos
from tests.small_captures import write_video
from tests.video_scene import (
    BOX,
    DISTORTION,
    SIZE,
    make_cameras,
    opencv_values,
    write_colmap_binary,
    write_colmap_text,
    write_llff,
)


def _edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def _shorten(folder: Path) -> None:
    write_video(folder / "videos" / "cam1.mp4", [np.zeros((SIZE[1], SIZE[0], 3), np.uint8)] * 3, rate=25)


def _break_rotation(folder: Path) -> None:
    camera = make_cameras(DISTORTION)["cam1"]
    record = {key: value.tolist() for key, value in opencv_values(camera).items()}
    record |= {"R": (2 * camera.rotation).tolist(), "T": camera.translation.tolist()}
    (folder / "calibration" / "cam1.yml").unlink()
    (folder / "calibration" / "cam1.json").write_text(json.dumps(record))


def _truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


_CALIBRATION_ERRORS: dict[str, tuple[Callable[[Path], object], str]] = {
    "no file of a camera": (
        lambda folder: (folder / "calibration" / "cam2.yml").unlink(),
        r"calibration: expected one of cam2\.yml, cam2\.yaml, cam2\.json, found none",
    ),
    "no pose": (
        lambda folder: _edit(folder / "calibration" / "cam1.yml", "\nT:", "\nU:"),
        r"cam1\.yml: expected the key 'tvec', found",
    ),
    "no rotation": (_break_rotation, r"cam1\.json: R: expected a rotation, found"),
    "a fisheye lens": (
        lambda folder: _edit(folder / "calibration" / "cam1.yml", "image_width:", "fisheye_model: 1\nimage_width:"),
        r"cam1\.yml: expected a lens of OpenCV's models without fisheye .*, found 'fisheye_model': undistort the vid",
    ),
    "a fisheye lens in ROS's words": (
        lambda folder: _edit(
            folder / "calibration" / "cam1.yml", "image_width:", "distortion_model: equidistant\nimage_width:"
        ),
        r"cam1\.yml: expected a lens of OpenCV's models without fisheye .*, found 'equidistant': undistort the video",
    ),
    "no YAML": (
        lambda folder: (folder / "calibration" / "cam1.yml").write_text("no: [1"),
        r"cam1\.yml: expected OpenCV's YAML, found a file that cannot be read",
    ),
    "another shape": (
        lambda folder: _edit(folder / "calibration" / "cam1.yml", "image_width: 64", "image_width: 48"),
        r"cam1\.mp4: expected pictures in the proportion of 48x48, as .*calibration tells, found 64x48",
    ),
    "a shorter video": (
        _shorten,
        r"cam1\.mp4: expected 5 frames as cam0\.mp4 has, found 3; --frames 0:3 uses those that all have",
    ),
    "a truncated video": (
        lambda folder: _truncate(folder / "videos" / "cam1.mp4"),
        r"cam1\.mp4: expected a video, found a file that cannot be read",
    ),
}


@pytest.fixture
def broken(footage: Path, tmp_path: Path) -> Path:
    """A copy of the footage to change."""
    for kind in ("videos", "calibration"):
        (tmp_path / kind).mkdir()
        for path in (footage / kind).iterdir():
            (tmp_path / kind / path.name).write_bytes(path.read_bytes())
    return tmp_path


@pytest.mark.parametrize("mistake", _CALIBRATION_ERRORS)
def test_mistakes_in_files(mistake: str, broken: Path) -> None:
    change, message = _CALIBRATION_ERRORS[mistake]
    change(broken)
    before = sorted(path.name for path in broken.iterdir())
    with pytest.raises(ValueError, match=message):
        videos(broken / "videos", broken / "capture", broken / "calibration", box=BOX)
    assert sorted(path.name for path in broken.iterdir()) == before


def test_mistakes_in_colmap_models(footage: Path, tmp_path: Path) -> None:
    text = write_colmap_text(tmp_path / "text", make_cameras(DISTORTION))
    _edit(text / "cameras.txt", "FULL_OPENCV", "OPENCV_FISHEYE")
    with pytest.raises(
        ValueError, match=r"cameras\.txt: camera 1: expected one of SIMPLE_PINHOLE, .* OPENCV_FISHEYE: u"
    ):
        videos(footage / "videos", tmp_path / "capture", text)
    binary = write_colmap_binary(tmp_path / "binary", make_cameras(DISTORTION))
    _truncate(binary / "images.bin")
    with pytest.raises(ValueError, match=r"images\.bin: expected a file of COLMAP's model, found one that cannot be"):
        videos(footage / "videos", tmp_path / "capture", binary)
    two = {name: camera for name, camera in make_cameras(DISTORTION).items() if name != "cam1"}
    with pytest.raises(ValueError, match=r"images\.txt: expected one image of camera 'cam1', .*, found cam0\.png"):
        videos(footage / "videos", tmp_path / "capture", write_colmap_text(tmp_path / "two", two))


def test_mistakes_in_llff_poses(footage: Path, tmp_path: Path) -> None:
    two = {name: camera for name, camera in make_cameras(np.zeros(8), simple=True).items() if name != "cam1"}
    path = write_llff(tmp_path / "llff", two)
    with pytest.raises(ValueError, match=r"poses_bounds\.npy: expected one row for each of the 3 videos, found 2 rows"):
        videos(footage / "videos", tmp_path / "capture", path)


@pytest.mark.parametrize(
    ("offsets", "message"),
    [
        ({"cam7": {"frames": 1}}, r"offsets\.json: expected cameras that have videos .*, found 'cam7'"),
        ({"cam1": {"frames": 1.5}}, r"offsets\.json: cam1: frames: expected a whole number, found 1\.5"),
        ({"cam1": 3}, r'offsets\.json: cam1: expected \{"frames": number\} or .*, found 3'),
        ({"cam1": {"seconds": 0.2}}, r"--offsets: expected videos that overlap, found .*cam1\.mp4 with 5 frames"),
    ],
)
def test_mistakes_in_offsets(offsets: dict[str, Any], message: str, footage: Path, tmp_path: Path) -> None:
    path = tmp_path / "offsets.json"
    path.write_text(json.dumps(offsets))
    with pytest.raises(ValueError, match=message):
        videos(footage / "videos", tmp_path / "capture", footage / "calibration", offsets=path, box=BOX)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (
            ["0.png", "2.png", "3.png"],
            r"cam0: expected a mask of each of the 3 frames .*, none of frame 4: use --frames",
        ),
        (["a.png", "b.png"], r"cam0: expected 5 masks, .* or fewer whose names end in the number .*, found a\.png"),
        (["0.png", "2.png", "4_2.png"], r"cam0: .* or fewer, each of another frame, found 2\.png and 4_2\.png"),
        ([f"{frame}.png" for frame in range(6)], r"cam0: expected 5 masks, .* or fewer, found 6"),
    ],
)
def test_masks_that_are_not_those_of_the_frames(names: list[str], message: str, footage: Path, tmp_path: Path) -> None:
    for camera in ("cam0", "cam1", "cam2"):
        (tmp_path / "masks" / camera).mkdir(parents=True)
        for name in names:
            Image.new("L", SIZE).save(tmp_path / "masks" / camera / name)
    paths = (footage / "videos", tmp_path / "capture", footage / "calibration")
    with pytest.raises(ValueError, match=message):
        videos(*paths, frames="0:5:2", box=BOX, masks=tmp_path / "masks")
    assert [path.name for path in tmp_path.iterdir()] == ["masks"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, r"--box: expected the scene's box, or --depths, as the calibration tells neither, found none"),
        ({"box": (0.0, 0.0, 0.0, 1.0, 0.0, 1.0)}, "--box: expected every lower bound below its upper bound"),
        ({"box": BOX, "depths": (1.0, 2.0)}, "--box, --depths: expected one of them, found both"),
        ({"depths": (2.0, 1.0)}, "--depths: expected 0 <= near < far"),
        ({"box": BOX, "size": (128, 96)}, r"--size: expected 1x1 up to the 64x48 pixels of .*cam0\.mp4, found 128x96"),
        ({"box": BOX, "frames": "0:9"}, "--frames: expected frames below 5"),
        ({"box": BOX, "plates": Path("nowhere")}, "nowhere: expected one image or video cam0, the clean plate"),
        ({"box": BOX, "masks": Path("nowhere")}, "nowhere/cam0: expected a folder of png or jpg images"),
        ({"box": BOX, "plate_threshold": 300}, "--plate-threshold: expected 0 to 254, got 300"),
    ],
)
def test_mistakes_in_options(options: dict[str, Any], message: str, footage: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=message):
        videos(footage / "videos", tmp_path / "capture", footage / "calibration", **options)
    assert not list(tmp_path.iterdir())
