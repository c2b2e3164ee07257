"""Videos as a task: what is trained on, what cameras see, what is measured, what movies show."""

import sys
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from nerfstudio.utils.eval_utils import eval_setup
from PIL import Image

from resfields_ns.commands import render
from resfields_ns.data.video_data import VideoDataManagerConfig
from resfields_ns.dataparsers.video_frames import VideoFramesDataParserConfig
from resfields_ns.functional.intersections import pixel_coordinates
from resfields_ns.functional.segments import TimedPoints
from resfields_ns.host.dataparsing import sequence_of
from resfields_ns.host.trained_run import load_trained_run
from resfields_ns.models.video_model import VideoModel, VideoModelConfig
from tests.family import Family
from tests.methods import METHODS, tiny_config, trained
from tests.video_family import HEIGHT, NUM_FRAMES, VIDEO_FAMILY, WIDTH, waves


@pytest.fixture(scope="module")
def video(tiny_data: Callable[[Family], Path]) -> Path:
    return tiny_data(VIDEO_FAMILY)


@pytest.fixture(scope="module")
def run(video: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The config.yml of a run that has learnt the waves, a fifth of whose pixels and frames were held out."""
    config = tiny_config(METHODS["video-resfields-small"], video, tmp_path_factory.mktemp("run"))
    datamanager, model = config.pipeline.datamanager, config.pipeline.model
    assert isinstance(datamanager, VideoDataManagerConfig) and isinstance(model, VideoModelConfig)
    model.field = replace(model.field, hidden_dim=32)
    datamanager.samples_per_batch = 400
    datamanager.dataparser = replace(datamanager.dataparser, held_out_pixels=0.2, held_out_frames=0.2)
    config.max_num_iterations = 250
    config.optimizers["field"]["optimizer"].lr = 3e-3
    trained(config)
    return config.get_base_dir() / "config.yml"


def _datamanager(video: Path, **options: Any) -> Any:
    dataparser = VideoFramesDataParserConfig(data=video, **options)
    return VideoDataManagerConfig(dataparser=dataparser, data=video).setup(device="cpu")


@pytest.mark.parametrize("options", [{}, {"held_out_frames": 0.4}, {"frames": "1:4", "held_out_pixels": 0.3}])
def test_batches_hold_the_colours_of_seen_pixels(video: Path, options: dict[str, Any]) -> None:
    datamanager = _datamanager(video, **options)
    frames = list(sequence_of(datamanager.eval_dataset).frames.numbers)
    hold_out = datamanager.train_dataset.hold_out
    for (coordinates, batch), held_out in ((datamanager.next_train(0), False), (datamanager.next_eval(0), True)):
        segments = coordinates.segments
        assert len(set(segments.sizes)) == 1 and (segments.times.diff() > 0.0).all()
        frame = (segments.expand(segments.times) * (len(frames) - 1)).round().long()
        y, x = (coordinates.positions.double() + 1.0).mul(0.5 * torch.tensor([HEIGHT - 1, WIDTH - 1])).round().long().T
        video_pixels = datamanager.train_dataset.pixels.array
        assert torch.equal(batch["image"], video_pixels[frame, y, x].float() / 255.0)
        masks = torch.stack([hold_out.mask(index) for index in range(len(frames))])
        assert (masks[frame, y * WIDTH + x] == held_out).all()


def test_items_are_the_videos_frames(video: Path) -> None:
    dataset = _datamanager(video, frames="0:5:2", image_scale=0.5).eval_dataset
    assert list(sequence_of(dataset).frames.numbers) == [0, 2, 4] and len(dataset) == 3
    for item, picture in zip(dataset, [waves()[frame] for frame in (0, 2, 4)], strict=False):
        assert item["image"].shape == (HEIGHT // 2, WIDTH // 2, 3) and item["held_out"].sum() == 4
        assert abs(255.0 * item["image"].mean().item() - picture.mean()) < 3.0


def test_without_anything_held_out_all_pixels_are_evaluated(video: Path) -> None:
    datamanager = _datamanager(video, held_out_pixels=0.0)
    coordinates, _ = datamanager.next_eval(0)
    assert len(coordinates.positions.unique(dim=0)) == HEIGHT * WIDTH


def test_a_long_video_is_seen_a_part_at_a_time(video: Path) -> None:
    dataparser = VideoFramesDataParserConfig(data=video)
    config = VideoDataManagerConfig(dataparser=dataparser, data=video, frames_per_batch=2, samples_per_batch=90)
    datamanager = config.setup(device="cpu")
    seen = [datamanager.next_train(step)[0].segments for step in range(30)]
    assert {segments.sizes for segments in seen} == {(45, 45)}
    assert len(torch.cat([segments.times for segments in seen]).unique()) == NUM_FRAMES


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"image_scale": 0.0}, "--image-scale: expected"),
        ({"held_out_pixels": 1.0}, "--held-out-pixels: expected at least 0 and below 1, got 1.0"),
        ({"held_out_frames": -0.1}, "--held-out-frames: expected at least 0 and below 1, got -0.1"),
        ({"hold_out_seed": -1}, "--hold-out-seed: expected 0 to 4294967295, got -1"),
        ({"image_scale": 0.1}, "--image-scale: expected at least 2x2 pixels to be left, found 0.1"),
        ({"frames": "0:9"}, "--frames: expected frames below 5, found '0:9'"),
    ],
)
def test_options_that_cannot_be_met(video: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}"):
        VideoFramesDataParserConfig(data=video, **options).setup()


def test_a_camera_before_the_picture_sees_what_the_field_says(run: Path) -> None:
    _, pipeline, _, _ = eval_setup(run)
    model = pipeline.model
    assert isinstance(model, VideoModel)
    points = pixel_coordinates(torch.arange(HEIGHT * WIDTH), HEIGHT, WIDTH)
    dataloader: Any = pipeline.datamanager.fixed_indices_eval_dataloader
    for index, (camera, batch) in enumerate(dataloader):
        outputs = model.get_outputs_for_camera(camera)
        with torch.no_grad():
            expected = model.field.values(TimedPoints.at(points, index / (NUM_FRAMES - 1))).clamp(0.0, 1.0)
        assert torch.allclose(outputs["rgb"].view(-1, 3), expected, atol=1e-3)
        assert (outputs["accumulation"] == 1.0).all()
        corner = torch.tensor([1.0 - 1.0 / WIDTH, (HEIGHT - 1.0) / WIDTH, 2.0]).norm()
        assert torch.allclose(outputs["depth"][0, 0], corner)
        values, pictures = model.get_image_metrics_and_images(outputs, batch)
        error = (outputs["rgb"] - batch["image"]).square()[batch["held_out"]].mean()
        assert values["psnr_test"] == pytest.approx(-10.0 * np.log10(error))
        assert ("psnr_train" in values) == (not batch["held_out"].all())
        assert pictures["img"].shape == (HEIGHT, 2 * WIDTH, 3)


@pytest.mark.parametrize("distance", [2.0, 4.0])
def test_a_camera_from_behind_sees_the_picture_mirrored_before_white(run: Path, distance: float) -> None:
    loaded = load_trained_run(run)
    camera = loaded.camera(None)
    front = loaded.model.get_outputs_for_camera(camera)["rgb"]
    behind = deepcopy(camera)
    turned = [[0.0, 0.0, -1.0, -distance], [-1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0]]
    behind.camera_to_worlds[0] = torch.tensor(turned)
    outputs = loaded.model.get_outputs_for_camera(behind)
    hit = outputs["accumulation"][..., 0] == 1.0
    assert hit.float().mean() == pytest.approx((2.0 / distance) ** 2)
    assert (outputs["rgb"][~hit] == 1.0).all() and (outputs["depth"][~hit] > distance).all()
    if distance == 2.0:
        assert torch.allclose(outputs["rgb"].flip(1), front, atol=1e-3)


def test_the_waves_are_learnt_and_filled_in(run: Path) -> None:
    _, pipeline, _, _ = eval_setup(run)
    results: Any = pipeline.get_average_eval_image_metrics()
    assert results["psnr_train"] > 25.0 and results["psnr_train"] > results["psnr_test"] > 10.0
    (held_out,) = results["facts"]["held_out_frames"]
    assert ["psnr_train" in frame for frame in results["per_frame"]].count(False) == 1
    assert "psnr_train" not in results["per_frame"][held_out]
    errors = [10.0 ** (-0.1 * frame["psnr_test"]) for frame in results["per_frame"]]
    assert results["psnr_test_pooled"] == pytest.approx(-10.0 * np.log10(np.mean(errors)))


@pytest.fixture
def rf_render(monkeypatch: pytest.MonkeyPatch, run: Path, tmp_path: Path) -> Callable[..., np.ndarray]:
    """Run rf-render on the run and return the pictures."""

    def pictures(mode: str, *options: str) -> np.ndarray:
        common = ["--load-config", str(run), "--output-path", str(tmp_path / "movie")]
        monkeypatch.setattr(sys, "argv", ["rf-render", mode, *common, *options])
        render.entrypoint()
        return np.stack([np.array(Image.open(path)) for path in sorted((tmp_path / "movie").iterdir())])

    return pictures


def test_a_movie_shows_the_original_beside_the_reconstruction(rf_render: Callable[..., np.ndarray]) -> None:
    movie = rf_render("video")
    assert movie.shape == (NUM_FRAMES, HEIGHT, 2 * WIDTH, 3)
    originals = np.stack(waves()).astype(float)
    assert np.abs(movie[:, :, :WIDTH] - originals).mean() < 2.0
    assert np.abs(movie[:, :, WIDTH:] - originals).mean(axis=(1, 2, 3)).min() < 15.0


def test_a_movie_is_refined_in_space_and_time(rf_render: Callable[..., np.ndarray]) -> None:
    movie = rf_render("video", "--scale", "2", "--slow-motion", "3", "--frames", "1:4")
    assert movie.shape == (7, 2 * HEIGHT, 4 * WIDTH, 3)
    assert all(np.array_equal(movie[0, :, : 2 * WIDTH], picture[:, : 2 * WIDTH]) for picture in movie[:2])
    assert all(not np.array_equal(movie[0, :, 2 * WIDTH :], picture[:, 2 * WIDTH :]) for picture in movie[1:])


@pytest.mark.parametrize("mode", ["time", "orbit", "freeze", "dataset"])
def test_every_movie_can_be_made_of_a_video(rf_render: Callable[..., np.ndarray], mode: str) -> None:
    options = ["--seconds", "0.25", "--fps", "16"] if mode in ("orbit", "freeze") else []
    assert rf_render(mode, *options).shape == (4 if options else NUM_FRAMES, HEIGHT, WIDTH, 3)


def test_only_a_video_has_an_original(
    monkeypatch: pytest.MonkeyPatch, tiny_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    command = ["rf-render", "video", "--load-config", str(tiny_run), "--output-path", str(tmp_path / "movie.mp4")]
    monkeypatch.setattr(sys, "argv", command)
    with pytest.raises(SystemExit, match="1"):
        render.entrypoint()
    assert "expected a run on a video, found one on a scene in space" in capsys.readouterr().err
    assert not (tmp_path / "movie.mp4").exists()
