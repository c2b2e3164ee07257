"""`ns-render interpolate`: time passes along the host's path."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from nerfstudio.cameras import camera_paths
from nerfstudio.cameras.cameras import Cameras
from nerfstudio.scripts import render
from PIL import Image

from resfields_ns.host import timed_paths


def _cameras(times: torch.Tensor | None) -> Cameras:
    poses = torch.eye(4)[:3].repeat(3, 1, 1)
    poses[:, 0, 3] = torch.tensor([0.0, 4.0, 1.0])  # the nearest to the first is the last
    return Cameras(poses, fx=50.0, fy=50.0, cx=8.0, cy=8.0, width=16, height=16, times=times)


@pytest.mark.parametrize(
    ("order_poses", "expected"), [(False, [0.2, 0.4, 0.6, 0.6, 0.75, 0.9]), (True, [0.2, 0.55, 0.9, 0.9, 0.75, 0.6])]
)
def test_times_lie_between_those_of_the_cameras_as_poses_do(order_poses: bool, expected: list[float]) -> None:
    times = torch.tensor([[0.2], [0.6], [0.9]])
    path = camera_paths.get_interpolated_camera_path(_cameras(times), 3, order_poses)
    assert path.times is not None
    torch.testing.assert_close(path.times[:, 0], torch.tensor(expected))
    places = {0.2: 0.0, 0.6: 4.0, 0.9: 1.0}
    for time, place in zip(expected, path.camera_to_worlds[:, 0, 3].tolist(), strict=True):
        assert time not in places or place == pytest.approx(places[time], abs=1e-5)
    still = camera_paths.get_interpolated_camera_path(_cameras(None), 3, order_poses)
    assert still.times is None and torch.equal(still.camera_to_worlds, path.camera_to_worlds)
    assert torch.equal(still.get_intrinsics_matrices(), path.get_intrinsics_matrices())


def test_time_passes_in_the_hosts_film(tiny_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The test camera of the demo capture moves; what is rendered last is what its last frame shows."""
    assert vars(render)["get_interpolated_camera_path"] is timed_paths.interpolated_camera_path
    common = ["--load-config", str(tiny_run), "--output-path", str(tmp_path / "film")]
    options = ["--interpolation-steps", "2", "--output-format", "images", "--image-format", "png"]
    monkeypatch.setattr(sys, "argv", ["ns-render", "interpolate", *common, *options])
    seen: list[float] = []
    from resfields_ns.models import dynamic_model

    watched = dynamic_model.ray_times

    def watch(rays, fallback: float) -> torch.Tensor:
        seen.extend(watched(rays, fallback).unique().tolist())
        return watched(rays, fallback)

    monkeypatch.setattr(dynamic_model, "ray_times", watch)
    render.entrypoint()
    np.testing.assert_allclose(list(dict.fromkeys(seen)), [0.0, 1 / 3, 2 / 3, 1.0], atol=1e-6)
    assert len([Image.open(path) for path in (tmp_path / "film").glob("*.png")]) == 6
