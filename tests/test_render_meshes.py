"""rf-render-meshes: what it writes is what the meshes and the cameras say, read back by the owlii dataparser."""

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import trimesh
from nerfstudio.data.dataparsers.base_dataparser import DataparserOutputs
from PIL import Image

from resfields_ns.captures.sequence import Capture
from resfields_ns.commands import render_meshes
from resfields_ns.data.dynamic_dataset import DynamicDataset
from resfields_ns.dataparsers.owlii import OwliiDataParserConfig
from resfields_ns.host.dataparsing import sequence_of

_RADIUS = 0.05  # metres
_CENTRES = np.array([[0.0, 0.0, 0.0], [0.5, 0.3, 0.1], [0.2, 0.9, -0.4]])  # of the ball at each frame, metres
_CAMERAS = ["cam_test", "cam_train_1", "cam_train_3", "cam_train_6", "cam_train_8"]
Command = Callable[..., Path]


@pytest.fixture
def balls(tmp_path: Path) -> Path:
    """A ball whose place differs from frame to frame; red, then green, then blue; in centimetres."""
    folder = tmp_path / "balls"
    folder.mkdir()
    for frame, centre in enumerate(_CENTRES):
        ball = trimesh.creation.icosphere(subdivisions=4, radius=100 * _RADIUS)
        colours = np.tile(np.eye(3, dtype=np.uint8)[frame] * 255, (len(ball.vertices), 1))
        ball = trimesh.Trimesh(ball.vertices + 100 * centre, ball.faces, vertex_colors=colours, process=False)
        ball.export(folder / f"ball_{frame}.ply")
    return folder


@pytest.fixture
def rf_render_meshes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Command:
    """Run rf-render-meshes on a source; returns the capture's folder, `out` of `tmp_path`."""

    def run(source: Path, *options: object, out: str = "out") -> Path:
        folder = tmp_path / out
        arguments = ["rf-render-meshes", str(source), str(folder), *map(str, options)]
        monkeypatch.setattr(sys, "argv", arguments)
        render_meshes.entrypoint()
        return folder

    return run


def _parse(capture: Path, split: str = "train", **options: Any) -> DataparserOutputs:
    return OwliiDataParserConfig(data=capture, **options).setup().get_dataparser_outputs(split)


def _contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def _normalised(outputs: DataparserOutputs, world: np.ndarray) -> torch.Tensor:
    points = (
        torch.from_numpy(world).float() @ outputs.dataparser_transform[:, :3].T + outputs.dataparser_transform[:, 3]
    )
    return outputs.dataparser_scale * points


def _project(outputs: DataparserOutputs, index: int, point: torch.Tensor) -> tuple[float, float]:
    cameras = outputs.cameras
    local = (point - cameras.camera_to_worlds[index, :, 3]) @ cameras.camera_to_worlds[index, :, :3]
    x = cameras.cx[index] - cameras.fx[index] * local[0] / local[2]
    y = cameras.cy[index] + cameras.fy[index] * local[1] / local[2]
    return x.item(), y.item()


_ALL_BALLS = ("--metres-per-unit", 0.01, "--size", 160, 120, "--fov", 30)


@pytest.mark.parametrize("split", ["train", "test"])
def test_known_points_land_on_their_pixels_at_their_frames(balls: Path, rf_render_meshes: Command, split: str) -> None:
    """The ball's mask lies around the projection of its centre, in the colour of its frame."""
    outputs = _parse(rf_render_meshes(balls, *_ALL_BALLS), split)
    dataset = DynamicDataset(outputs)
    assert outputs.cameras.times is not None
    for index in range(len(dataset)):
        frame = int(sequence_of(outputs).frame_index[index])
        assert outputs.cameras.times[index].item() == pytest.approx(frame / 2.0)
        item = dataset[index]
        rows, columns = torch.nonzero(item["mask"][..., 0], as_tuple=True)
        assert len(rows) > 20
        x, y = _project(outputs, index, _normalised(outputs, _CENTRES[frame]))
        assert columns.float().mean().item() + 0.5 == pytest.approx(x, abs=0.5)
        assert rows.float().mean().item() + 0.5 == pytest.approx(y, abs=0.5)
        colour = item["image"][round(y - 0.5), round(x - 0.5)]
        torch.testing.assert_close(colour, torch.eye(3)[frame])


