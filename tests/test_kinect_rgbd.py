"""The kinect-rgbd dataparser: cameras, times, depths and crops agree with a scene whose geometry is known."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from nerfstudio.data.dataparsers.base_dataparser import DataparserOutputs
from PIL import Image

from resfields_ns.captures.camera_files import read_camera_json
from resfields_ns.captures.kinect.undistorted_capture import undistort_capture
from resfields_ns.captures.sequence import Capture
from resfields_ns.data.dynamic_data import DynamicDataManagerConfig
from resfields_ns.data.dynamic_dataset import DynamicDataset
from resfields_ns.dataparsers.kinect_rgbd import KinectRGBD, KinectRGBDDataParserConfig, kinect_rgbd_specification
from resfields_ns.host.dataparsing import sequence_of
from resfields_ns.models.dynamic_model import DynamicModelConfig
from tests.kinect_scene import BALL_RADIUS, COLOR_LENS, PERIOD, ball_centre, change_json, view
from tests.methods import METHODS, tiny_config, trained
from tests.ray_family import without_clouds

_POINTS = np.random.default_rng(0).uniform([-0.3, 0.2, -0.3], [0.3, 0.9, 0.3], size=(50, 3))


def _parse(capture: Path, split: str = "train", **options: Any) -> DataparserOutputs:
    return KinectRGBDDataParserConfig(data=capture, **options).setup().get_dataparser_outputs(split)


def _to_world(outputs: DataparserOutputs, points: np.ndarray) -> np.ndarray:
    matrix = sequence_of(outputs).to_world.matrix
    return points @ matrix[:3, :3].T + matrix[:3, 3]


def _project(outputs: DataparserOutputs, index: int, world: np.ndarray) -> np.ndarray:
    """Pixels of world points by nerfstudio's own_capture parameters."""
    matrix = np.linalg.inv(sequence_of(outputs).to_world.matrix)
    points = world @ matrix[:3, :3].T + matrix[:3, 3]
    cameras = outputs.cameras
    pose = cameras.camera_to_worlds[index].double().numpy()
    local = (points - pose[:, 3]) @ pose[:, :3]
    x = cameras.cx[index].item() - cameras.fx[index].item() * local[:, 0] / local[:, 2]
    y = cameras.cy[index].item() + cameras.fy[index].item() * local[:, 1] / local[:, 2]
    return np.stack([x, y], axis=-1)


@pytest.mark.parametrize("crop", [True, False])
@pytest.mark.parametrize("image_scale", [1.0, 0.5])
@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_points_land_on_their_pixels(rgbd_capture: Path, split: str, image_scale: float, crop: bool) -> None:
    outputs = _parse(rgbd_capture, split, crop=crop, image_scale=image_scale)
    for index, name in enumerate([image.camera_name for image in sequence_of(outputs).images]):
        camera = read_camera_json(rgbd_capture / name / "camera.json")
        window = sequence_of(outputs, Capture).images[index].window
        size = (int(outputs.cameras.width[index]), int(outputs.cameras.height[index]))
        assert window is not None
        expected = camera.cropped(window).resized(size).project(_POINTS)[0]
        np.testing.assert_allclose(_project(outputs, index, _POINTS), expected, atol=1e-3)
    assert outputs.cameras.fx.dtype == outputs.cameras.cx.dtype == torch.float32


@pytest.mark.parametrize("crop", [True, False])
def test_depth_along_the_rays_lands_on_the_ball(rgbd_capture: Path, crop: bool) -> None:
    """To the millimetre, at the time of the frame."""
    outputs = _parse(rgbd_capture, crop=crop)
    dataset = DynamicDataset(outputs)
    for index in range(len(dataset)):
        item, rays = dataset[index], outputs.cameras.generate_rays(camera_indices=index)
        points = (rays.origins + item["depth"] * rays.directions)[item["mask"][..., 0]].double().numpy()
        assert len(points) > 20
        seconds = 1.0 + PERIOD * int(sequence_of(outputs).frame_index[index]) / 1e6
        distance = np.linalg.norm(_to_world(outputs, points) - ball_centre(seconds), axis=-1)
        towards = _to_world(outputs, rays.origins[:1, 0].double().numpy()) - _to_world(outputs, points)
        normal = _to_world(outputs, points) - ball_centre(seconds)
        cosine = (towards * normal).sum(axis=-1) / np.linalg.norm(towards, axis=-1) / np.linalg.norm(normal, axis=-1)
        assert (np.abs(distance - BALL_RADIUS)[cosine > 0.2] < 0.001).all()


