"""What a user can get wrong in D-NeRF, Neural 3D Video and Nerfies captures: one line with file, expected and found."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from nerfstudio.data.dataparsers.base_dataparser import DataParserConfig
from PIL import Image

from resfields_ns.dataparsers.dnerf_capture import DNeRFCaptureConfig
from resfields_ns.dataparsers.n3v import N3VDataParserConfig
from resfields_ns.dataparsers.nerfies import NerfiesDataParserConfig
from tests.small_captures import write_dnerf_capture, write_n3v_capture, write_nerfies_capture, write_video

_Change = Callable[[Any], object]


@pytest.fixture(scope="module")
def originals(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A capture of each layout."""
    folder = tmp_path_factory.mktemp("captures")
    write_dnerf_capture(folder / "dnerf")
    write_n3v_capture(folder / "n3v")
    write_nerfies_capture(folder / "nerfies")
    return folder


@pytest.fixture
def dnerf(originals: Path, tmp_path: Path) -> Path:
    """A D-NeRF capture that a test may break."""
    return Path(shutil.copytree(originals / "dnerf", tmp_path / "dnerf"))


@pytest.fixture
def n3v(originals: Path, tmp_path: Path) -> Path:
    """A Neural 3D Video capture that a test may break."""
    return Path(shutil.copytree(originals / "n3v", tmp_path / "n3v"))


@pytest.fixture
def nerfies(originals: Path, tmp_path: Path) -> Path:
    """A Nerfies capture that a test may break."""
    return Path(shutil.copytree(originals / "nerfies", tmp_path / "nerfies"))


def _expect(config: DataParserConfig, *parts: object, split: str = "train") -> None:
    """Parsing fails with one line that holds all `parts` in order."""
    pattern = ".*".join(re.escape(str(part)) for part in parts)
    with pytest.raises(ValueError, match=pattern) as error:
        config.setup().get_dataparser_outputs(split)
    assert "\n" not in str(error.value)


def _change_json(path: Path, change: _Change) -> Path:
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))
    return path


def _change_poses(capture: Path, change: _Change) -> Path:
    path = capture / "poses_bounds.npy"
    poses = np.load(path)
    change(poses)
    np.save(path, poses)
    return path


def _drop(*keys: Any) -> _Change:
    """Remove what a path of keys leads to."""

    def change(content: Any) -> None:
        for key in keys[:-1]:
            content = content[key]
        content.pop(keys[-1])

    return change


def _put(value: Any, *keys: Any) -> _Change:
    """Replace what a path of keys leads to."""

    def change(content: Any) -> None:
        for key in keys[:-1]:
            content = content[key]
        content[keys[-1]] = value

    return change