@pytest.mark.parametrize("split", ["train", "test"])
def test_depth_is_that_of_the_ball_within_a_millimetre(balls: Path, rf_render_meshes: Command, split: str) -> None:
    outputs = _parse(rf_render_meshes(balls, *_ALL_BALLS), split)
    dataset = DynamicDataset(outputs)
    to_metres = 1.0 / outputs.dataparser_scale
    for index in range(len(dataset)):
        depth, mask = dataset[index]["depth"], dataset[index]["mask"]
        assert not (depth > 0)[~mask].any()
        assert (depth > 0)[mask].float().mean() > 0.85  # the others see the surface, but not at their centre
        rays = outputs.cameras.generate_rays(camera_indices=index)
        points = (rays.origins + depth * rays.directions)[depth[..., 0] > 0]
        centre = _normalised(outputs, _CENTRES[int(sequence_of(outputs).frame_index[index])])
        along = (rays.directions[depth[..., 0] > 0] @ (centre - rays.origins[0, 0])).double() * to_metres
        offset = (centre - rays.origins[0, 0]).norm().double() ** 2 * to_metres**2 - along**2
        central = offset < (0.7 * _RADIUS) ** 2  # away from the rim, where a millimetre of depth is nothing
        expected = along[central] - (_RADIUS**2 - offset[central]).sqrt()
        found = depth[depth[..., 0] > 0][:, 0].double()[central] * to_metres
        assert (found - expected).abs().max() < 1e-3
        assert ((points - centre).norm(dim=-1) * to_metres - _RADIUS).abs().max() < 1e-3


def test_layout_box_and_surfaces(balls: Path, rf_render_meshes: Command) -> None:
    capture = rf_render_meshes(balls, *_ALL_BALLS)
    frames = ["000000", "000001", "000002"]
    expected = {"aabb.txt", "conversion.json"} | {f"{camera}/cameras_sphere.npz" for camera in _CAMERAS}
    expected |= {f"{camera}/{kind}/{f}.png" for camera in _CAMERAS for kind in ("rgb", "mask", "depth") for f in frames}
    expected |= {f"{kind}/{frame}.ply" for kind in ("cloud", "mesh") for frame in frames}
    assert _contents(capture).keys() == expected
    outputs = _parse(capture)
    lower, upper = _CENTRES.min(axis=0) - _RADIUS, _CENTRES.max(axis=0) + _RADIUS
    padding = 0.05 * (upper - lower).max()
    box = torch.stack([_normalised(outputs, lower - padding), _normalised(outputs, upper + padding)])
    torch.testing.assert_close(outputs.scene_box.aabb, box, atol=2e-6, rtol=0)
    half_diagonal = np.linalg.norm(upper - lower) / 2.0
    assert 1.0 / outputs.dataparser_scale == pytest.approx(1.05 * half_diagonal, rel=1e-5)
    for frame, centre in enumerate(_CENTRES):
        for kind in ("mesh", "cloud"):
            surface = trimesh.load(capture / kind / f"00000{frame}.ply", process=False)
            assert isinstance(surface, trimesh.Trimesh | trimesh.PointCloud)
            offset = torch.from_numpy(np.array(surface.vertices)).float() - _normalised(outputs, centre)
            distances = offset.norm(dim=-1) / outputs.dataparser_scale
            assert (distances - _RADIUS).abs().max() < 2e-4


def test_given_cameras_see_what_their_capture_shows(demo_capture: Path, rf_render_meshes: Command) -> None:
    """The demo capture's own meshes, placed by themselves: masks and depth through pixel centres are the same."""
    capture = rf_render_meshes(demo_capture / "mesh", "--cameras-of", demo_capture, "--samples", 1)
    for path in demo_capture.glob("*/mask/*.png"):
        other = capture / path.relative_to(demo_capture)
        np.testing.assert_array_equal(np.array(Image.open(path)), np.array(Image.open(other)))
        depths = [np.array(Image.open(p.parents[1] / "depth" / p.name)).astype(int) for p in (path, other)]
        assert np.abs(depths[0] - depths[1]).max() <= 1
    for camera in _CAMERAS:
        ours, theirs = (np.load(folder / camera / "cameras_sphere.npz") for folder in (capture, demo_capture))
        assert set(ours) == set(theirs)
        assert all(np.allclose(ours[key], theirs[key], rtol=1e-12, atol=1e-12) for key in ours)


