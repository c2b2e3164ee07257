"""Scenes of one frame: every layout has them, what is for changes over time is left out, and all times look alike."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from resfields_ns.commands import render
from resfields_ns.dataparsers.dnerf_capture import DNeRFCaptureConfig
from resfields_ns.dataparsers.kinect_rgbd import KinectRGBDDataParserConfig
from resfields_ns.dataparsers.n3v import N3VDataParserConfig
from resfields_ns.dataparsers.nerfies import NerfiesDataParserConfig
from resfields_ns.fields.densities import LaplaceDensity
from resfields_ns.fields.dynamic_field import DynamicField
from resfields_ns.fields.warps import IdentityWarp
from resfields_ns.functional.segments import TimedPoints, TimeSegments
from resfields_ns.host.dataparsing import sequence_of
from resfields_ns.host.trained_run import load_trained_run
from tests.cases import over
from tests.family import Family
from tests.methods import FIELDS, METHODS, tiny_config, trained
from tests.ray_family import STILL_FAMILY, without_clouds
from tests.small_captures import NUM_FRAMES, write_dnerf_capture, write_n3v_capture, write_nerfies_capture


def _write_still_capture(folder: Path, splits: tuple[str, ...] = ("train", "val", "test")) -> None:
    """D-NeRF's layout without times."""
    write_dnerf_capture(folder)
    for split in splits:
        path = folder / f"transforms_{split}.json"
        content = json.loads(path.read_text())
        for frame in content["frames"]:
            del frame["time"]
        path.write_text(json.dumps(content))


LAYOUTS: dict[str, tuple[Callable[[Path], None], Any, str, int]] = {
    "dnerf": (write_dnerf_capture, DNeRFCaptureConfig, "2", 1),
    "transforms without times": (_write_still_capture, DNeRFCaptureConfig, "::", NUM_FRAMES),
    "n3v": (write_n3v_capture, N3VDataParserConfig, "1", 3),
    "nerfies": (write_nerfies_capture, NerfiesDataParserConfig, "1", 1),
}
"""How a layout is written and read, the frame that is chosen, and how many training images there are of it."""


def _train(data: Path, parser: Any, folder: Path) -> Path:
    """The config.yml of a short run."""
    config = tiny_config(METHODS["tnerf-resfields"], data, folder)
    without_clouds(config.pipeline)
    config.pipeline.datamanager.dataparser = parser  # pyright: ignore[reportAttributeAccessIssue]
    config.max_num_iterations = 2
    assert trained(config).step == 1
    return config.get_base_dir() / "config.yml"


@over("layout", LAYOUTS)
def test_every_layout_has_scenes_of_one_frame(layout: tuple[Any, Any, str, int], tmp_path: Path) -> None:
    write, parser, frames, count = layout
    write(tmp_path / "capture")
    run = _train(tmp_path / "capture", parser(frames=frames, image_scale=0.5), tmp_path / "run")
    sequence = load_trained_run(run).sequence
    assert sequence.num_frames == 1 and [image.frame_position for image in sequence.images] == [0.0] * count


def test_cameras_with_depth_have_scenes_of_one_frame(rgbd_capture: Path, tmp_path: Path) -> None:
    parser = KinectRGBDDataParserConfig(frames="1")
    run = load_trained_run(_train(rgbd_capture, parser, tmp_path / "run"))
    assert run.num_frames == 1 and len(run.sequence.images) == len(run.sequence.camera_names)


def test_all_images_without_times_are_seen_by_a_batch(tmp_path: Path) -> None:
    _write_still_capture(tmp_path / "capture")
    config = tiny_config(METHODS["tnerf-resfields"], tmp_path / "capture", tmp_path / "run")
    config.pipeline.datamanager.dataparser = DNeRFCaptureConfig()  # pyright: ignore[reportAttributeAccessIssue]
    datamanager: Any = config.pipeline.datamanager.setup(device="cpu", test_mode="val")
    rays, batch = datamanager.next_train(0)
    assert len(batch["indices"][:, 0].unique()) == NUM_FRAMES and rays.times.unique().tolist() == [0.0]
    assert len(sequence_of(datamanager.eval_dataset).images) == 2


def test_times_of_training_images_need_those_of_the_others(tmp_path: Path) -> None:
    _write_still_capture(tmp_path / "capture", splits=("test",))
    with pytest.raises(ValueError, match=r"transforms_test.json: frame 0: expected the key 'time'"):
        DNeRFCaptureConfig(data=tmp_path / "capture").setup().get_dataparser_outputs("test")


@over("config", FIELDS)
def test_one_frame_has_no_residuals_no_warp_and_one_look(config, capsys: pytest.CaptureFixture[str]) -> None:
    field = config.setup(num_frames=1, density=LaplaceDensity(0.1))
    assert isinstance(field, DynamicField) and isinstance(field.warp, IdentityWarp)
    assert not [name for name, _ in field.mlp.named_parameters() if "basis" in name or "table" in name]
    assert capsys.readouterr().out.count("One frame: layers") == 1
    positions = torch.rand(2, 3).repeat(3, 1)
    points = TimedPoints(positions, TimeSegments(torch.tensor([0.0, 0.3, 1.0]), (2, 2, 2)))
    number, feature = field.raw_and_feature(points)
    first, *others = feature.split(2)
    assert all(torch.allclose(first, other) for other in others)
    loss = number.sum() + field.colour(feature, positions).sum()
    parameters = set(field.parameters()) - set(field.density.parameters())
    assert all(each is not None for each in torch.autograd.grad(loss, list(parameters), allow_unused=True))


@pytest.fixture(scope="module")
def still_run(tiny_data: Callable[[Family], Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The config.yml of a short run before a scene that stands still."""
    config = tiny_config(METHODS["nerf-resfields-small"], tiny_data(STILL_FAMILY), tmp_path_factory.mktemp("run"))
    trained(config)
    return config.get_base_dir() / "config.yml"


@pytest.mark.parametrize("movie", [["time"], ["orbit", "--seconds", "0.2"], ["freeze", "--seconds", "0.2"]])
def test_movies(still_run: Path, tmp_path: Path, movie: list[str], monkeypatch, capsys) -> None:
    arguments = ["rf-render", *movie, "--load-config", str(still_run), "--output-path", str(tmp_path / "film")]
    monkeypatch.setattr(sys, "argv", arguments)
    render.entrypoint()
    assert len(list((tmp_path / "film").glob("*.png"))) == (1 if movie == ["time"] else 5)
    assert ("One frame: the movie is a single picture" in capsys.readouterr().out) == (movie == ["time"])


@pytest.mark.parametrize(
    ("option", "value"),
    [("model.field.residual-layers", (1, 2)), ("model.refine-times", True), ("datamanager.frames-per-batch", 2)],
)
def test_what_is_set_for_changes_over_time_is_refused(
    option: str, value: Any, tiny_data: Callable[[Family], Path], tmp_path: Path
) -> None:
    config = tiny_config(METHODS["tnerf-resfields"], tiny_data(STILL_FAMILY), tmp_path)
    *path, name = option.replace("-", "_").split(".")
    holder: Any = config.pipeline
    for part in path:
        holder = getattr(holder, part)
    setattr(holder, name, value)
    with pytest.raises(ValueError, match=f"^--pipeline.{option}: expected .* as it does nothing while .* second frame"):
        config.setup(local_rank=0, world_size=1).setup()
