"""D-NeRF, Neural 3D Video and Nerfies captures: points land on their pixels, times are right, and methods train."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from nerfstudio.data.dataparsers.base_dataparser import DataParserConfig, DataparserOutputs
from nerfstudio.scripts.eval import ComputePSNR
from PIL import Image

from resfields_ns.captures.checks.layouts import recognise_dataparser
from resfields_ns.captures.sequence import Capture
from resfields_ns.data.dynamic_dataset import DynamicDataset
from resfields_ns.dataparsers.dnerf_capture import DNeRFCaptureConfig
from resfields_ns.dataparsers.n3v import N3VDataParserConfig
from resfields_ns.dataparsers.nerfies import NerfiesDataParserConfig
from resfields_ns.export.camera_paths import hold_camera, orbit, sweep_times
from resfields_ns.export.mesh_set import export_meshes
from resfields_ns.export.movies import render_movie
from resfields_ns.host.dataparsing import sequence_of
from resfields_ns.host.trained_run import load_trained_run
from tests.cases import over
from tests.methods import METHODS, tiny_config, trained
from tests.ray_family import without_clouds
from tests.small_captures import (
    NERFIES_TIMES,
    NUM_FRAMES,
    SIZE,
    nerfies_time,
    points_at,
    write_dnerf_capture,
    write_n3v_capture,
    write_nerfies_capture,
)


@dataclass(frozen=True)
class Format:
    """A layout of captures."""

    write: Callable[[Path], None]
    config: Callable[..., DataParserConfig]
    times: dict[str, list[float]]
    """Time of every image of a split, in the parser's order."""

    def parse(self, capture: Path, split: str = "train", **options: Any) -> DataparserOutputs:
        return self.config(data=capture, **options).setup().get_dataparser_outputs(split)


_EVEN = [frame / (NUM_FRAMES - 1) for frame in range(NUM_FRAMES)]
_NERFIES_EVEN = [nerfies_time(time) for time in NERFIES_TIMES]
FORMATS = {
    "dnerf": Format(
        write_dnerf_capture, DNeRFCaptureConfig, {"train": _EVEN, "val": [0.0, 0.5], "test": [1.0, 0.4, 2 / 3]}
    ),
    "n3v": Format(write_n3v_capture, N3VDataParserConfig, {"train": 3 * _EVEN, "val": _EVEN, "test": _EVEN}),
    "nerfies": Format(
        write_nerfies_capture,
        NerfiesDataParserConfig,
        {split: [*_NERFIES_EVEN, *([] if split == "train" else [2.5 / 3])] for split in ("train", "val", "test")},
    ),
}
SPLITS = {split: split for split in ("train", "val", "test")}