@pytest.mark.parametrize("config", [DNeRFCaptureConfig, N3VDataParserConfig, NerfiesDataParserConfig])
def test_image_scale(config: Callable[..., DataParserConfig]) -> None:
    for image_scale in (0.0, 1.5, float("nan")):
        with pytest.raises(ValueError, match=f"--image-scale: expected above 0 and at most 1, got {image_scale}"):
            config(image_scale=image_scale)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mask_threshold": 255}, "--mask-threshold: expected 0 to 254, got 255"),
        ({"scene_radius": 0.0}, "--scene-radius: expected above 0, got 0.0"),
    ],
)
def test_dnerf_options(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        DNeRFCaptureConfig(**options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"train_cameras": ("cam01", "cam01")},
            "--train-cameras: expected different cameras, found ['cam01', 'cam01']",
        ),
        ({"test_cameras": ()}, "--test-cameras: expected one or more cameras, found none"),
    ],
)
def test_n3v_options(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        N3VDataParserConfig(**options)


@pytest.mark.parametrize("split", ["train", "val"])
def test_missing_transforms(split: str, dnerf: Path) -> None:
    path = dnerf / f"transforms_{split}.json"
    path.unlink()
    _expect(DNeRFCaptureConfig(data=dnerf), path, "expected a JSON file, found no such file", split=split)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[" * 100_000])
def test_transforms_that_are_not_json(content: bytes, dnerf: Path) -> None:
    path = dnerf / "transforms_train.json"
    path.write_bytes(content)
    _expect(DNeRFCaptureConfig(data=dnerf), path, "expected JSON, found a file that cannot be read")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_drop("frames"), "expected the key 'frames', found camera_angle_x"),
        (_put([], "frames"), "frames: expected one or more, found none"),
        (_put({}, "frames"), "frames: expected a list, found {}"),
        (_put(1, "frames", 2), "frame 2: expected an object with the key 'time', found 1"),
        (_drop("frames", 1, "time"), "frame 1: expected the key 'time', found file_path, transform_matrix"),
        (_put("0", "frames", 1, "time"), "frame 1: time: expected a number, found '0'"),
        (_put(True, "frames", 1, "time"), "frame 1: time: expected a number, found True"),
        (_put(2.5, "frames", 1, "time"), "frame 1: time: expected 0 to 1, found 2.5"),
        (_put(float("nan"), "frames", 1, "time"), "frame 1: time: expected finite numbers, found nan"),
        (_drop("camera_angle_x"), "expected the key 'camera_angle_x', found frames"),
        (_put(0.0, "camera_angle_x"), "camera_angle_x: expected an angle above 0 and below pi, found 0.0"),
        (_drop("frames", 3, "file_path"), "frame 3: expected the key 'file_path', found time, transform_matrix"),
        (_put(3, "frames", 3, "file_path"), "frame 3: file_path: expected text, found 3"),
        (_put([[1, 0], [0]], "frames", 0, "transform_matrix"), "frame 0: transform_matrix: expected 4x4 numbers"),
        (_put(2.0, "frames", 0, "transform_matrix", 0, 0), "frame 0: transform_matrix: expected a rotation, found [["),
        (_put("OPENCV_FISHEYE", "camera_model"), "camera_model: expected one of SIMPLE_PINHOLE, PINHOLE, "),
        (_put(True, "is_fisheye"), "camera_model: expected one of SIMPLE_PINHOLE, PINHOLE, "),
        (_put(0.0, "fl_x"), "fl_x: expected a number above 0, found 0"),
        (_put("29", "frames", 1, "cx"), "frame 1: cx: expected a number, found '29'"),
        (_put(float("inf"), "k1"), "k1: expected finite numbers, found inf"),
        (_put(0.1, "k4"), "k4: expected 0, as a lens with k1, k2, k3, p1, p2 has, found 0.1"),
        (_put([0.1, 0.2], "distortion_params"), "distortion_params: expected 6 numbers, found [0.1, 0.2]"),
        (lambda c: c.update(camera_model="FULL_OPENCV", k4=0.1), "expected a lens without k4, k5 and k6: undistort"),
    ],
)
def test_broken_transforms(change: _Change, message: str, dnerf: Path) -> None:
    path = _change_json(dnerf / "transforms_train.json", change)
    _expect(DNeRFCaptureConfig(data=dnerf), path, message)


def test_transforms_for_pictures_of_another_shape(dnerf: Path) -> None:
    path = _change_json(dnerf / "transforms_train.json", lambda content: content.update(w=48, h=20))
    message = f"r_000.png: expected pictures in the proportion of 48x20, as {path} tells, found 48x40"
    _expect(DNeRFCaptureConfig(data=dnerf), message)


def test_lists_of_a_split(dnerf: Path) -> None:
    path = dnerf / "transforms.json"
    (dnerf / "transforms_train.json").rename(path)
    _change_json(path, _put(["r_7.png"], "test_filenames"))
    _expect(
        DNeRFCaptureConfig(data=dnerf), path, "test_filenames: expected files of frames, found 'r_7.png'", split="val"
    )
    _change_json(path, _put([], "train_filenames"))
    _expect(DNeRFCaptureConfig(data=dnerf), path, "train_filenames: expected one or more files, found none")


def test_dnerf_images(dnerf: Path) -> None:
    path = dnerf / "train" / "r_002.png"
    Image.new("RGBA", (48, 41)).save(path)
    _expect(DNeRFCaptureConfig(data=dnerf), path, "expected 48x40 pixels as the first image r_000.png, found 48x41")
    Image.new("RGB", (48, 40)).save(path)
    _expect(DNeRFCaptureConfig(data=dnerf), path, "expected alpha as r_000.png has, found none")
    path.unlink()
    _expect(DNeRFCaptureConfig(data=dnerf), path, "expected an image, found a file that cannot be read")


def test_too_small_images(dnerf: Path) -> None:
    config = DNeRFCaptureConfig(data=dnerf, image_scale=0.001)
    _expect(config, "--image-scale: expected at least one pixel of 48x40, found 0.001")


def test_more_frames_than_moments(dnerf: Path) -> None:
    _expect(DNeRFCaptureConfig(data=dnerf, frames="0:9"), "--frames: expected frames below 4, found '0:9'")


def test_missing_videos(tmp_path: Path) -> None:
    _expect(N3VDataParserConfig(data=tmp_path / "x"), tmp_path / "x", "expected the folder of a capture")
    _expect(N3VDataParserConfig(data=tmp_path), tmp_path, "expected videos cam00.mp4, cam01.mp4, ..., found none")


def test_missing_poses(n3v: Path) -> None:
    path = n3v / "poses_bounds.npy"
    path.unlink()
    _expect(N3VDataParserConfig(data=n3v), path, "expected the cameras, found no such file")