def test_given_cameras_at_another_size_and_frames(demo_capture: Path, rf_render_meshes: Command) -> None:
    options = ["--cameras-of", demo_capture, "--size", 64, 96, "--frames", "1:4:2"]
    whole, large = (
        _parse(demo_capture, "test", frames="1:4:2"),
        _parse(rf_render_meshes(demo_capture / "mesh", *options), "test"),
    )
    assert len(large.image_filenames) == 2
    for index in range(2):
        x, y = _project(whole, index, torch.tensor([0.1, 0.2, 0.3]))
        assert _project(large, index, torch.tensor([0.1, 0.2, 0.3])) == pytest.approx((2 * x, 3 * y), abs=1e-3)
        small, tall = (DynamicDataset(outputs)[index]["mask"][..., 0].float() for outputs in (whole, large))
        coarse = tall.reshape(32, 3, 32, 2).mean(dim=(1, 3))
        assert ((coarse - small).abs() > 0.8).float().mean() < 0.01


def test_antialiasing_is_the_mean_over_the_pixel(balls: Path, rf_render_meshes: Command) -> None:
    """Red channels of one large image, averaged over 3 x 3 pixels, are the small image's of 3 x 3 samples."""
    options = ["--metres-per-unit", 0.01, "--rig", "rgbd", "--frames", "0"]
    small = rf_render_meshes(balls, *options, "--size", 64, 64, "--samples", 3)
    large = rf_render_meshes(balls, *options, "--size", 192, 192, "--samples", 1, out="large")
    for camera in ("cam_train_1", "cam_test"):
        few, many = (np.array(Image.open(f / camera / "rgb" / "000000.png"))[..., 0] / 255.0 for f in (small, large))
        mean = many.reshape(64, 3, 64, 3).mean(axis=(1, 3))
        np.testing.assert_allclose(few, mean, atol=1.0 / 255.0)
        mask = np.array(Image.open(small / camera / "mask" / "000000.png")) > 0
        np.testing.assert_array_equal(mask, mean >= 0.5)


def test_up_axis_and_offset(balls: Path, rf_render_meshes: Command) -> None:
    options = ["--metres-per-unit", 0.02, "--up", "z", "--offset", 1, 2, 3, "--rig", "rgbd", "--size", 32, 32]
    outputs = _parse(
        rf_render_meshes(balls, *options), train_cameras=("cam_train_1", "cam_train_2"), test_cameras=("cam_test",)
    )
    meshes = sequence_of(outputs, Capture).meshes
    assert meshes is not None
    for path, (x, y, z) in zip(meshes, _CENTRES, strict=True):
        mesh = trimesh.load(path, process=False)
        assert isinstance(mesh, trimesh.Trimesh)
        world = _normalised(outputs, np.array([1 + 2 * x, 2 + 2 * z, 3 - 2 * y]))
        torch.testing.assert_close(torch.from_numpy(mesh.bounds.mean(axis=0)).float(), world, atol=1e-5, rtol=0)


def test_noise_of_a_depth_camera(balls: Path, rf_render_meshes: Command) -> None:
    exact = rf_render_meshes(balls, *_ALL_BALLS, out="exact")
    noisy = rf_render_meshes(balls, *_ALL_BALLS, "--depth-noise", 10, out="noisy")
    again = rf_render_meshes(balls, *_ALL_BALLS, "--depth-noise", 10, out="again")
    other = rf_render_meshes(balls, *_ALL_BALLS, "--depth-noise", 10, "--seed", 1, out="other")
    assert _contents(noisy) == _contents(again)
    for path in exact.glob("*/depth/*.png"):
        before, after, seed_1 = (
            np.array(Image.open(folder / path.relative_to(exact))).astype(float) for folder in (exact, noisy, other)
        )
        assert (after != seed_1).any()
        assert not after[before == 0].any()
        read = after > 0
        assert 0.3 < read.sum() / (before > 0).sum() < 1.0
        steps = 1e5 / after[read]
        assert np.abs(steps - np.round(steps)).max() < 0.02
    differing = {name for name, data in _contents(exact).items() if data != _contents(noisy)[name]}
    assert all("/depth/" in name for name in differing - {"conversion.json"})


def test_rig_of_a_file(balls: Path, rf_render_meshes: Command, tmp_path: Path) -> None:
    rig = tmp_path / "rig.json"
    cameras = {"one": {"azimuth": 0}, "cam_test": {"azimuth": 90, "turns": 1}}
    rig.write_text(json.dumps({"size": [40, 30], "elevation": 5, "cameras": cameras}))
    capture = rf_render_meshes(balls, "--rig", rig, "--metres-per-unit", 0.01)
    outputs = _parse(capture, train_cameras=("one",))
    assert Image.open(outputs.image_filenames[0]).size == (40, 30)