@pytest.fixture(scope="module")
def captures(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A capture in each of the layouts, by name; not to be changed."""
    folder = tmp_path_factory.mktemp("captures")
    for name, layout in FORMATS.items():
        layout.write(folder / name)
    return {name: folder / name for name in FORMATS}


def _centroids(image: torch.Tensor) -> torch.Tensor:
    """Middle (y, x) of the bright dot in each channel."""
    weights = torch.where(image > 0.3, image, 0.0).double()
    rows, columns = (torch.arange(length) + 0.5 for length in image.shape[:2])
    total = weights.sum(dim=(0, 1))
    y = (weights * rows[:, None, None]).sum(dim=(0, 1)) / total
    x = (weights * columns[None, :, None]).sum(dim=(0, 1)) / total
    return torch.stack([y, x], dim=-1)


def _errors_in_pixels(outputs: DataparserOutputs, index: int) -> torch.Tensor:
    """How far the rays through the dots of an image miss the points at the image's time."""
    dataset = DynamicDataset(outputs)
    to_world = sequence_of(outputs).to_world.matrix
    assert outputs.cameras.times is not None
    world = points_at(float(outputs.cameras.times[index]))
    points = torch.from_numpy((world - to_world[:3, 3]) / to_world[0, 0]).float()
    indices = torch.full((3, 1), index)
    rays = outputs.cameras.generate_rays(indices, coords=_centroids(dataset[index]["image"]).float())
    offset = points - rays.origins
    depth = (offset * rays.directions).sum(dim=-1, keepdim=True)
    assert (depth > 0).all() and (points.abs() < 1.0).all()
    return (offset - depth * rays.directions).norm(dim=-1) / depth[:, 0] * float(outputs.cameras.fx[index])


@over("image_scale", {"whole": 1.0, "half": 0.5, "other": 0.8})
@over("split", SPLITS)
@over("name", {name: name for name in FORMATS})
def test_points_land_on_their_pixels(name: str, split: str, image_scale: float, captures: dict[str, Path]) -> None:
    outputs = FORMATS[name].parse(captures[name], split, image_scale=image_scale)
    for index in range(len(outputs.image_filenames)):
        assert _errors_in_pixels(outputs, index).max() < 0.25


INTRINSICS = {"fl_x": 62.0, "fl_y": 59.0, "cx": 29.0, "cy": 18.0}
INTRINSICS |= {"k1": -0.05, "k2": 0.1, "k3": 0.02, "p1": 0.01, "p2": -0.015}


def _in_one_file(capture: Path, lists: bool = True, per_frame: bool = False) -> None:
    """Make nerfstudio's `transforms.json` of D-NeRF's files, with names of images in full."""
    frames, named = [], {}
    for split in SPLITS:
        path = capture / f"transforms_{split}.json"
        content = json.loads(path.read_text())
        for frame in content["frames"]:
            frame["file_path"] = frame["file_path"].removeprefix("./") + ".png"
            frame.update({key: content[key] for key in INTRINSICS if key in content} if per_frame else {})
        named[f"{split}_filenames"] = [frame["file_path"] for frame in content["frames"]]
        frames += content["frames"][::-1]
        path.unlink()
    shared = {} if per_frame else {key: content[key] for key in content if key != "frames"}
    whole = {"camera_model": "OPENCV", "frames": frames} | shared | (named if lists else {})
    (capture / "transforms.json").write_text(json.dumps(whole))


@over("image_scale", {"whole": 1.0, "other": 0.8})
@over("layout", {"shared": None, "one file": False, "each frame": True})
@over("scale", {"same": 1, "twice": 2})
def test_dnerf_intrinsics(scale: int, layout: bool | None, image_scale: float, tmp_path: Path) -> None:
    """They count before the angle, whether shared or of each frame, for pictures of any size."""
    write_dnerf_capture(tmp_path, intrinsics=INTRINSICS)
    for path in tmp_path.glob("*.json"):
        content = json.loads(path.read_text())
        content |= {key: scale * content[key] for key in ("fl_x", "fl_y", "cx", "cy")}
        path.write_text(json.dumps(content | {"w": scale * SIZE[0], "h": scale * SIZE[1]}))
    if layout is not None:
        _in_one_file(tmp_path, per_frame=layout)
        if layout:
            content = json.loads((tmp_path / "transforms.json").read_text())
            content |= {"w": scale * SIZE[0], "h": scale * SIZE[1], "fl_x": 1.0, "k1": 9.0}
            (tmp_path / "transforms.json").write_text(json.dumps(content))
    for split in SPLITS:
        outputs = FORMATS["dnerf"].parse(tmp_path, split, image_scale=image_scale)
        for index in range(len(outputs.image_filenames)):
            assert _errors_in_pixels(outputs, index).max() < 0.25


def test_one_file_of_all_splits(captures: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_dnerf_capture(tmp_path / "lists")
    _in_one_file(tmp_path / "lists")
    for split in SPLITS:
        expected = FORMATS["dnerf"].parse(captures["dnerf"], split)
        outputs = FORMATS["dnerf"].parse(tmp_path / "lists", split)
        assert outputs.cameras.times is not None and expected.cameras.times is not None
        torch.testing.assert_close(outputs.cameras.times, expected.cameras.times.flip(0))
        torch.testing.assert_close(outputs.cameras.camera_to_worlds, expected.cameras.camera_to_worlds.flip(0))
    write_dnerf_capture(tmp_path / "no lists")
    _in_one_file(tmp_path / "no lists", lists=False)
    everything, evaluation = (FORMATS["dnerf"].parse(tmp_path / "no lists", split) for split in ("train", "val"))
    assert len(everything.image_filenames) == NUM_FRAMES + 2 + 3
    assert evaluation.image_filenames == everything.image_filenames
    assert recognise_dataparser(tmp_path / "no lists") == "dnerf-capture"
    assert "has no val_filenames: evaluation uses the training images" in " ".join(capsys.readouterr().out.split())


def test_masks_that_the_file_names(tmp_path: Path) -> None:
    write_dnerf_capture(tmp_path, alpha=False)
    path = tmp_path / "transforms_train.json"
    content = json.loads(path.read_text())
    random = np.random.default_rng(0)
    masks = [np.where(random.random((SIZE[1], SIZE[0])) < 0.3, 255, 0).astype(np.uint8) for _ in range(NUM_FRAMES)]
    for index, (frame, mask) in enumerate(zip(content["frames"], masks, strict=True)):
        Image.fromarray(mask).save(tmp_path / f"mask{index}.png")
        frame["mask_path"] = f"mask{index}.png"
    path.write_text(json.dumps(content))
    loaded = DynamicDataset(FORMATS["dnerf"].parse(tmp_path)).load_arrays()["mask"]
    assert all(np.array_equal(mask > 127, array.numpy()) for mask, array in zip(masks, loaded, strict=True))


@over("split", SPLITS)
@over("name", {name: name for name in FORMATS})
def test_times_and_frames(name: str, split: str, captures: dict[str, Path]) -> None:
    outputs = FORMATS[name].parse(captures[name], split)
    times, capture = FORMATS[name].times[split], sequence_of(outputs)
    assert outputs.cameras.times is not None
    torch.testing.assert_close(outputs.cameras.times, torch.tensor(times, dtype=torch.float32)[:, None])
    assert capture.num_frames == NUM_FRAMES == len(capture.frames.numbers)
    positions = torch.tensor(times) * (NUM_FRAMES - 1)
    assert ((capture.frame_index - positions).abs() <= 0.5 + 1e-6).all()


@over("name", {name: name for name in FORMATS})
def test_outputs_are_what_the_project_expects(name: str, captures: dict[str, Path]) -> None:
    layout = FORMATS[name]
    outputs = layout.parse(captures[name])
    cameras, count = outputs.cameras, len(outputs.image_filenames)
    for field in ("fx", "fy", "cx", "cy", "times"):
        values = getattr(cameras, field)
        assert values.shape == (count, 1) and values.dtype == torch.float32
    assert layout.config().setup().includes_time
    assert outputs.scene_box.aabb.tolist() == [[-1.0] * 3, [1.0] * 3]
    assert len(sequence_of(outputs).images) == count
    normalised = torch.tensor([[0.3, -0.2, 0.5, 1.0]]) @ torch.eye(4)
    world = normalised @ torch.from_numpy(sequence_of(outputs).to_world.matrix).float().T
    back = outputs.dataparser_scale * (world @ torch.nn.functional.pad(outputs.dataparser_transform, (0, 0, 0, 1)).T)
    torch.testing.assert_close(back[:, :3], normalised[:, :3])


@over("name", {name: name for name in FORMATS})
def test_every_second_frame(name: str, captures: dict[str, Path]) -> None:
    outputs = FORMATS[name].parse(captures[name], frames="1:4:2")
    everything = FORMATS[name].parse(captures[name])
    assert list(sequence_of(outputs).frames.numbers) == list(sequence_of(everything).frames.numbers)[1::2]
    chosen = [i for i, frame in enumerate(sequence_of(everything).frame_index.tolist()) if frame in (1, 3)]
    assert outputs.image_filenames == [everything.image_filenames[i] for i in chosen]
    assert outputs.cameras.times is not None
    assert outputs.cameras.times[:, 0].tolist() == [0.0, 1.0] * (len(chosen) // 2)
    torch.testing.assert_close(outputs.cameras.camera_to_worlds, everything.cameras.camera_to_worlds[chosen])


@over("name", {name: name for name in FORMATS})
def test_chunks_of_frames_are_parts_of_the_whole(name: str, captures: dict[str, Path]) -> None:
    """In its space, with its cameras, and of its images those of their frames: what `rf-join` asks for."""
    whole = sequence_of(FORMATS[name].parse(captures[name]), Capture)
    for start, stop in ((0, 2), (2, 4)):
        chunk = sequence_of(FORMATS[name].parse(captures[name], frames=f"{start}:{stop}"), Capture)
        part = whole.between(start, stop)
        assert chunk.frames.numbers == part.frames.numbers
        assert [image.file for image in chunk.images] == [image.file for image in part.images]
        assert [image.frame_position for image in part.images] == [image.frame_position for image in chunk.images]
        assert np.array_equal(chunk.box, whole.box)
        assert np.array_equal(chunk.to_world.matrix, whole.to_world.matrix)


@over("name", {name: name for name in FORMATS})
def test_the_rate_is_that_of_the_frames(name: str, captures: dict[str, Path]) -> None:
    """Videos of 30 frames a second tell; times in [0, 1] and numbers do not."""
    rates = [sequence_of(FORMATS[name].parse(captures[name], frames=frames)).frames.rate for frames in ("::", "::2")]
    assert rates == (pytest.approx([30.0, 15.0], rel=1e-3) if name == "n3v" else [None, None])


def test_evaluation_keeps_to_the_chosen_frames(captures: dict[str, Path]) -> None:
    outputs = FORMATS["nerfies"].parse(captures["nerfies"], "val", frames="2:4")
    assert [path.stem[:6] for path in outputs.image_filenames] == ["000007", "000011", "000009"]
    assert outputs.cameras.times is not None
    assert outputs.cameras.times[:, 0].tolist() == [0.0, 1.0, 0.5]
    with pytest.raises(ValueError, match="transforms_val.json: expected images at the times of --frames 3, found none"):
        FORMATS["dnerf"].parse(captures["dnerf"], "val", frames="3")


def test_alpha_is_the_mask(captures: dict[str, Path], tmp_path: Path) -> None:
    outputs = FORMATS["dnerf"].parse(captures["dnerf"])
    masks = DynamicDataset(outputs).load_arrays()["mask"]
    for path, mask in zip(outputs.image_filenames, masks, strict=True):
        assert np.array_equal(np.array(Image.open(path))[..., 3] > 127, mask.numpy())
    assert 0.0 < masks.float().mean() < 0.5
    write_dnerf_capture(tmp_path / "opaque", alpha=False)
    opaque = FORMATS["dnerf"].parse(tmp_path / "opaque")
    assert not sequence_of(opaque, Capture).has_masks
    assert DynamicDataset(opaque).load_arrays().keys() == {"image"}


def test_colours_behind_alpha_do_not_bleed(captures: dict[str, Path], tmp_path: Path) -> None:
    """Made smaller, foreground keeps its colour whatever stands in transparent pixels."""
    write_dnerf_capture(tmp_path / "capture")
    for path in (tmp_path / "capture" / "train").iterdir():
        pixels = np.array(Image.open(path))
        pixels[..., :3] = np.where(pixels[..., 3:] > 0, [200, 100, 50], [0, 255, 255])
        Image.fromarray(pixels).save(path)
    dataset = DynamicDataset(FORMATS["dnerf"].parse(tmp_path / "capture", image_scale=0.4))
    item = dataset[0]
    foreground = item["image"][item["mask"][..., 0]] * 255.0
    assert len(foreground) > 5
    assert (foreground - torch.tensor([200.0, 100.0, 50.0])).abs().max() <= 2.0


def test_names_of_cameras(captures: dict[str, Path]) -> None:
    parsed = {name: sequence_of(FORMATS[name].parse(captures[name])) for name in FORMATS}
    names = {name: [image.camera_name for image in capture.images] for name, capture in parsed.items()}
    assert names["dnerf"] == ["train"] * NUM_FRAMES
    assert names["n3v"] == [camera for camera in ("cam01", "cam04", "cam10") for _ in range(NUM_FRAMES)]
    assert names["nerfies"] == ["camera_0", "camera_1"] * 2
    chosen = FORMATS["n3v"].parse(captures["n3v"], train_cameras=("cam10",), test_cameras=("cam01",))
    assert {image.camera_name for image in sequence_of(chosen).images} == {"cam10"}


def test_smaller_nerfies_images_come_from_the_nearest_folder(captures: dict[str, Path]) -> None:
    for image_scale, folder in [(1.0, "1x"), (0.6, "1x"), (0.5, "2x"), (0.3, "2x")]:
        outputs = FORMATS["nerfies"].parse(captures["nerfies"], image_scale=image_scale)
        assert {path.parent.name for path in outputs.image_filenames} == {folder}
        size = (int(outputs.cameras.width[0]), int(outputs.cameras.height[0]))
        assert size == tuple(int(2 * length * image_scale + 1e-6) for length in SIZE)


def test_nerfies_without_validation_or_camera_ids(tmp_path: Path) -> None:
    capture = tmp_path / "capture"
    write_nerfies_capture(capture)
    dataset = json.loads((capture / "dataset.json").read_text())
    (capture / "dataset.json").write_text(json.dumps({**dataset, "val_ids": []}))
    metadata = json.loads((capture / "metadata.json").read_text())
    times_ids = {item: {"time_id": facts["warp_id"], "warp_id": 0} for item, facts in metadata.items()}
    (capture / "metadata.json").write_text(json.dumps(times_ids))
    train, evaluation = (FORMATS["nerfies"].parse(capture, split) for split in ("train", "val"))
    assert evaluation.image_filenames == train.image_filenames
    assert list(sequence_of(evaluation).frames.numbers) == list(NERFIES_TIMES)
    assert {image.camera_name for image in sequence_of(evaluation).images} == {"camera"}


@pytest.fixture(scope="module", params=list(FORMATS))
def run(request, captures: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The config.yml of a short run on each of the layouts."""
    config = tiny_config(METHODS["tnerf-resfields"], captures[request.param], tmp_path_factory.mktemp("run"))
    without_clouds(config.pipeline)
    config.pipeline.datamanager.dataparser = FORMATS[request.param].config(image_scale=0.3)  # pyright: ignore
    config.max_num_iterations = 3
    trained(config)
    return config.get_base_dir() / "config.yml"


def test_evaluates(run: Path, tmp_path: Path) -> None:
    ComputePSNR(run, tmp_path / "metrics.json").main()
    results = json.loads((tmp_path / "metrics.json").read_text(), parse_constant=pytest.fail)["results"]
    assert len(results["per_frame"]) >= 3
    assert {frame["frame"] for frame in results["per_frame"]} <= set(results["facts"]["frames"])
    for metric in ("psnr", "ssim"):
        assert results[metric] == pytest.approx(np.mean([frame[metric] for frame in results["per_frame"]]))


def test_renders_and_exports(run: Path, tmp_path: Path) -> None:
    loaded = load_trained_run(run)
    assert loaded.num_frames == NUM_FRAMES
    for name, cameras in {
        "time": hold_camera(loaded.camera(None), sweep_times([0, 1], NUM_FRAMES, slow_motion=1)),
        "turn": orbit(loaded.train_dataset.cameras, loaded.box.mean(dim=0), torch.zeros(2)),
    }.items():
        render_movie(loaded, cameras, tmp_path / name, fps=24.0, output="rgb", scale=0.5)
        assert len(list((tmp_path / name).glob("*.png"))) == 2
    written = export_meshes(loaded, [1], tmp_path / "meshes", 16, "ply", "world", 65_536)
    numbers = list(sequence_of(loaded.train_dataset).frames.numbers)
    assert [path.name for path in written] == [f"mesh_{numbers[1]:06d}.ply"]
