"""The kinect-rgbd dataparser: options and captures with something wrong are one line."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from resfields_ns.dataparsers.kinect_rgbd import KinectRGBDDataParserConfig
from tests.kinect_scene import change_json


def _parse(capture: Path, **options: Any) -> None:
    KinectRGBDDataParserConfig(data=capture, **options).setup().get_dataparser_outputs("train")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"image_scale": 0.0}, "--image-scale: expected above 0 and at most 1, got 0.0"),
        ({"mask_threshold": 255}, "--mask-threshold: expected 0 to 254, got 255"),
        ({"largest_gap_ms": 0.0}, "--largest-gap-ms: expected above 0, got 0.0"),
        ({"train_cameras": ("a", "a")}, "--train-cameras: expected different cameras, found ['a', 'a']"),
    ],
)
def test_options(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        KinectRGBDDataParserConfig(**options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"train_cameras": ("back",)}, "--train-cameras: expected cameras of .* (left, middle, right), found 'back'"),
        ({"validation_camera": "back"}, "--validation-camera: expected cameras of .*, found 'back'"),
        (
            {"reference_camera": "middle", "train_cameras": ("left",)},
            "--reference-camera: expected one of the cameras used (left, right), found 'middle'",
        ),
        ({"time_offsets_ms": {"back": 1.0}}, "--time-offsets-ms: expected cameras of .*, found 'back'"),
        (
            {"time_offsets_ms": {"right": 9000.0}},
            "capture: expected cameras of one clock that overlap in time, found 1",
        ),
        ({"frames": "0:9"}, "--frames: expected frames below 4, found '0:9'"),
    ],
)
def test_options_that_do_not_fit_the_capture(rgbd_capture: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message.replace("(", r"\(").replace(")", r"\)")):
        _parse(rgbd_capture, **options)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda c: c.update(distortion=[0.1] + [0.0] * 7),
            "distortion: expected images without distortion, found [0.1,",
        ),
        (lambda c: c.update(distortion=[0.0] * 5), "distortion: expected 8 numbers, found [0.0, "),
        (lambda c: c.pop("fx"), "expected the key 'fx', found camera_to_world, cx, cy, "),
        (lambda c: c.update(fy=-3.0), "expected fx and fy above 0, found 45.6 and -3"),
        (lambda c: c.update(width=40.5), "width: expected a whole number of pixels, found 40.5"),
        (lambda c: c.update(width=40), "expected 48x32 pixels as its images, found 40x32"),
        (lambda c: c.update(cx="x"), "cx: expected a number, found 'x'"),
        (lambda c: c["camera_to_world"][0].__setitem__(0, 3.0), "camera_to_world: expected a rotation, found [[3.0,"),
    ],
)
def test_camera_files_with_something_wrong(
    own_capture: Path, change: Callable[[dict[str, Any]], object], message: str
) -> None:
    path = own_capture / "middle" / "camera.json"
    change_json(path, change)
    with pytest.raises(ValueError, match=re.escape(f"{path}: {message}")) as error:
        _parse(own_capture)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda times: times.pop("0002"), "expected the key '0002', found 0000, 0001, 0003"),
        (lambda times: times.update({"0009": 5}), "expected times of the camera's 4 images, found one of '0009'"),
        (lambda times: times.update({"0002": 5}), "expected times that ascend with the images' names, found 10"),
        (lambda times: times.update({"0002": "now"}), "0002: expected a number, found 'now'"),
    ],
)
def test_times_with_something_wrong(
    own_capture: Path, change: Callable[[dict[str, Any]], object], message: str
) -> None:
    path = own_capture / "middle" / "timestamps.json"
    change_json(path, change)
    with pytest.raises(ValueError, match=re.escape(f"{path}: {message}")):
        _parse(own_capture)


@pytest.mark.parametrize("name", ["camera.json", "timestamps.json"])
def test_missing_file(own_capture: Path, name: str) -> None:
    (own_capture / "middle" / name).unlink()
    with pytest.raises(
        ValueError, match=re.escape(f"{own_capture / 'middle' / name}: expected a JSON file, found no such file")
    ):
        _parse(own_capture)


def test_neither_box_nor_depth(own_capture: Path) -> None:
    for folder in own_capture.glob("*/depth"):
        shutil.rmtree(folder)
    with pytest.raises(
        ValueError, match="expected a scene box .aabb.txt, metres. or depth images to find it, found nei"
    ):
        _parse(own_capture)


def test_depth_without_a_reading(own_capture: Path) -> None:
    for path in own_capture.glob("*/depth/*.png"):
        Image.fromarray(np.zeros((32, 48), np.uint16)).save(path)
    with pytest.raises(ValueError, match="expected depth readings .with masks, on the foreground. to find the scene"):
        _parse(own_capture)


def test_box_that_a_camera_does_not_see(own_capture: Path) -> None:
    (own_capture / "aabb.txt").write_text("[10, 0, 0, 11, 1, 1]")
    with pytest.raises(ValueError, match=r"camera left: expected it to see the scene box \[\[10.0, 0.0, 0.0\], "):
        _parse(own_capture)


def test_one_camera_alone(own_capture: Path) -> None:
    shutil.rmtree(own_capture / "left")
    shutil.rmtree(own_capture / "right")
    with pytest.raises(ValueError, match="expected cameras to train on and one to evaluate on, found middle"):
        _parse(own_capture)