def test_says_what_it_wrote(demo_capture: Path, rf_render_meshes: Command, capsys: pytest.CaptureFixture[str]) -> None:
    out = rf_render_meshes(demo_capture / "mesh", "--cameras-of", demo_capture)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"Wrote 4 frames of 5 cameras, 32 x 32 pixels, to {out}"
    scale, *offset = [float(text) for text in re.findall(r"-?\d[\d.e-]*", lines[2].partition(":")[2])]
    np.testing.assert_allclose([scale, *offset], [0.8, 0.4, 1.1, -0.3], atol=1e-6)
    options = "--train-cameras cam_train_1 cam_train_3 cam_train_6 cam_train_8 --test-cameras cam_test"
    assert lines[3] == f"Look it over: rf-check {out} -- {options}"
    assert lines[4] == f"Train with: ns-train tnerf-resfields-small --data {out} owlii {options}"


# Mistakes


def _expect(capsys: pytest.CaptureFixture[str], run: Callable[[], object], *parts: object) -> None:
    """The command ends with exit code 1, and a last line that holds all `parts` in order."""
    with pytest.raises(SystemExit) as stop:
        run()
    assert stop.value.code == 1
    pattern = ".*".join(re.escape(str(part)) for part in parts)
    line = capsys.readouterr().err.split("Error: ")[-1]
    assert re.search(pattern, line.replace("\n", " ")), line


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--samples", 0], "--samples: expected 1 to 16, got 0"),
        (["--depth-noise", -1], "--depth-noise: expected 0 to 1000, got -1"),
        (["--seed", -1], "--seed: expected at least 0, got -1"),
        (["--size", 8, 64], "--size: expected 16 to 8192, got 8"),
        (["--rig", "circle"], "--rig: expected paper, rgbd or dome:N, or a JSON file, found 'circle'"),
        (["--rig", "no.json"], "no.json: expected a JSON file, found no such file"),
        (["--rig", "no.json", "--fov", 30], "--fov: expected only with a preset as --rig, found 30"),
        (["--rig", "paper", "--cameras-of", "x"], "--rig: expected none with --cameras-of, found 'paper'"),
        (["--cameras-of", "x", "--radius", 3], "--radius: expected only with a preset as --rig, found 3"),
        (["--cameras-of", "no"], "no: expected the folder of a capture, found no such folder"),
        (["--frames", "0:9"], "--frames: expected frames below 3, found '0:9'"),
        (["--metres-per-unit", 0], "--metres-per-unit: expected above 0, got 0"),
        (["--offset", "nan", 0, 0], "--offset: expected a finite number, got nan"),
        ([], "--metres-per-unit: expected meshes up to 65.535 m away, found"),
        (["--fps", 3], "--fps: expected with a .glb or .gltf file, found with"),
    ],
)
def test_options_out_of_range(
    balls: Path,
    rf_render_meshes: Command,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    options: list[object],
    message: str,
) -> None:
    _expect(capsys, lambda: rf_render_meshes(balls, *options), message)
    assert list(tmp_path.iterdir()) == [balls]


def test_capture_with_fewer_frames_meshes_or_another_place(
    balls: Path, demo_capture: Path, rf_render_meshes: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capture = rf_render_meshes(balls, *_ALL_BALLS, "--frames", "0:2", out="short")
    few = [balls, "--cameras-of", capture]
    _expect(capsys, lambda: rf_render_meshes(*few), f"--cameras-of: expected 3 frames in {capture}, found 2")
    (capture / "mesh" / "000001.ply").unlink()
    few += ["--frames", "0:2"]
    _expect(capsys, lambda: rf_render_meshes(*few), "--cameras-of: expected 2 meshes in", "--offset, found 1")
    far = [balls, "--cameras-of", demo_capture, "--metres-per-unit", 1]
    _expect(capsys, lambda: rf_render_meshes(*far), "--metres-per-unit, --offset: expected meshes within the capture's")
    empty = tmp_path / "empty"
    empty.mkdir()
    none = [balls, "--cameras-of", empty]
    _expect(capsys, lambda: rf_render_meshes(*none), "--cameras-of: expected a capture with camera folders, found none")


def test_flat_to_a_point(tmp_path: Path, rf_render_meshes: Command, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "points").mkdir()
    (tmp_path / "points" / "a.obj").write_text("v 1 1 1\nv 1 1 1\nv 1 1 1\nf 1 2 3\n")
    _expect(capsys, lambda: rf_render_meshes(tmp_path / "points"), "expected meshes with an extent, found all vertices")