@pytest.mark.parametrize(
    ("array", "found"),
    [
        (np.zeros((4, 15)), "expected rows of 17 numbers, found shape (4, 15) of float64"),
        (np.full((4, 17), "x"), "expected rows of 17 numbers, found shape (4, 17) of <U1"),
        (np.array([{}]), "expected a NumPy array, found a file that cannot be read"),
        (np.ones((5, 17)), "row 0: expected a rotation, found [["),
    ],
    ids=["columns", "text", "pickle", "matrix"],
)
def test_poses_of_another_shape(array: np.ndarray, found: str, n3v: Path) -> None:
    np.save(n3v / "poses_bounds.npy", array)
    _expect(N3VDataParserConfig(data=n3v), n3v / "poses_bounds.npy", found)


@pytest.mark.parametrize("size", [0, 60, 300])
def test_poses_cut_short(size: int, n3v: Path) -> None:
    path = n3v / "poses_bounds.npy"
    path.write_bytes(path.read_bytes()[:size])
    _expect(N3VDataParserConfig(data=n3v), path, "expected a NumPy array, found a file that cannot be read")


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        ((2, 3), np.inf, "row 2: expected finite numbers, found inf"),
        ((2, 0), 3.0, "row 2: expected a rotation, found [["),
        ((1, 14), 0.0, "row 1: expected height, width and focal length above 0, found 80, 96 and 0"),
        ((3, 16), 1.0, "row 3: expected 0 <= near < far, found near 2, far 1"),
    ],
)
def test_broken_poses(place: tuple[int, int], value: float, message: str, n3v: Path) -> None:
    path = _change_poses(n3v, lambda poses: poses.__setitem__(place, value))
    _expect(N3VDataParserConfig(data=n3v), path, message)


def test_videos_and_poses_of_unequal_count(n3v: Path) -> None:
    (n3v / "cam04.mp4").unlink()
    _expect(N3VDataParserConfig(data=n3v), "expected one row for each of the 3 videos cam*.mp4, found 4 rows")


def test_unknown_cameras(n3v: Path) -> None:
    there = f"{n3v} (cam00, cam01, cam04, cam10)"
    _expect(N3VDataParserConfig(data=n3v, train_cameras=("cam02",)), "--train-cameras", there, "found 'cam02'")
    _expect(N3VDataParserConfig(data=n3v, test_cameras=("test",)), "--test-cameras", there, "found 'test'")
    every = ("cam00", "cam01", "cam04", "cam10")
    _expect(
        N3VDataParserConfig(data=n3v, test_cameras=every), "--train-cameras: expected a camera beside", "found none"
    )


def test_a_video_shorter_than_the_others(tmp_path: Path) -> None:
    capture = tmp_path / "n3v"
    write_n3v_capture(capture, num_frames={"cam04": 3})
    found = "expected 4 frames as cam01.mp4 has, found 3; --frames 0:3 uses those that all have"
    _expect(N3VDataParserConfig(data=capture), capture / "cam04.mp4", found)
    N3VDataParserConfig(data=capture, frames="0:3").setup().get_dataparser_outputs("train")


@pytest.mark.parametrize(
    ("size", "rate", "message"),
    [
        ((40, 40), 30, "expected 48x40 pixels as video cam01.mp4, found 40x40"),
        ((48, 40), 25, "expected 30 frames a second as cam01.mp4 has, found 25"),
    ],
)
def test_videos_that_differ(size: tuple[int, int], rate: int, message: str, n3v: Path) -> None:
    path = n3v / "cam04.mp4"
    write_video(path, [np.zeros((size[1], size[0], 3), np.uint8)] * 4, rate)
    _expect(N3VDataParserConfig(data=n3v), path, message)


def test_videos_of_another_shape_than_the_poses(n3v: Path) -> None:
    _change_poses(n3v, lambda poses: poses.__setitem__((slice(None), 4), 60.0))
    message = "expected pictures in the proportion of 96x60, as its row of poses_bounds.npy tells, found 48x40"
    _expect(N3VDataParserConfig(data=n3v), message)


