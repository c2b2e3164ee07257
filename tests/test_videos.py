"""`rf-videos`: known points lie on their pixels in the capture, whatever the calibration's format and the alignment."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from nerfstudio.data.dataparsers.base_dataparser import DataparserOutputs
from nerfstudio.data.utils import colmap_parsing_utils as colmap
from PIL import Image

from resfields_ns.commands import videos as command
from resfields_ns.commands.videos import videos
from resfields_ns.dataparsers.owlii import OwliiDataParserConfig
from resfields_ns.videos.clean_plate import CleanPlate
from tests.small_captures import write_video

_SIZE = (64, 48)
_NUM_FRAMES = 5
_NAMES = ("cam0", "cam1", "cam2")
_BOX = (-0.8, -0.7, -0.6, 0.8, 0.9, 0.6)
_START = np.array([[0.35, 0.1, -0.2], [-0.4, 0.2, 0.1], [0.1, -0.3, 0.3]])
_VELOCITY = np.array([[-0.08, 0.02, 0.05], [0.05, -0.08, 0.02], [0.05, 0.08, -0.05]])  # each frame
_BACKGROUND = 30
_DISTORTION = np.array([-0.1, 0.02, 0.01, -0.015, 0.005, 0.3, 0.02, 0.004])


@dataclass(frozen=True)
class _Camera:
    """Spelt out: pixel centres at +0.5, pose to OpenCV axes, k1 k2 p1 p2 k3 k4 k5 k6."""

    focal: tuple[float, float]
    principal: tuple[float, float]
    rotation: np.ndarray
    translation: np.ndarray
    distortion: np.ndarray

    def project(self, points: np.ndarray) -> np.ndarray:
        local = points @ self.rotation.T + self.translation
        x, y = local[:, 0] / local[:, 2], local[:, 1] / local[:, 2]
        k1, k2, p1, p2, k3, k4, k5, k6 = self.distortion
        r = x * x + y * y
        radial = (1 + k1 * r + k2 * r**2 + k3 * r**3) / (1 + k4 * r + k5 * r**2 + k6 * r**3)
        u = x * radial + 2 * p1 * x * y + p2 * (r + 2 * x * x)
        v = y * radial + p1 * (r + 2 * y * y) + 2 * p2 * x * y
        return np.stack([u, v], axis=-1) * self.focal + self.principal


def _points(moment: int) -> np.ndarray:
    return _START + moment * _VELOCITY


def _cameras(distortion: np.ndarray, simple: bool = False) -> dict[str, _Camera]:
    """Cameras on an arc; `simple` ones have what LLFF can hold."""
    cameras = {}
    for index, name in enumerate(_NAMES):
        angle = 0.5 * index
        backward = np.array([np.sin(angle), 0.2, np.cos(angle)]) / np.sqrt(1.04)
        right = np.cross([0.0, 1.0, 0.0], backward)
        right /= np.linalg.norm(right)
        rotation = np.stack([right, -np.cross(backward, right), -backward])
        focal = (60.0, 60.0) if simple else (58.0 + index, 61.0)
        principal = (_SIZE[0] / 2, _SIZE[1] / 2) if simple else (33.0 + index, 22.5)
        cameras[name] = _Camera(focal, principal, rotation, np.array([0.0, 0.0, 1.7]), distortion)
    return cameras


def _picture(pixels: np.ndarray) -> np.ndarray:
    x, y = np.meshgrid(np.arange(_SIZE[0]) + 0.5, np.arange(_SIZE[1]) + 0.5)
    dots = [np.exp(-0.5 * ((x - u) ** 2 + (y - v) ** 2) / 2.0**2) for u, v in pixels]
    return np.round(_BACKGROUND + (255.0 - _BACKGROUND) * np.stack(dots, axis=-1)).astype(np.uint8)


def _write_videos(folder: Path, cameras: dict[str, _Camera], first: dict[str, int] | None = None) -> None:
    """Videos whose first frames show moments of one's choice."""
    folder.mkdir(parents=True)
    for name, camera in cameras.items():
        start = (first or {}).get(name, 0)
        moments = range(start, start + _NUM_FRAMES)
        write_video(folder / f"{name}.mp4", [_picture(camera.project(_points(moment))) for moment in moments], rate=25)


