"""Rigs: cameras that look at the middle and see all of the sphere; files that say so; mistakes that are named."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from resfields_ns.captures.meshes.rigs import Rig, RigView, preset_rig, read_rig

_SIZE = (200, 120)
_PAPER = ["cam_train_1", "cam_train_3", "cam_train_6", "cam_train_8", "cam_test"]


@pytest.mark.parametrize(
    ("name", "cameras"),
    [
        ("paper", _PAPER),
        ("rgbd", ["cam_train_1", "cam_train_2", "cam_train_3", "cam_test"]),
        ("dome:12", [*(f"cam_train_{index}" for index in range(1, 13)), "cam_test"]),
    ],
)
def test_presets_look_at_the_middle_from_where_no_other_camera_is(name: str, cameras: list[str]) -> None:
    rig = preset_rig(name, None, None, None)
    assert list(rig.cameras) == cameras
    centres = []
    for camera in rig.cameras.values():
        first = camera.cameras(4, _SIZE)[0]
        centre, forward = first.centre, first.pose[:, 2]
        np.testing.assert_allclose(centre, -np.linalg.norm(centre) * forward, atol=1e-9)
        np.testing.assert_allclose([first.cx, first.cy], [100.0, 60.0], atol=1e-6)
        assert first.pose[1, 1] < 0.0  # up is up
        assert centre[1] > 0.0
        centres.append(centre / np.linalg.norm(centre))
    cosines = np.stack(centres) @ np.stack(centres).T - 2.0 * np.eye(len(centres))
    assert cosines.max() < np.cos(np.radians(10.0))


@pytest.mark.parametrize("fov", [20.0, 40.0, 90.0])
def test_the_sphere_fits_closely_into_the_shorter_side(fov: float) -> None:
    for camera in RigView(30.0, 20.0, fov=fov).cameras(1, _SIZE):
        distance = np.linalg.norm(camera.centre)
        radius = camera.fx * np.tan(np.arcsin(1.0 / distance))
        assert 0.9 * 60.0 < radius < 60.0
        assert camera.fx == pytest.approx(60.0 / np.tan(np.radians(fov / 2.0)))
        assert camera.fy == pytest.approx(camera.fx)


def test_place_of_a_camera_and_its_way_around() -> None:
    """Azimuth 0 is +z and 90 is +x; half a turn in four frames goes on by 45 degrees."""
    for frame, camera in enumerate(RigView(90.0, 30.0, turns=0.5, radius=2.0).cameras(4, _SIZE)):
        azimuth, elevation = np.radians([90.0 + 45.0 * frame, 30.0])
        way = np.array([np.sin(azimuth) * np.cos(elevation), np.sin(elevation), np.cos(azimuth) * np.cos(elevation)])
        np.testing.assert_allclose(camera.centre, 2.0 * way, atol=1e-9)


def test_numbers_of_presets() -> None:
    for name in ("paper", "rgbd", "dome:5"):
        rig = preset_rig(name, 30.0, 55.0, 2.5)
        assert min(camera.elevation for camera in rig.cameras.values()) >= 30.0
        assert {(camera.fov, camera.radius) for camera in rig.cameras.values()} == {(55.0, 2.5)}


@pytest.mark.parametrize(
    ("name", "numbers", "message"),
    [
        ("circle", {}, "--rig: expected paper, rgbd or dome:N, or a JSON file, found 'circle'"),
        ("dome:0", {}, "--rig: expected dome:1 to dome:500, found dome:0"),
        ("dome:9999999999", {}, "--rig: expected dome:1 to dome:500"),
        ("paper", {"elevation": 100.0}, "elevation: expected -90 to 90, got 100"),
        ("paper", {"fov": 180.0}, "fov: expected 1 to 170, got 180"),
        ("paper", {"radius": 0.0}, "radius: expected above 0, got 0"),
    ],
)
def test_presets_that_are_none(name: str, numbers: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        preset_rig(name, **({"elevation": None, "fov": None, "radius": None} | numbers))


def test_rig_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "rig.json"
    content = {
        "size": [64, 48],
        "fov": 50,
        "elevation": 10,
        "cameras": {
            "left": {"azimuth": -30},
            "cam_test": {"azimuth": 5.5, "elevation": 20, "turns": 1, "fov": 60, "radius": 3},
        },
    }
    path.write_text(json.dumps(content))
    left, test = RigView(-30.0, 10.0, fov=50.0), RigView(5.5, 20.0, turns=1.0, fov=60.0, radius=3.0)
    assert read_rig(path) == Rig({"left": left, "cam_test": test}, (64, 48))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({}, "cameras: expected an object with one camera or more, found None"),
        ({"cameras": {}}, "cameras: expected an object with one camera or more, found {}"),
        ({"cameras": {"a": {"azimuth": 0}}}, "a: expected the key 'elevation', found azimuth"),
        ({"cameras": {"a": [1]}}, "a: expected an object, found [1]"),
        ({"cameras": {"a": {"azimuth": "x", "elevation": 0}}}, "a: azimuth: expected a number, found 'x'"),
        ({"cameras": {"a": {"angle": 0}}}, "a: expected keys out of azimuth, elevation, turns, fov, radius, found"),
        ({"cameras": {"a": {"azimuth": 0, "elevation": 95}}}, "a: elevation: expected -90 to 90, got 95"),
        ({"cameras": {"a/b": {"azimuth": 0, "elevation": 0}}}, "a/b: expected a name of letters, digits, _ and -"),
        ({"cameras": {"mesh": {"azimuth": 0, "elevation": 0}}}, "mesh: expected a name"),
        ({"cameras": {"a": {"azimuth": 0, "elevation": 0}}, "size": [64]}, "size: expected 2 numbers, found [64]"),
        ({"cameras": {"a": {"azimuth": 0, "elevation": 0}}, "size": [64.5, 9]}, "size: expected whole numbers, found"),
        ({"camera": {}}, "expected keys out of cameras, size, azimuth, elevation, turns, fov, radius, found 'camera'"),
    ],
)
def test_files_that_are_no_rig(tmp_path: Path, content: dict[str, Any], message: str) -> None:
    path = tmp_path / "rig.json"
    path.write_text(json.dumps(content))
    with pytest.raises(ValueError, match=re.escape(f"{path}: {message}")):
        read_rig(path)