def test_crop_shows_the_box_and_no_less(rgbd_capture: Path) -> None:
    whole, part = _parse(rgbd_capture, crop=False), _parse(rgbd_capture)
    before, after = DynamicDataset(whole), DynamicDataset(part)
    arrays, depth = before.load_arrays(), before.load_depth()
    cropped_arrays, cropped_depth = after.load_arrays(), after.load_depth()
    for index, window in enumerate([image.window for image in sequence_of(part, Capture).images]):
        assert window is not None
        cut = np.s_[index, window.top : window.top + window.height, window.left : window.left + window.width]
        assert torch.equal(cropped_arrays["image"][index], arrays["image"][cut])
        assert torch.equal(cropped_arrays["mask"][index], arrays["mask"][cut])
        assert torch.equal(cropped_depth[index].int(), depth[cut].int())
        assert torch.equal(after[index]["image"], before[index]["image"][cut[1:]])
        torch.testing.assert_close(after[index]["depth"], before[index]["depth"][cut[1:]])
    assert cropped_arrays["mask"].sum() == arrays["mask"].sum()
    assert cropped_arrays["mask"][0].numel() < 0.6 * arrays["mask"][0].numel()


def test_box_is_around_the_masked_depth(rgbd_capture: Path) -> None:
    """All of the ball that cameras see lies in it; its corners lie on the unit sphere of normalised space."""
    outputs = _parse(rgbd_capture)
    box = outputs.scene_box.aabb
    torch.testing.assert_close(box[0], -box[1])
    assert box[1].norm().item() == pytest.approx(1.0)
    lower, upper = _to_world(outputs, box.double().numpy())
    dataset = DynamicDataset(outputs)
    rays = outputs.cameras.generate_rays(camera_indices=0)
    item = dataset[0]
    points = (rays.origins + item["depth"] * rays.directions)[item["mask"][..., 0]].double().numpy()
    world = _to_world(outputs, points)
    assert ((world > lower) & (world < upper)).all(axis=-1).mean() > 0.99
    assert (upper - lower < 2.0 * BALL_RADIUS * 1.3).all()


def test_without_masks_the_box_holds_the_floor_too(own_capture: Path) -> None:
    for folder in own_capture.glob("*/mask"):
        shutil.rmtree(folder)
    outputs = _parse(own_capture)
    lower, upper = _to_world(outputs, outputs.scene_box.aabb.double().numpy())
    assert (lower[[0, 2]] < -0.8).all() and (upper[[0, 2]] > 0.8).all()
    assert not sequence_of(outputs, Capture).has_masks


def test_box_of_the_file_is_in_metres_of_the_world(own_capture: Path) -> None:
    (own_capture / "aabb.txt").write_text("[-0.5, 0, -0.5, 0.5, 1.2, 0.4]")
    outputs = _parse(own_capture)
    corners = _to_world(outputs, outputs.scene_box.aabb.double().numpy())
    np.testing.assert_allclose(corners, [[-0.5, 0.0, -0.5], [0.5, 1.2, 0.4]], atol=1e-6)
    for folder in own_capture.glob("*/depth"):
        shutil.rmtree(folder)
    without_depth = _parse(own_capture)
    assert not sequence_of(without_depth, Capture).has_depth
    torch.testing.assert_close(without_depth.scene_box.aabb, outputs.scene_box.aabb)


def test_world_and_normalised_space_are_inverse(rgbd_capture: Path) -> None:
    outputs = _parse(rgbd_capture)
    normalised = torch.from_numpy(_POINTS).float()
    world = torch.from_numpy(_to_world(outputs, _POINTS)).float()
    transform = outputs.dataparser_transform
    again = outputs.dataparser_scale * (world @ transform[:, :3].T + transform[:, 3])
    torch.testing.assert_close(again, normalised, atol=1e-6, rtol=0)
    scale = sequence_of(outputs).to_world.scale
    assert sequence_of(outputs, Capture).depth_unit == pytest.approx(0.001 / scale)


@pytest.mark.parametrize(("frames", "step"), [("::", 1), ("::2", 2)])
def test_the_rate_is_that_of_the_frames(frames: str, step: int, rgbd_capture: Path) -> None:
    assert sequence_of(_parse(rgbd_capture, frames=frames)).frames.rate == pytest.approx(1e6 / PERIOD / step)