def _opencv_values(camera: _Camera) -> dict[str, Any]:
    (fx, fy), (cx, cy) = camera.focal, camera.principal
    return {
        "camera_matrix": np.array([[fx, 0.0, cx - 0.5], [0.0, fy, cy - 0.5], [0.0, 0.0, 1.0]]),
        "distortion_coefficients": camera.distortion[None],
    }


def _write_opencv_yaml(folder: Path, cameras: dict[str, _Camera]) -> Path:
    folder.mkdir()
    for name, camera in cameras.items():
        storage = cv2.FileStorage(str(folder / f"{name}.yml"), cv2.FILE_STORAGE_WRITE)
        storage.write("calibration_time", "Tue")
        storage.write("image_width", _SIZE[0])
        storage.write("image_height", _SIZE[1])
        for key, value in _opencv_values(camera).items():
            storage.write(key, value)
        storage.write("R", camera.rotation)
        storage.write("T", camera.translation[:, None])
        storage.release()
    return folder


def _write_json(folder: Path, cameras: dict[str, _Camera]) -> Path:
    folder.mkdir()
    for name, camera in cameras.items():
        record = {key: value.tolist() for key, value in _opencv_values(camera).items()}
        record["rvec"] = cv2.Rodrigues(camera.rotation)[0].tolist()
        record["tvec"] = camera.translation.tolist()
        (folder / f"{name}.json").write_text(json.dumps(record))
    return folder


def _write_opencv_json(folder: Path, cameras: dict[str, _Camera]) -> Path:
    folder.mkdir()
    for name, camera in cameras.items():
        matrices = {**_opencv_values(camera), "R": camera.rotation, "T": camera.translation}
        storage = cv2.FileStorage(str(folder / f"{name}.json"), cv2.FILE_STORAGE_WRITE)
        for key, value in matrices.items():
            storage.write(key, value)
        storage.release()
    return folder


def _colmap_model(cameras: dict[str, _Camera]) -> tuple[dict[int, Any], dict[int, Any], dict[int, Any]]:
    """A model made with pictures twice as large, in which the last camera's image lies in a folder."""
    models, images = {}, {}
    for index, (name, camera) in enumerate(cameras.items(), start=1):
        k1, k2, p1, p2, *others = camera.distortion
        parameters = [2 * value for value in (*camera.focal, *camera.principal)] + [k1, k2, p1, p2, *others]
        models[index] = colmap.Camera(index, "FULL_OPENCV", 2 * _SIZE[0], 2 * _SIZE[1], np.array(parameters))
        image_name = f"{name}/000.png" if name == _NAMES[-1] else f"{name}.png"
        pose = (colmap.rotmat2qvec(camera.rotation), camera.translation)
        images[index] = colmap.Image(index, *pose, index, image_name, np.array([[1.0, 2.0]]), np.array([7]))
    random = np.random.default_rng(0)
    points = {
        index: colmap.Point3D(index, xyz, np.array([1, 2, 3]), 0.5, np.array([1]), np.array([0]))
        for index, xyz in enumerate(random.uniform(-0.6, 0.6, size=(200, 3)), start=1)
    }
    return models, images, points


def _write_colmap_text(folder: Path, cameras: dict[str, _Camera]) -> Path:
    folder.mkdir()
    models, images, points = _colmap_model(cameras)
    colmap.write_cameras_text(models, folder / "cameras.txt")
    colmap.write_images_text(images, folder / "images.txt")
    colmap.write_points3D_text(points, folder / "points3D.txt")
    return folder


def _write_colmap_binary(folder: Path, cameras: dict[str, _Camera]) -> Path:
    folder.mkdir()
    models, images, points = _colmap_model(cameras)
    colmap.write_cameras_binary(models, folder / "cameras.bin")
    colmap.write_images_binary(images, folder / "images.bin")
    colmap.write_points3D_binary(points, folder / "points3D.bin")
    return folder


