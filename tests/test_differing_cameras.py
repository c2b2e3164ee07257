"""Cameras of different resolutions in one capture: every pixel where its camera saw it, without stretching."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from resfields_ns.captures.camera import Camera, Similarity
from resfields_ns.captures.camera_files import read_camera_json, write_camera_json
from resfields_ns.captures.capture_writer import write_cameras
from resfields_ns.captures.checks.look_over import look_over
from resfields_ns.captures.poses import camera_around_origin
from resfields_ns.captures.sequence import Capture
from resfields_ns.captures.video_file import probe_video
from resfields_ns.captures.videos.calibration import read_calibration
from resfields_ns.commands.videos import videos
from resfields_ns.data.dynamic_data import DynamicDataManagerConfig, RayBatches
from resfields_ns.data.dynamic_dataset import DynamicDataset
from resfields_ns.dataparsers.kinect_rgbd import KinectRGBDDataParserConfig
from resfields_ns.dataparsers.n3v import N3VDataParserConfig
from resfields_ns.dataparsers.owlii import OwliiDataParserConfig
from resfields_ns.host.dataparsing import sequence_of
from tests.methods import METHODS, tiny_config, trained
from tests.small_captures import write_n3v_capture, write_video
from tests.video_scene import BOX, draw, make_cameras, points_at, write_opencv_yaml, write_videos

SIZES = {"wide": (96, 64), "left": (48, 40), "right": (48, 40), "test": (40, 48)}
NUM_FRAMES = 3


def write_capture(folder: Path, masks: bool) -> None:
    """Pictures whose red and green tell the pixel, 2x and 2y, and blue the camera; a ball in the middle as masks."""
    for place, (name, size) in enumerate(SIZES.items()):
        camera = camera_around_origin(30.0 + 80.0 * place, 10.0, 3.0, size, 1.1 * min(size))
        for kind in ("rgb", "mask") if masks else ("rgb",):
            (folder / name / kind).mkdir(parents=True)
        write_cameras(folder / name, [camera] * NUM_FRAMES, Similarity(np.eye(4)))
        grid = camera.pixel_grid()
        pixels = np.concatenate([2 * grid - 1, np.full((*grid.shape[:2], 1), 10.0 * place)], axis=-1).astype(np.uint8)
        inside = np.linalg.norm(grid - [camera.cx, camera.cy], axis=-1) < 0.15 * camera.fx
        for frame in range(NUM_FRAMES):
            Image.fromarray(pixels).save(folder / name / "rgb" / f"{frame}.png")
            if masks:
                Image.fromarray(np.where(inside, np.uint8(255), np.uint8(0))).save(
                    folder / name / "mask" / f"{frame}.png"
                )


@pytest.fixture(params=[True, False], ids=["masks", "no masks"])
def config(request: pytest.FixtureRequest, tmp_path: Path) -> OwliiDataParserConfig:
    write_capture(tmp_path / "capture", request.param)
    return OwliiDataParserConfig(
        data=tmp_path / "capture", train_cameras=("wide", "left", "right"), test_cameras=("test",)
    )


def test_every_ray_has_the_colour_of_its_own_pixel(config: OwliiDataParserConfig) -> None:
    dataset = DynamicDataset(config.setup().get_dataparser_outputs("train"))
    rays, batch = RayBatches(dataset, DynamicDataManagerConfig(), 6000, "cpu").sample()
    image, row, column = batch["indices"].unbind(dim=-1)
    capture = sequence_of(dataset, Capture)
    order = torch.tensor([list(SIZES).index(shown.camera_name) for shown in capture.images])
    expected = torch.stack((2 * column, 2 * row, 10 * order[image]), dim=-1)
    assert torch.equal((255.0 * batch["image"]).round().long(), expected)
    for index, shown in enumerate(capture.images):
        of_image = image == index
        assert of_image.any()
        width, height = shown.camera.size
        assert (column[of_image] < width).all() and (row[of_image] < height).all()
        points = rays.origins[of_image] + 2.0 * rays.directions[of_image]
        pixels = shown.camera.project(points.double().numpy())[0]
        seen = torch.stack((column, row), dim=-1)[of_image].numpy() + 0.5
        np.testing.assert_allclose(pixels, seen, atol=1e-3)
    if "mask" not in batch:  # the whole of each image is drawn from
        wide = image == 0
        assert column[wide].max() == 95 and row[wide].max() == 63


def test_it_is_looked_over_trained_and_evaluated(config: OwliiDataParserConfig, tmp_path: Path) -> None:
    options = ["--train-cameras", *config.train_cameras, "--test-cameras", *config.test_cameras]
    scene, findings = look_over(config.data, "owlii", tuple(options))
    assert scene is not None
    assert any("images of 40x48, 48x40, 96x64" in finding.text for finding in findings)
    method = "tnerf-resfields-small" if scene.capture.train.has_masks else "tnerf-resfields"
    run = tiny_config(METHODS[method], config.data, tmp_path / "outputs")
    run.preset = None  # of which a tiny method changes what these captures have nothing for
    assert isinstance(run.pipeline.datamanager, DynamicDataManagerConfig)
    run.pipeline.datamanager.dataparser = replace(config, data=Path())  # pyright: ignore[reportAttributeAccessIssue]
    metrics = trained(run).pipeline.get_average_eval_image_metrics()
    assert np.isfinite(metrics["psnr"]) and len(metrics["per_frame"]) == NUM_FRAMES


def test_image_scale_is_that_of_each_camera(config: OwliiDataParserConfig) -> None:
    outputs = replace(config, image_scale=0.5).setup().get_dataparser_outputs("train")
    sizes = {image.camera_name: image.camera.size for image in sequence_of(outputs).images}
    assert sizes == {"wide": (48, 32), "left": (24, 20), "right": (24, 20)}


@pytest.mark.parametrize("crop", [True, False])
def test_rgbd_cameras(own_capture: Path, crop: bool) -> None:
    """A camera of twice the others' resolution: points lie where they lie in its own, larger image."""
    folder = own_capture / "middle"
    camera = read_camera_json(folder / "camera.json")
    write_camera_json(folder / "camera.json", camera.resized((96, 64)))
    for path in folder.glob("*/*.png"):
        with Image.open(path) as image:
            image.resize((96, 64), Image.Resampling.NEAREST).save(path)
    outputs = KinectRGBDDataParserConfig(data=own_capture, crop=crop).setup().get_dataparser_outputs("train")
    images = {image.camera_name: image for image in sequence_of(outputs, Capture).images}
    assert images["middle"].camera.fx == pytest.approx(2 * images["left"].camera.fx)
    window = images["middle"].window
    assert window is not None
    expected = camera.resized((96, 64)).cropped(window)
    assert (images["middle"].camera.cx, images["middle"].camera.cy) == pytest.approx((expected.cx, expected.cy))
    assert images["middle"].read_colours().shape[:2] == (window.height, window.width)
    assert crop or images["middle"].camera.size == (96, 64)