@pytest.mark.parametrize("name", ["dataset.json", "metadata.json", "scene.json", "camera/000005_right.json"])
def test_missing_nerfies_files(name: str, nerfies: Path) -> None:
    (nerfies / name).unlink()
    _expect(NerfiesDataParserConfig(data=nerfies), nerfies / name, "expected a JSON file, found no such file")


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("dataset.json", _drop("train_ids"), "expected the key 'train_ids', found count, ids, num_exemplars, val_ids"),
        ("dataset.json", _put([], "train_ids"), "train_ids: expected one or more, found none"),
        ("metadata.json", _drop("000005_right"), "expected an object for item '000005_right' of dataset.json"),
        ("metadata.json", _drop("000005_right", "warp_id"), "000005_right: expected the key 'warp_id', found"),
        ("metadata.json", _put(1.5, "000005_right", "warp_id"), "000005_right: warp_id: expected a whole number"),
        ("metadata.json", _put("a", "000005_right", "camera_id"), "000005_right: camera_id: expected a number"),
        ("scene.json", _drop("far"), "expected the key 'far', found center, near, scale"),
        ("scene.json", _put(0, "scale"), "scale: expected a number above 0, found 0"),
        ("scene.json", _put(0.1, "far"), "expected 0 <= near < far, found near 0.4, far 0.1"),
    ],
)
def test_broken_nerfies_files(name: str, change: _Change, message: str, nerfies: Path) -> None:
    _expect(NerfiesDataParserConfig(data=nerfies), _change_json(nerfies / name, change), message)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_drop("orientation"), "expected the key 'orientation', found focal_length"),
        (_put([[1, 0, 0]] * 3, "orientation"), "orientation: expected a rotation, found [[1.0, 0.0, 0.0]"),
        (_put([[-1, 0, 0], [0, 1, 0], [0, 0, 1]], "orientation"), "orientation: expected a rotation, found [[-1.0"),
        (_put([1, 2], "position"), "position: expected 3 numbers, found [1, 2]"),
        (_put([1, 2, float("inf")], "position"), "position: expected finite numbers, found inf"),
        (_put(0, "focal_length"), "expected focal_length, pixel_aspect_ratio and image_size above 0, found 0, 1.05"),
        (_put(3.0, "skew"), "expected a camera without skew, found a skew of 3 pixels"),
        (_drop("tangential_distortion"), "expected the key 'tangential_distortion', found focal_length"),
        (_put([0.1], "radial_distortion"), "radial_distortion: expected 3 numbers, found [0.1]"),
    ],
)
def test_broken_nerfies_cameras(change: _Change, message: str, nerfies: Path) -> None:
    path = _change_json(nerfies / "camera" / "000005_right.json", change)
    _expect(NerfiesDataParserConfig(data=nerfies), path, message)


def test_older_nerfies_cameras_name_tangential_distortion_otherwise(nerfies: Path) -> None:
    before = NerfiesDataParserConfig(data=nerfies).setup().get_dataparser_outputs("train").cameras.distortion_params
    for path in (nerfies / "camera").iterdir():
        _change_json(path, lambda camera: camera.update(tangential=camera.pop("tangential_distortion")))
    after = NerfiesDataParserConfig(data=nerfies).setup().get_dataparser_outputs("train").cameras.distortion_params
    assert before is not None and after is not None and before.equal(after)


def test_nerfies_images(nerfies: Path) -> None:
    path = nerfies / "rgb" / "1x" / "000005_right.png"
    Image.new("RGB", (96, 82)).save(path)
    first = "the first image 000003_left.png"
    _expect(NerfiesDataParserConfig(data=nerfies), path, f"expected 96x80 pixels as {first}, found 96x82")
    path.unlink()
    _expect(NerfiesDataParserConfig(data=nerfies), path, "expected an image, found a file that cannot be read")


def test_nerfies_images_that_are_not_of_their_cameras_size(nerfies: Path) -> None:
    path = nerfies / "camera" / "000005_right.json"
    _change_json(path, _put([100, 80], "image_size"))
    found = "expected the 100x80 pixels of its camera file made smaller by 1, found 96x80"
    _expect(NerfiesDataParserConfig(data=nerfies), nerfies / "rgb" / "1x" / "000005_right.png", found)


def test_nerfies_folders(nerfies: Path) -> None:
    shutil.rmtree(nerfies / "rgb" / "1x")
    found = f"--image-scale: expected at most 0.5, as the largest images are {nerfies / 'rgb' / '2x'}, found 1"
    _expect(NerfiesDataParserConfig(data=nerfies), found)
    NerfiesDataParserConfig(data=nerfies, image_scale=0.5).setup().get_dataparser_outputs("train")
    shutil.rmtree(nerfies / "rgb" / "2x")
    _expect(NerfiesDataParserConfig(data=nerfies), nerfies / "rgb", "expected folders 1x, 2x, ...", "found none")
    shutil.rmtree(nerfies / "rgb")
    _expect(NerfiesDataParserConfig(data=nerfies), nerfies / "rgb", "expected a folder of folders", "no such folder")


def test_frames_without_validation_images(nerfies: Path) -> None:
    _change_json(nerfies / "dataset.json", lambda dataset: dataset.update(val_ids=dataset["val_ids"][:1]))
    config = NerfiesDataParserConfig(data=nerfies, frames="2:4")
    found = "expected val_ids of images at the times of --frames 2:4, found none"
    _expect(config, nerfies / "dataset.json", found, split="val")