def test_both_splits_share_one_space(rgbd_capture: Path) -> None:
    train, test = _parse(rgbd_capture), _parse(rgbd_capture, "test")
    np.testing.assert_array_equal(sequence_of(train).to_world.matrix, sequence_of(test).to_world.matrix)
    torch.testing.assert_close(train.scene_box.aabb, test.scene_box.aabb)


def test_images_are_ordered_by_camera_then_frame(rgbd_capture: Path) -> None:
    outputs = _parse(rgbd_capture, frames="1:4:2")
    expected = [rgbd_capture / camera / "rgb" / f"000{frame}.png" for camera in ("left", "middle") for frame in (1, 3)]
    assert outputs.image_filenames == expected
    assert [image.mask for image in sequence_of(outputs, Capture).images] == [
        path.parents[1] / "mask" / path.name for path in expected
    ]
    assert [image.depth for image in sequence_of(outputs, Capture).images] == [
        path.parents[1] / "depth" / path.name for path in expected
    ]
    assert list(sequence_of(outputs).frames.numbers) == [1, 3]
    assert sequence_of(outputs).frame_index.tolist() == [0, 1, 0, 1]
    assert outputs.cameras.times is not None
    assert outputs.cameras.times.flatten().tolist() == [0.0, 1.0, 0.0, 1.0]


@pytest.mark.parametrize(
    ("options", "train", "validation"),
    [
        ({}, ["left", "middle"], "right"),
        ({"validation_camera": "left"}, ["middle", "right"], "left"),
        ({"validation_camera": "left", "train_cameras": ("right",)}, ["right"], "left"),
        ({"train_cameras": ("right", "left")}, ["right", "left"], "right"),
    ],
)
def test_cameras_are_chosen_by_name(
    rgbd_capture: Path, options: dict[str, Any], train: list[str], validation: str
) -> None:
    names = [image.camera_name for image in sequence_of(_parse(rgbd_capture, **options)).images]
    assert list(dict.fromkeys(names)) == train
    assert sequence_of(_parse(rgbd_capture, "val", **options)).camera_names == [validation]