def _write_llff(folder: Path, cameras: dict[str, _Camera]) -> Path:
    folder.mkdir()
    rows = []
    for camera in cameras.values():
        right, down, forward = camera.rotation
        image = [2.0 * _SIZE[1], 2.0 * _SIZE[0], 2.0 * camera.focal[0]]
        matrix = np.column_stack([down, right, -forward, -camera.rotation.T @ camera.translation, image])
        rows.append([*matrix.flatten(), 0.8, 2.8])
    np.save(folder / "poses_bounds.npy", np.array(rows))
    return folder / "poses_bounds.npy"


_FORMATS: dict[str, Callable[[Path, dict[str, _Camera]], Path]] = {
    "OpenCV's YAML": _write_opencv_yaml,
    "OpenCV's JSON": _write_opencv_json,
    "JSON": _write_json,
    "COLMAP's text": _write_colmap_text,
    "COLMAP's binary": _write_colmap_binary,
}


def _parse(capture: Path, split: str = "train") -> DataparserOutputs:
    config = OwliiDataParserConfig(data=capture, train_cameras=_NAMES[1:], test_cameras=_NAMES[:1])
    return config.setup().get_dataparser_outputs(split)


def _largest_error(capture: Path, first_moment: int = 0, step: int = 1) -> float:
    """Pixels from where the parser's cameras see the points to where the images show them."""
    errors = []
    for split in ("train", "test"):
        outputs = _parse(capture, split)
        cameras = outputs.cameras
        world_to_normalised = np.linalg.inv(outputs.metadata["normalised_to_world"].double().numpy())
        for index, path in enumerate(outputs.image_filenames):
            moment = first_moment + step * int(outputs.metadata["frame_index"][index])
            points = _points(moment) @ world_to_normalised[:3, :3].T + world_to_normalised[:3, 3]
            pose = cameras.camera_to_worlds[index].double().numpy()
            local = (points - pose[:, 3]) @ pose[:, :3]
            focal = [cameras.fx[index].item(), -cameras.fy[index].item()]
            centre = [cameras.cx[index].item(), cameras.cy[index].item()]
            expected = focal * local[:, :2] / -local[:, 2:] + centre
            errors.append(np.linalg.norm(_dots(np.array(Image.open(path))) - expected, axis=1).max())
    return max(errors)


