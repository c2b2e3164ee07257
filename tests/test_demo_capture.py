"""The demo capture: made whole or not at all, the same for the same seed, and a moving, closed, textured creature."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trimesh
from PIL import Image

from resfields_ns.captures import demo_capture as demo_capture_module
from resfields_ns.captures.demo_capture import write_demo_capture
from resfields_ns.captures.demo_creature import Creature
from resfields_ns.commands.command_line import run_command
from resfields_ns.commands.demo_data import demo_data


def _contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()
    }


def test_same_seed_gives_the_same_bytes(demo_capture: Path, tmp_path: Path) -> None:
    write_demo_capture(tmp_path / "again", seed=0, num_frames=4, size=32)
    assert _contents(tmp_path / "again") == _contents(demo_capture)


def test_other_seed_gives_other_colours_and_motion(demo_capture: Path, tmp_path: Path) -> None:
    write_demo_capture(tmp_path / "other", seed=1, num_frames=4, size=32)
    first, other = _contents(demo_capture), _contents(tmp_path / "other")
    assert first.keys() == other.keys()
    same = {name for name in first if first[name] == other[name]}
    assert same == {name for name in first if name.endswith(".npz")}


def test_shine_changes_colours_alone(demo_capture: Path, tmp_path: Path) -> None:
    write_demo_capture(tmp_path / "shiny", num_frames=4, size=32, shine=1.0)
    matt, shiny = _contents(demo_capture), _contents(tmp_path / "shiny")
    assert {name for name in matt if matt[name] != shiny[name]} == {name for name in matt if "/rgb/" in name}
    colours = np.array(Image.open(tmp_path / "shiny" / "cam_train_1" / "rgb" / "000000.png")).reshape(-1, 3)
    seen = colours[np.array(Image.open(demo_capture / "cam_train_1" / "mask" / "000000.png")).reshape(-1) > 0]
    assert (seen == seen[:, :1]).all() and np.ptp(seen) > 150  # highlights have the colour of the lights


def test_layout(demo_capture: Path) -> None:
    cameras = ["cam_test", "cam_train_1", "cam_train_3", "cam_train_6", "cam_train_8"]
    frames = [f"{frame:06d}" for frame in range(4)]
    expected = {"aabb.txt"} | {f"{camera}/cameras_sphere.npz" for camera in cameras}
    expected |= {f"{camera}/{kind}/{f}.png" for camera in cameras for kind in ("rgb", "mask", "depth") for f in frames}
    expected |= {f"{kind}/{frame}.ply" for kind in ("cloud", "mesh") for frame in frames}
    assert _contents(demo_capture).keys() == expected


def test_background_is_black_and_has_no_depth(demo_capture: Path) -> None:
    for path in demo_capture.glob("*/mask/*.png"):
        mask = np.array(Image.open(path))
        colours = np.array(Image.open(path.parents[1] / "rgb" / path.name))
        depth = np.array(Image.open(path.parents[1] / "depth" / path.name))
        assert set(np.unique(mask)) == {0, 255}
        assert not colours[mask == 0].any()
        assert np.array_equal(depth > 0, mask > 0)
        assert not mask[[0, -1]].any() and not mask[:, [0, -1]].any()


def test_surface_is_closed_and_within_box_and_unit_sphere(demo_capture: Path) -> None:
    box = np.array([float(text) for text in (demo_capture / "aabb.txt").read_text().strip("[]\n").split(",")])
    for path in demo_capture.glob("mesh/*.ply"):
        mesh = trimesh.load(path, process=False)
        assert isinstance(mesh, trimesh.Trimesh)
        assert mesh.is_watertight and mesh.volume > 0
        cloud = trimesh.load(demo_capture / "cloud" / path.name)
        assert isinstance(cloud, trimesh.PointCloud)
        assert cloud.vertices.shape == (5000, 3)
        for points in (mesh.vertices, cloud.vertices):
            assert (points > box[:3]).all() and (points < box[3:]).all()
            assert np.linalg.norm(points, axis=1).max() < 1.0


@pytest.mark.parametrize("num_poses", [0, 4])
@pytest.mark.parametrize("seed", range(5))
def test_motion_is_periodic_and_large_but_not_wild(seed: int, num_poses: int) -> None:
    creature = Creature.from_seed(seed, num_poses)
    np.testing.assert_allclose(creature.vertices_at(0.0), creature.vertices_at(1.0), atol=1e-9)
    poses = np.stack([creature.vertices_at(phase) for phase in np.linspace(0.0, 1.0, 30, endpoint=False)])
    assert np.linalg.norm(poses - poses[0], axis=-1).max() > 0.4
    assert np.linalg.norm(np.diff(poses, axis=0), axis=-1).max() < 0.35
    assert np.linalg.norm(poses, axis=-1).max() < 1.0


def test_poses_follow_one_another_and_do_not_repeat() -> None:
    one, many = Creature.from_seed(0), Creature.from_seed(0, num_poses=20)
    assert np.array_equal(one.spots, many.spots) and np.array_equal(one.palette, many.palette)
    poses = np.stack([many.vertices_at(index / 20) for index in range(20)])
    apart = np.linalg.norm(poses[:, None] - poses, axis=-1).max(axis=-1)
    assert apart[~np.eye(20, dtype=bool)].min() > 0.1


def test_refuses_a_folder_in_use(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ValueError, match=f"{tmp_path}: expected a folder that is new or empty, found one that is in"):
        write_demo_capture(tmp_path)
    assert _contents(tmp_path) == {"notes.txt": b"mine"}


def test_refuses_the_rest_of_a_stopped_run(tmp_path: Path) -> None:
    (tmp_path / "demo.partial").mkdir()
    with pytest.raises(ValueError, match=r"demo\.partial: expected no such folder, found one left by a run"):
        write_demo_capture(tmp_path / "demo")


def test_fills_an_empty_folder(tmp_path: Path) -> None:
    write_demo_capture(tmp_path / "new" / "demo", num_frames=1, size=16)
    (tmp_path / "empty").mkdir()
    write_demo_capture(tmp_path / "empty", num_frames=1, size=16)
    assert _contents(tmp_path / "empty") == _contents(tmp_path / "new" / "demo")


def test_a_failed_run_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(demo_capture_module, "_write_images", fail)
    with pytest.raises(KeyboardInterrupt):
        write_demo_capture(tmp_path / "demo", num_frames=1, size=16)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"seed": -1}, "--seed: expected at least 0, got -1"),
        ({"num_frames": 0}, "--frames: expected at least 1, got 0"),
        ({"size": 8}, "--size: expected 16 to 2048, got 8"),
        ({"num_poses": -1}, "--poses: expected at least 0, got -1"),
        ({"shine": 1.5}, "--shine: expected 0 to 1, got 1.5"),
        ({"size": 100000}, "--size: expected 16 to 2048, got 100000"),
    ],
)
def test_numbers_out_of_range(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        write_demo_capture(tmp_path / "demo", **options)
    assert list(tmp_path.iterdir()) == []


def test_command_writes_the_capture(
    demo_capture: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "demo"
    monkeypatch.setattr(sys, "argv", ["rf-demo-data", str(out), "--frames", "4", "--size", "32"])
    run_command(demo_data)
    assert _contents(out) == _contents(demo_capture)
    assert str(out) in capsys.readouterr().out


def test_command_shows_a_mistake_as_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["rf-demo-data", str(tmp_path / "demo"), "--frames", "0"])
    with pytest.raises(SystemExit) as stop:
        run_command(demo_data)
    assert stop.value.code == 1
    assert capsys.readouterr().err == "Error: --frames: expected at least 1, got 0\n"


def test_command_has_help_with_an_example() -> None:
    command = [sys.executable, "-m", "resfields_ns.commands.demo_data", "--help"]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "Example: rf-demo-data demo --frames 30" in result.stdout