def test_videos_of_n3v(tmp_path: Path) -> None:
    """One video at half the others' resolution."""
    write_n3v_capture(tmp_path / "capture")
    write_video(tmp_path / "capture" / "cam04.mp4", [np.full((20, 24, 3), 60, np.uint8)] * 4)
    outputs = N3VDataParserConfig(data=tmp_path / "capture").setup().get_dataparser_outputs("train")
    cameras = {image.camera_name: image.camera for image in sequence_of(outputs).images}
    assert cameras["cam04"].size == (24, 20) and cameras["cam01"].size == (48, 40)
    assert cameras["cam04"].fx == pytest.approx(cameras["cam01"].fx / 2)
    assert all(image.file.is_file() for image in sequence_of(outputs).images)


def _cropped_video(folder: Path) -> Path:
    """The videos of `tests.video_scene`, cam1's without its two columns at each side, as 60x48 pixels."""
    cameras = make_cameras(np.zeros(8))
    write_videos(folder / "videos", cameras)
    pictures = [draw(cameras["cam1"].project(points_at(moment)))[:, 2:-2] for moment in range(5)]
    write_video(folder / "videos" / "cam1.mp4", [np.ascontiguousarray(picture) for picture in pictures])
    return write_opencv_yaml(folder / "calibration", cameras)


def test_rf_videos_says_what_it_takes_pictures_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    calibration = _cropped_video(tmp_path)
    with pytest.raises(ValueError, match="cam1.mp4: expected pictures in the proportion of 64x48"):
        videos(tmp_path / "videos", tmp_path / "capture", calibration, box=BOX)
    sizes, focal = {}, {}
    for fit in ("cropped", "scaled"):
        videos(tmp_path / "videos", tmp_path / fit, calibration, box=BOX, picture_fit=fit)
        words = {"cropped": "cut about the middle", "scaled": "scaled, each side by itself"}[fit]
        printed = capsys.readouterr().out
        assert f"cam1.mp4: pictures of 60x48 under a calibration of 64x48 pixels: taken as {words}" in printed
        assert "64x48 and 60x48 pixels" in printed
        parser = OwliiDataParserConfig(data=tmp_path / fit, train_cameras=("cam0", "cam1"), test_cameras=("cam2",))
        images = {i.camera_name: i for i in sequence_of(parser.setup().get_dataparser_outputs("train")).images}
        sizes[fit], focal[fit] = images["cam1"].camera.size, images["cam1"].camera.fx
    assert sizes == {"cropped": (60, 48), "scaled": (60, 48)}
    assert focal["scaled"] == pytest.approx(focal["cropped"] * 60 / 64)