def test_frames_are_matched_by_time(own_capture: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The middle camera starts two frames early by its own_capture clock, and its images are numbered from there."""
    folder = own_capture / "middle"
    stamps = json.loads((folder / "timestamps.json").read_text())
    for kind in ("rgb", "depth", "mask"):
        for frame in ("0000", "0001"):
            shutil.copy(folder / kind / f"{frame}.png", folder / kind / f"{int(frame) + 4:04d}.png")
    times = dict(zip([f"{frame:04d}" for frame in range(6)], range(0, 6 * PERIOD, PERIOD), strict=True))
    (folder / "timestamps.json").write_text(json.dumps(times))
    offset = (stamps["0000"] - 2 * PERIOD + 250) / 1000
    outputs = _parse(own_capture, time_offsets_ms={"middle": offset})
    names = [path.stem for path in outputs.image_filenames if path.parent.parent.name == "middle"]
    assert names == ["0002", "0003", "0004", "0005"]
    assert "Matched 4 frames of 3 cameras to left; largest gap 0.250 ms (camera middle," in _line(capsys)
    other = _parse(own_capture, time_offsets_ms={"middle": offset}, reference_camera="middle")
    assert other.image_filenames == outputs.image_filenames


def _line(capsys: pytest.CaptureFixture[str]) -> str:
    return " ".join(capsys.readouterr().out.split())


def test_frames_that_only_some_cameras_have_at_the_ends_are_left_out(own_capture: Path) -> None:
    for kind in ("rgb", "depth", "mask"):
        (own_capture / "right" / kind / "0000.png").unlink()
    change_json(own_capture / "right" / "timestamps.json", lambda times: times.pop("0000"))
    outputs = _parse(own_capture)
    assert sequence_of(outputs).num_frames == 3
    assert {path.stem for path in outputs.image_filenames} == {"0001", "0002", "0003"}


def test_a_gap_in_the_middle(own_capture: Path) -> None:
    for kind in ("rgb", "depth", "mask"):
        (own_capture / "right" / kind / "0001.png").unlink()
    change_json(own_capture / "right" / "timestamps.json", lambda times: times.pop("0001"))
    message = (
        "--largest-gap-ms: expected images of .* within 17 ms of .* camera left, found 33.3 ms: camera right at fr"
    )
    with pytest.raises(ValueError, match=message):
        _parse(own_capture)
    images = _parse(own_capture, "val", largest_gap_ms=40.0).image_filenames
    assert [path.stem for path in images] == ["0000", "0000", "0002", "0003"]


def test_undistorted_captures_are_parsed(own_capture: Path, tmp_path: Path) -> None:
    """Depth lands on the ball, within the depth that a pixel covers; the original is refused."""
    for name in ("left", "middle", "right"):
        _distort(own_capture / name)
    with pytest.raises(ValueError, match="middle.*distortion: expected images without|left.*distortion: expected"):
        _parse(own_capture)
    undistort_capture(own_capture, tmp_path / "out")
    assert not list(tmp_path.glob(".out*"))
    outputs = _parse(tmp_path / "out", crop=False)
    dataset = DynamicDataset(outputs)
    for index in range(len(dataset)):
        item, rays = dataset[index], outputs.cameras.generate_rays(camera_indices=index)
        points = (rays.origins + item["depth"] * rays.directions)[item["mask"][..., 0]].double().numpy()
        seconds = 1.0 + PERIOD * int(sequence_of(outputs).frame_index[index]) / 1e6
        distance = np.linalg.norm(_to_world(outputs, points) - ball_centre(seconds), axis=-1)
        assert np.median(np.abs(distance - BALL_RADIUS)) < 0.006
    with pytest.raises(ValueError, match="out: expected a folder that is new or empty, found one that is in use"):
        undistort_capture(own_capture, tmp_path / "out")
    with pytest.raises(ValueError, match="expected folders of cameras with a camera.json, found none"):
        undistort_capture(tmp_path / "nowhere", tmp_path / "new")
    Image.fromarray(np.zeros((8, 8), np.uint16)).save(own_capture / "right" / "depth" / "0002.png")
    with pytest.raises(ValueError, match="0002.png: expected 48x32 pixels as camera.json, found 8x8"):
        undistort_capture(own_capture, tmp_path / "new")
    (own_capture / "left" / "timestamps.json").unlink()
    with pytest.raises(ValueError, match="timestamps.json: expected the times of the images, found no such file"):
        undistort_capture(own_capture, tmp_path / "new")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["capture", "out"]


def _distort(folder: Path) -> None:
    """Let a camera's images be those of a lens."""
    camera = read_camera_json(folder / "camera.json")
    k1, k2, k3, k4, k5, k6, _, _, p2, p1 = COLOR_LENS[4:]
    change_json(folder / "camera.json", lambda c: c.update(distortion=[k1, k2, p1, p2, k3, k4, k5, k6]))
    plane = read_camera_json(folder / "camera.json").plane_coordinates(camera.pixel_grid())
    directions = np.concatenate([plane, np.ones_like(plane[..., :1])], axis=-1)
    for frame, stamp in json.loads((folder / "timestamps.json").read_text()).items():
        for kind, image in view(directions, camera.pose, stamp / 1e6).items():
            Image.fromarray(image).save(folder / kind / f"{frame}.png")


def test_rgbd_method_trains(rgbd_capture: Path, tmp_path: Path) -> None:
    """The depth of the rgbd_capture makes part of the loss, and the run evaluates on the held-out camera."""
    config = tiny_config(METHODS["tnerf-resfields-rgbd"], rgbd_capture, tmp_path)
    without_clouds(config.pipeline)
    datamanager, model = config.pipeline.datamanager, config.pipeline.model
    assert isinstance(datamanager, DynamicDataManagerConfig) and isinstance(model, DynamicModelConfig)
    datamanager.dataparser = KinectRGBDDataParserConfig()
    assert model.depth_loss_weight > 0.0
    trainer = trained(config)
    _, losses, _ = trainer.pipeline.get_train_loss_dict(4)
    assert losses["depth"] > 0.0 and all(loss.isfinite() for loss in losses.values())
    metrics = trainer.pipeline.get_average_eval_image_metrics()
    assert metrics["facts"]["cameras"] == ["right"]
    assert len(metrics["per_frame"]) == 4 and np.isfinite(metrics["psnr"])


def test_is_known_to_nerfstudio_as_timed() -> None:
    assert KinectRGBD.includes_time
    assert isinstance(kinect_rgbd_specification.config, KinectRGBDDataParserConfig)
