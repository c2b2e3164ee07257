"""Camera paths: orbits are level circles that see the centre; times are the frames' own, or even steps between."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from nerfstudio.cameras.cameras import Cameras
from torch import Tensor

from resfields_ns.export.camera_paths import (
    frozen_times,
    hold_camera,
    orbit,
    read_camera_path,
    running_times,
    sweep_times,
)
from resfields_ns.timeline import times_from_frames

CENTRE = torch.tensor([0.1, -0.2, 0.3])


def _look_at(position: Tensor, target: Tensor, up: Tensor) -> Tensor:
    backward = F.normalize(position - target, dim=0)
    right = F.normalize(torch.linalg.cross(up, backward), dim=0)
    return torch.stack((right, torch.linalg.cross(backward, right), backward, position), dim=1)


def _cameras(azimuths: list[float], up: Tensor, distance: float = 3.0) -> Cameras:
    """Cameras that look at the centre from above, at uneven heights; azimuths in degrees."""
    side = F.normalize(torch.linalg.cross(up, torch.tensor([0.3, 0.5, 0.8])), dim=0)
    front = torch.linalg.cross(side, up)
    poses = []
    for index, azimuth in enumerate(azimuths):
        angle, elevation = math.radians(azimuth), math.radians(10.0 + 15.0 * (index % 3))
        level = math.cos(angle) * front + math.sin(angle) * side
        poses.append(
            _look_at(CENTRE + distance * (math.cos(elevation) * level + math.sin(elevation) * up), CENTRE, up=up)
        )
    return Cameras(torch.stack(poses), fx=50.0, fy=55.0, cx=16.0, cy=12.0, width=32, height=24)


UPS = [
    torch.tensor([0.0, 1.0, 0.0]),
    torch.tensor([0.0, 0.0, -1.0]),
    F.normalize(torch.tensor([1.0, 2.0, -3.0]), dim=0),
]


@pytest.mark.parametrize("up", UPS, ids=["y", "-z", "tilted"])
@pytest.mark.parametrize("azimuths", [[0.0, 20.0, 40.0, 60.0], [0.0, 90.0, 180.0, 270.0]], ids=["arc", "around"])
def test_orbit_is_a_level_circle_that_sees_the_centre(up: Tensor, azimuths: list[float]) -> None:
    cameras = _cameras(azimuths, up)
    path = orbit(cameras, CENTRE, running_times(12))
    offsets = path.camera_to_worlds[:, :, 3] - CENTRE
    right, above, backward = path.camera_to_worlds[:, :, :3].unbind(dim=-1)
    heights = (cameras.camera_to_worlds[:, :, 3] - CENTRE) @ up
    torch.testing.assert_close(offsets.norm(dim=-1), torch.full((12,), 3.0))
    torch.testing.assert_close(offsets / 3.0, backward, rtol=0, atol=1e-5)
    torch.testing.assert_close(offsets @ up, heights.mean().expand(12), rtol=0, atol=1e-4)
    torch.testing.assert_close(right @ up, torch.zeros(12), rtol=0, atol=1e-4)
    assert (above @ up > 0).all()


def test_orbit_goes_around_once_in_equal_steps_from_the_first_camera() -> None:
    cameras = _cameras([30.0, 120.0, 210.0, 300.0], UPS[0])
    positions = orbit(cameras, CENTRE, running_times(8)).camera_to_worlds[:, :, 3]
    steps = (positions - positions.roll(1, dims=0)).norm(dim=-1)
    torch.testing.assert_close(steps, steps[:1].expand(8))
    level = torch.tensor([1.0, 0.0, 1.0])
    towards_first = F.normalize((cameras.camera_to_worlds[0, :, 3] - CENTRE) * level, dim=0)
    torch.testing.assert_close(F.normalize((positions[0] - CENTRE) * level, dim=0), towards_first, rtol=0, atol=1e-4)


@pytest.mark.parametrize("count", [1, 2])
def test_orbit_from_one_or_two_cameras(count: int) -> None:
    path = orbit(_cameras([0.0, 70.0][:count], UPS[0]), CENTRE, running_times(5))
    torch.testing.assert_close((path.camera_to_worlds[:, :, 3] - CENTRE).norm(dim=-1), torch.full((5,), 3.0))


def test_orbit_from_straight_above() -> None:
    above = torch.tensor([0.0, 3.0, 0.0])
    pose = _look_at(CENTRE + above, CENTRE, torch.tensor([0.0, 0.0, -1.0]))
    camera = Cameras(pose[None], fx=50.0, fy=50.0, cx=16.0, cy=16.0, width=32, height=32)
    assert orbit(camera, CENTRE, running_times(5)).camera_to_worlds.isfinite().all()


def test_paths_keep_the_intrinsics_of_the_first_camera() -> None:
    cameras = _cameras([0.0, 90.0, 180.0], UPS[0])
    for path in (orbit(cameras, CENTRE, running_times(5)), hold_camera(cameras[1:2], running_times(5))):
        assert path.shape == (5,)
        rays = path[4:5].generate_rays(camera_indices=0, keep_shape=True)
        assert rays.shape == (24, 32)
        assert rays.times is not None and (rays.times == 1.0).all()
        assert (path.fx == 50.0).all() and (path.fy == 55.0).all()


def test_held_camera_does_not_move() -> None:
    camera = _cameras([0.0, 90.0], UPS[0])[1:2]
    path = hold_camera(camera, running_times(3))
    assert (path.camera_to_worlds == camera.camera_to_worlds).all()
    assert path.times is not None and path.times.flatten().tolist() == [0.0, 0.5, 1.0]


def test_sweep_has_exactly_the_times_of_its_frames() -> None:
    frames = [1, 4, 7, 9]
    assert torch.equal(sweep_times(frames, 11, slow_motion=1), times_from_frames(torch.tensor(frames), 11))


@pytest.mark.parametrize("slow_motion", [2, 3, 4])
def test_slow_motion_divides_each_step_evenly(slow_motion: int) -> None:
    frames = torch.arange(0, 11, 2)
    times = sweep_times(frames.tolist(), 11, slow_motion)
    assert torch.equal(times[::slow_motion], times_from_frames(frames, 11))
    torch.testing.assert_close(times.diff(), torch.full((5 * slow_motion,), 0.2 / slow_motion))


def test_times_of_single_frames() -> None:
    assert sweep_times([0], 1, slow_motion=4).tolist() == [0.0]
    assert frozen_times(2, 5, num_pictures=3).tolist() == [0.5, 0.5, 0.5]


def _path_file(folder: Path, times: list[float | None], **changes: Any) -> Path:
    cameras = []
    for time in times:
        camera: dict[str, Any] = {"camera_to_world": torch.eye(4).flatten().tolist(), "fov": 50.0, "aspect": 1.5}
        cameras.append(camera if time is None else {**camera, "render_time": time})
    content = {"camera_path": cameras, "render_width": 30, "render_height": 20, "seconds": 0.5, **changes}
    path = folder / "path.json"
    path.write_text(json.dumps(content))
    return path


def test_camera_path_keeps_its_times_size_and_pace(tmp_path: Path) -> None:
    cameras, fps = read_camera_path(_path_file(tmp_path, [0.0, 0.75, 0.25]))
    assert fps == 6.0
    assert cameras.times is not None and cameras.times.tolist() == [[0.0], [0.75], [0.25]]
    assert cameras[1:2].generate_rays(camera_indices=0, keep_shape=True).shape == (20, 30)


def test_camera_path_without_times_runs_over_the_sequence(tmp_path: Path) -> None:
    cameras, _ = read_camera_path(_path_file(tmp_path, [None, None, None]))
    assert cameras.times is not None and cameras.times.flatten().tolist() == [0.0, 0.5, 1.0]


@pytest.mark.parametrize(
    ("times", "changes", "message"),
    [
        ([0.0, None], {}, "path.json: expected a render_time of 0 to 1 on every camera, found none on camera 1"),
        ([0.0, 1.5], {}, "path.json: expected a render_time of 0 to 1 on every camera, found 1.5 on camera 1"),
        ([], {}, "path.json: expected a camera path .*, found no cameras"),
        ([0.0], {"render_height": None}, "path.json: expected a camera path"),
        ([0.0], {"seconds": 0}, "path.json: expected a camera path"),
        ([0.0], {"camera_path": [3]}, "path.json: expected a camera path"),
        ([0.0], {"camera_type": "vr180"}, "path.json: expected a camera with one eye, found 'vr180'"),
    ],
)
def test_unusable_camera_path(tmp_path: Path, times: list[float | None], changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_camera_path(_path_file(tmp_path, times, **changes))


def test_camera_path_that_is_not_json(tmp_path: Path) -> None:
    (tmp_path / "path.json").write_text("{")
    with pytest.raises(ValueError, match="path.json: expected a camera path as JSON"):
        read_camera_path(tmp_path / "path.json")
    with pytest.raises(ValueError, match="--camera-path-filename: .*found no file"):
        read_camera_path(tmp_path / "missing.json")