_CALIBRATED = Camera(1088, 1920, 1500.0, 1500.0, 540.0, 950.0)


@pytest.mark.parametrize(
    ("size", "fit", "expected"),
    [
        ((1080, 1920), "automatic", (1500.0, 1500.0, 536.0, 950.0)),
        ((1080, 1920), "cropped", (1500.0, 1500.0, 536.0, 950.0)),
        ((1080, 1920), "scaled", (1500.0 * 1080 / 1088, 1500.0, 540.0 * 1080 / 1088, 950.0)),
        ((544, 960), "automatic", (750.0, 750.0, 270.0, 475.0)),
        ((540, 960), "automatic", (750.0, 750.0, 268.0, 475.0)),
        ((363, 640), "automatic", (1500.0 * 363 / 1088, 500.0, 540.0 * 363 / 1088, 950.0 / 3)),
        ((1088, 1920), "cropped", (1500.0, 1500.0, 540.0, 950.0)),
        ((1088, 1920), "padded", (1500.0, 1500.0, 540.0, 950.0)),
        ((544, 1000), "padded", (750.0, 750.0, 270.0, 495.0)),
    ],
)
def test_pictures_of_another_size_than_calibrated(size: tuple[int, int], fit, expected: tuple[float, ...]) -> None:
    camera = _CALIBRATED.fitted(size, fit)
    assert camera.size == size
    assert (camera.fx, camera.fy, camera.cx, camera.cy) == pytest.approx(expected)


@pytest.mark.parametrize("sideways", [False, True])
def test_bars_are_found(sideways: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """1088 columns made 1080 leave seven rows at each end, as dark as coding makes them."""
    size, (width, height) = ((1920, 1080), (1920, 1088)) if sideways else ((1080, 1920), (1088, 1920))
    calibration = tmp_path / "calibration.toml"
    picture = np.full((1920, 1080, 3), 90, np.uint8)
    padded = picture.copy()
    padded[:7], padded[-7:] = 3, 3
    found = {}
    for name, shown in {"whole": picture, "padded": padded, "night": padded // 10}.items():
        path = tmp_path / f"{name}.mp4"
        write_video(path, [np.ascontiguousarray(shown.swapaxes(0, 1)) if sideways else shown])
        calibration.write_text(
            f"[{name}]\nsize = [{width}, {height}]\nrotation = [0, 0, 0]\ntranslation = [0, 0, 0]\n"
            f"matrix = [[1500, 0, {width / 2 - 0.5}], [0, 1500, {height / 2 - 0.5}], [0, 0, 1]]\n"
        )
        camera = read_calibration(calibration, {name: probe_video(path)}).cameras[name]
        assert camera.size == size and (camera.cx, camera.cy) == pytest.approx((size[0] / 2, size[1] / 2))
        found[name] = camera.fx
    assert found == pytest.approx({"whole": 1500.0, "padded": 1500.0 * 1080 / 1088, "night": 1500.0})
    printed = capsys.readouterr().out
    assert printed.count("taken as cut about the middle") == 2
    assert printed.count("taken as scaled as a whole, with bars at both ends") == 1


def test_a_crop_sees_what_it_kept() -> None:
    """A point's pixel in the cropped picture is its pixel in the whole one, less what was cut away."""
    points = np.random.default_rng(0).uniform(-0.2, 0.2, size=(20, 3)) + [0.0, 0.0, 2.0]
    whole, cropped = _CALIBRATED.project(points)[0], _CALIBRATED.fitted((1080, 1920)).project(points)[0]
    np.testing.assert_allclose(cropped, whole - [4.0, 0.0], atol=1e-9)


def test_the_record_of_a_run_holds_cameras_of_all_sizes(config: OwliiDataParserConfig, tmp_path: Path) -> None:
    run = tiny_config(METHODS["tnerf-resfields"], config.data, tmp_path / "outputs")
    run.preset = None  # of which a tiny method changes what these captures have nothing for
    assert isinstance(run.pipeline.datamanager, DynamicDataManagerConfig)
    run.pipeline.datamanager.dataparser = replace(config, data=Path())  # pyright: ignore[reportAttributeAccessIssue]
    trained(run)
    record = json.loads((run.get_base_dir() / "sequence.json").read_text())
    assert {(camera["width"], camera["height"]) for camera in record["train"]["cameras"]} == {(96, 64), (48, 40)}