def _dots(picture: np.ndarray) -> np.ndarray:
    """Where the dots are: centroids of what is much brighter than the background."""
    height, width = picture.shape[:2]
    x, y = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
    weights = np.clip(picture.astype(float) - _BACKGROUND - 40.0, 0.0, None)
    total = weights.sum(axis=(0, 1))
    return np.stack([(weights * grid[..., None]).sum(axis=(0, 1)) / total for grid in (x, y)], axis=-1)


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Videos through distorted lenses, with their calibration in `calibration`."""
    folder = tmp_path_factory.mktemp("recording")
    cameras = _cameras(_DISTORTION)
    _write_videos(folder / "videos", cameras)
    _write_opencv_yaml(folder / "calibration", cameras)
    return folder


@pytest.mark.parametrize("form", _FORMATS)
def test_points_lie_on_their_pixels(form: str, recording: Path, tmp_path: Path) -> None:
    calibration = _FORMATS[form](tmp_path / "calibration", _cameras(_DISTORTION))
    videos(recording / "videos", tmp_path / "capture", calibration, box=_BOX)
    assert _largest_error(tmp_path / "capture") < 0.15
    assert sorted(path.name for path in (tmp_path / "capture").iterdir()) == ["aabb.txt", *_NAMES, "conversion.json"]


def test_points_lie_on_their_pixels_with_llff_poses(tmp_path: Path) -> None:
    cameras = _cameras(np.zeros(8), simple=True)
    _write_videos(tmp_path / "videos", cameras)
    videos(tmp_path / "videos", tmp_path / "capture", _write_llff(tmp_path / "calibration", cameras))
    assert _largest_error(tmp_path / "capture") < 0.15


@pytest.mark.parametrize("size", [(32, 24), (48, 30)])
def test_size_and_frames(size: tuple[int, int], recording: Path, tmp_path: Path) -> None:
    out = tmp_path / "capture"
    videos(recording / "videos", out, recording / "calibration", frames="1:5:2", size=size, box=_BOX)
    assert Image.open(out / "cam0" / "rgb" / "000001.png").size == size
    assert len(list((out / "cam0" / "rgb").iterdir())) == 2
    assert _largest_error(out, first_moment=1, step=2) < 0.15


@pytest.mark.parametrize("unit", ["frames", "seconds"])
def test_offsets_align_frames(unit: str, tmp_path: Path) -> None:
    cameras = _cameras(_DISTORTION)
    _write_videos(tmp_path / "videos", cameras, first={"cam1": -2, "cam2": 1})
    offsets = {"cam1": {"frames": 2}, "cam2": {"frames": -1}}
    if unit == "seconds":
        offsets = {"cam1": {"seconds": 0.09}, "cam2": {"seconds": -0.03}}
    (tmp_path / "offsets.json").write_text(json.dumps(offsets))
    calibration = _write_opencv_yaml(tmp_path / "calibration", cameras)
    videos(tmp_path / "videos", tmp_path / "capture", calibration, offsets=tmp_path / "offsets.json", box=_BOX)
    assert len(_parse(tmp_path / "capture").image_filenames) == 2 * 2
    assert _largest_error(tmp_path / "capture", first_moment=1) < 0.15
    assert _largest_error(tmp_path / "capture", first_moment=2) > 1.0


def test_box_becomes_the_scene_box(recording: Path, tmp_path: Path) -> None:
    videos(recording / "videos", tmp_path / "capture", recording / "calibration", frames="0:1", box=_BOX)
    outputs = _parse(tmp_path / "capture")
    matrix = outputs.metadata["normalised_to_world"].numpy()
    corners = outputs.scene_box.aabb.numpy() @ matrix[:3, :3].T + matrix[:3, 3]
    np.testing.assert_allclose(corners.ravel(), _BOX, atol=1e-5)
    assert outputs.scene_box.aabb.abs().max() == 1.0


def test_points_of_colmap_become_the_scene_box(recording: Path, tmp_path: Path) -> None:
    calibration = _write_colmap_binary(tmp_path / "calibration", _cameras(_DISTORTION))
    videos(recording / "videos", tmp_path / "capture", calibration, frames="0:1")
    outputs = _parse(tmp_path / "capture")
    matrix = outputs.metadata["normalised_to_world"].numpy()
    corners = outputs.scene_box.aabb.numpy() @ matrix[:3, :3].T + matrix[:3, 3]
    assert (np.abs(corners - [[-0.7] * 3, [0.7] * 3]) < 0.1).all()


def test_depths_enclose_what_cameras_see(recording: Path, tmp_path: Path) -> None:
    videos(recording / "videos", tmp_path / "capture", recording / "calibration", frames="0:1", depths=(0.8, 2.8))
    outputs = _parse(tmp_path / "capture")
    matrix = outputs.metadata["normalised_to_world"].numpy()
    assert (np.abs((_points(0) - matrix[:3, 3]) / matrix[0, 0]) < 1.0).all()


def _foreground(picture: np.ndarray) -> np.ndarray:
    return picture.max(axis=-1) > _BACKGROUND + 90


@pytest.mark.parametrize("plate", ["image", "video"])
def test_a_clean_plate_finds_the_foreground(plate: str, recording: Path, tmp_path: Path) -> None:
    (tmp_path / "plates").mkdir()
    empty = np.full((_SIZE[1], _SIZE[0], 3), _BACKGROUND, np.uint8)
    for name in _NAMES:
        if plate == "image":
            Image.fromarray(empty).save(tmp_path / "plates" / f"{name}.png")
        else:
            write_video(tmp_path / "plates" / f"{name}.mp4", [empty, np.full_like(empty, 200), empty])
    out = tmp_path / "capture"
    plates = tmp_path / "plates"
    videos(recording / "videos", out, recording / "calibration", box=_BOX, plates=plates, plate_threshold=90)
    for path in out.glob("*/mask/*.png"):
        mask = np.array(Image.open(path)) > 127
        brightness = np.array(Image.open(out / path.parent.parent.name / "rgb" / path.name)).max(axis=-1)
        assert mask[brightness > _BACKGROUND + 180].all()
        assert not mask[brightness < _BACKGROUND + 20].any()
    assert len(_parse(out).metadata["mask_filenames"]) == 2 * _NUM_FRAMES


def test_a_clean_plate_with_texture_and_noise() -> None:
    random = np.random.default_rng(0)
    plate = random.integers(60, 120, size=(60, 80, 3)).astype(np.uint8)
    expected = np.zeros((60, 80), bool)
    expected[20:45, 30:50] = True
    noise = random.normal(0.0, 4.0, size=plate.shape)
    picture = np.where(expected[..., None], [200, 90, 40], plate) + noise
    mask = CleanPlate(plate, 30)(0, picture.round().clip(0, 255).astype(np.uint8))
    assert (mask & expected).sum() > 0.9 * (mask | expected).sum()


def test_masks_are_undistorted_with_the_pictures(recording: Path, tmp_path: Path) -> None:
    for name, camera in _cameras(_DISTORTION).items():
        (tmp_path / "masks" / name).mkdir(parents=True)
        for frame in range(_NUM_FRAMES):
            mask = _foreground(_picture(camera.project(_points(frame))))
            Image.fromarray(mask.astype(np.uint8) * 255).save(tmp_path / "masks" / name / f"m{frame}.png")
    out = tmp_path / "capture"
    videos(recording / "videos", out, recording / "calibration", frames="2:5", box=_BOX, masks=tmp_path / "masks")
    for path in out.glob("*/mask/*.png"):
        mask = np.array(Image.open(path)) > 127
        expected = _foreground(np.array(Image.open(out / path.parent.parent.name / "rgb" / path.name)))
        assert (mask & expected).sum() > 0.75 * (mask | expected).sum()


def _edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def _shorten(folder: Path) -> None:
    write_video(folder / "videos" / "cam1.mp4", [np.zeros((_SIZE[1], _SIZE[0], 3), np.uint8)] * 3, rate=25)


def _break_rotation(folder: Path) -> None:
    camera = _cameras(_DISTORTION)["cam1"]
    record = {key: value.tolist() for key, value in _opencv_values(camera).items()}
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
def broken(recording: Path, tmp_path: Path) -> Path:
    """A copy of the recording to change."""
    for kind in ("videos", "calibration"):
        (tmp_path / kind).mkdir()
        for path in (recording / kind).iterdir():
            (tmp_path / kind / path.name).write_bytes(path.read_bytes())
    return tmp_path


@pytest.mark.parametrize("mistake", _CALIBRATION_ERRORS)
def test_mistakes_in_files(mistake: str, broken: Path) -> None:
    change, message = _CALIBRATION_ERRORS[mistake]
    change(broken)
    before = sorted(path.name for path in broken.iterdir())
    with pytest.raises(ValueError, match=message):
        videos(broken / "videos", broken / "capture", broken / "calibration", box=_BOX)
    assert sorted(path.name for path in broken.iterdir()) == before


def test_mistakes_in_colmap_models(recording: Path, tmp_path: Path) -> None:
    text = _write_colmap_text(tmp_path / "text", _cameras(_DISTORTION))
    _edit(text / "cameras.txt", "FULL_OPENCV", "OPENCV_FISHEYE")
    with pytest.raises(
        ValueError, match=r"cameras\.txt: camera 1: expected one of SIMPLE_PINHOLE, .* OPENCV_FISHEYE: u"
    ):
        videos(recording / "videos", tmp_path / "capture", text)
    binary = _write_colmap_binary(tmp_path / "binary", _cameras(_DISTORTION))
    _truncate(binary / "images.bin")
    with pytest.raises(ValueError, match=r"images\.bin: expected a file of COLMAP's model, found one that cannot be"):
        videos(recording / "videos", tmp_path / "capture", binary)
    two = {name: camera for name, camera in _cameras(_DISTORTION).items() if name != "cam1"}
    with pytest.raises(ValueError, match=r"images\.txt: expected one image of camera 'cam1', .*, found cam0\.png"):
        videos(recording / "videos", tmp_path / "capture", _write_colmap_text(tmp_path / "two", two))


def test_mistakes_in_llff_poses(recording: Path, tmp_path: Path) -> None:
    two = {name: camera for name, camera in _cameras(np.zeros(8), simple=True).items() if name != "cam1"}
    path = _write_llff(tmp_path / "llff", two)
    with pytest.raises(ValueError, match=r"poses_bounds\.npy: expected one row for each of the 3 videos, found 2 rows"):
        videos(recording / "videos", tmp_path / "capture", path)


@pytest.mark.parametrize(
    ("offsets", "message"),
    [
        ({"cam7": {"frames": 1}}, r"offsets\.json: expected cameras that have videos .*, found 'cam7'"),
        ({"cam1": {"frames": 1.5}}, r"offsets\.json: cam1: frames: expected a whole number, found 1\.5"),
        ({"cam1": 3}, r'offsets\.json: cam1: expected \{"frames": number\} or .*, found 3'),
        ({"cam1": {"seconds": 0.2}}, r"--offsets: expected videos that overlap, found .*cam1\.mp4 with 5 frames"),
    ],
)
def test_mistakes_in_offsets(offsets: dict[str, Any], message: str, recording: Path, tmp_path: Path) -> None:
    path = tmp_path / "offsets.json"
    path.write_text(json.dumps(offsets))
    with pytest.raises(ValueError, match=message):
        videos(recording / "videos", tmp_path / "capture", recording / "calibration", offsets=path, box=_BOX)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, r"--box: expected the scene's box, or --depths, as the calibration tells neither, found none"),
        ({"box": (0.0, 0.0, 0.0, 1.0, 0.0, 1.0)}, "--box: expected every lower bound below its upper bound"),
        ({"box": _BOX, "depths": (1.0, 2.0)}, "--box, --depths: expected one of them, found both"),
        ({"depths": (2.0, 1.0)}, "--depths: expected 0 <= near < far"),
        ({"box": _BOX, "size": (128, 96)}, r"--size: expected 1x1 up to the 64x48 pixels of .*cam0\.mp4, found 128x96"),
        ({"box": _BOX, "frames": "0:9"}, "--frames: expected frames below 5"),
        ({"box": _BOX, "plates": Path("nowhere")}, "nowhere: expected one image or video cam0, the clean plate"),
        ({"box": _BOX, "masks": Path("nowhere")}, "nowhere/cam0: expected a folder of png or jpg images"),
        ({"box": _BOX, "plate_threshold": 300}, "--plate-threshold: expected 0 to 254, found 300"),
    ],
)
def test_mistakes_in_options(options: dict[str, Any], message: str, recording: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=message):
        videos(recording / "videos", tmp_path / "capture", recording / "calibration", **options)
    assert not list(tmp_path.iterdir())


def test_command_line(
    recording: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = [str(path) for path in (recording / "videos", tmp_path / "capture")]
    options = ["--calibration", str(recording / "calibration"), "--frames", "0:1", "--size", "32", "24", "--box"]
    monkeypatch.setattr("sys.argv", ["rf-videos", *paths, *options, *map(str, _BOX)])
    command.entrypoint()
    output = capsys.readouterr().out
    assert "Wrote 1 frames of 3 cameras, 32x24 pixels" in output
    assert "--train-cameras cam1 cam2 --test-cameras cam0" in output
