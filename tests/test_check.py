"""rf-check: silent about a clean capture, and each thing that is broken gives its finding."""

import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from resfields_ns.captures.camera import Lens
from resfields_ns.captures.checks import recording_checks
from resfields_ns.captures.checks.check_pictures import box_edges, frustum_edges
from resfields_ns.captures.checks.checked_capture import CheckedView, load_capture, sample_moments
from resfields_ns.captures.checks.findings import Finding
from resfields_ns.captures.checks.look_over import look_over
from resfields_ns.captures.checks.silhouette_checks import (
    disagreement,
    extents,
    mask_extents,
    outermost_pixels,
    reach_beyond,
)
from resfields_ns.host.dataparsing import host_cameras
from tests.broken_captures import BROKEN, CLEAN


@pytest.fixture
def capture(demo_capture: Path, tmp_path: Path) -> Path:
    """A copy of the demo capture that a test may break."""
    return Path(shutil.copytree(demo_capture, tmp_path / "capture"))


def _problems(capture: Path, *options: str) -> list[Finding]:
    return [finding for finding in look_over(capture, "owlii", options)[1] if finding.level != "info"]


@pytest.mark.parametrize("name", CLEAN)
def test_clean_capture_gives_information_alone(capture: Path, name: str) -> None:
    CLEAN[name](capture)
    assert _problems(capture) == []


@pytest.mark.parametrize("name", BROKEN)
def test_broken_capture_gives_its_finding(capture: Path, name: str) -> None:
    break_capture, level, check_name, message = BROKEN[name]
    break_capture(capture)
    problems = _problems(capture)
    found = [problem for problem in problems if (problem.level, problem.check) == (level, check_name)]
    assert any(pytest.RaisesExc(ValueError, match=message).matches(ValueError(f.text)) for f in found), problems
    assert all(problem.advice for problem in problems)


@pytest.mark.parametrize("name", ["depth too large", "darker camera", "white balance", "nearly empty mask"])
def test_only_the_broken_camera_is_blamed(capture: Path, name: str) -> None:
    break_capture, _, _, message = BROKEN[name]
    break_capture(capture)
    assert all(problem.text.startswith(message.partition(":")[0]) for problem in _problems(capture))


@pytest.mark.parametrize("frames", ["2", "::"])
def test_one_camera_that_stands_still(demo_capture: Path, frames: str) -> None:
    problems = _problems(demo_capture, "--frames", frames, "--train-cameras", "cam_train_3")
    assert {problem.level for problem in problems} == {"warning"}
    assert [problem.text for problem in problems] == [
        "training images from two places see 0 % of the scene box together"
    ]


@pytest.mark.parametrize(
    ("name", "needed"), [("memory", "memory"), ("control group", "memory"), ("disk", "disk space in")]
)
def test_too_little_memory_or_disk(
    demo_capture: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, needed: str
) -> None:
    little = SimpleNamespace(available=1000, free=1000)
    if name == "memory":
        monkeypatch.setattr(recording_checks.psutil, "virtual_memory", lambda: little)
    elif name == "control group":
        (tmp_path / "limit").write_text("1000\n")
        limits = dict.fromkeys(recording_checks._MEMORY_LIMITS, (tmp_path, "limit"))
        monkeypatch.setattr(recording_checks, "_MEMORY_LIMITS", limits)
    else:
        monkeypatch.setattr(recording_checks.shutil, "disk_usage", lambda _: little)
    (problem,) = _problems(demo_capture)
    assert (problem.level, problem.check) == ("warning", "memory and disk")
    assert needed in problem.text and "0 MB are free" in problem.text


def test_arrays_too_large_for_memory_need_disk(
    demo_capture: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Colours (49 kB) and depth (33 kB) of 16 training images are above the limit, masks and test images below it."""
    monkeypatch.setattr(recording_checks, "LARGEST_IN_MEMORY", 20_000)
    monkeypatch.setattr(recording_checks, "_readable", str)
    (finding,) = recording_checks.check_resources(load_capture(demo_capture, "owlii"), [])
    assert f"on disk {16 * 32 * 32 * (3 + 2)} for large arrays" in finding.text
    mounts = [SimpleNamespace(mountpoint="/", fstype="ext4"), SimpleNamespace(mountpoint=str(tmp_path), fstype="tmpfs")]
    monkeypatch.setattr(recording_checks.psutil, "disk_partitions", lambda **_: mounts)
    monkeypatch.setattr(recording_checks.tempfile, "gettempdir", lambda: str(tmp_path))
    _, finding = recording_checks.check_resources(load_capture(demo_capture, "owlii"), [])
    assert finding.level == "warning" and f"would lie in {tmp_path}, which is memory (tmpfs)" in finding.text


def test_frames_are_read_sparingly(demo_capture: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    capture = load_capture(demo_capture, "owlii")
    assert [moment.frame for moment in sample_moments(capture)] == [0, 1, 2, 3]
    monkeypatch.setattr("resfields_ns.captures.checks.checked_capture._MOST_MOMENTS", 2)
    assert [moment.frame for moment in sample_moments(capture)] == [0, 3]
    monkeypatch.setattr("resfields_ns.captures.checks.checked_capture._MOST_BYTES", 1)
    (moment,) = sample_moments(capture)
    assert len(moment.views) == 5


@pytest.mark.parametrize(("split", "count"), [("test", 4), ("train", 5)])
def test_test_images_between_frames_are_of_no_moment(demo_capture: Path, split: str, count: int) -> None:
    capture = load_capture(demo_capture, "owlii")
    part = capture.train if split == "train" else capture.test
    later = replace(
        part, images=tuple(replace(image, frame_position=image.frame_position + 0.3) for image in part.images)
    )
    moved = replace(capture, **{split: later})
    assert [len(moment.views) for moment in sample_moments(moved)] == [count] * 4


@pytest.mark.parametrize("lens", [Lens(), Lens(k1=0.1, k2=-0.05, k3=0.01, p1=0.01, p2=-0.02)])
def test_points_on_rays_project_to_the_pixels(demo_capture: Path, lens: Lens) -> None:
    """Rays and projection are inverse to each other, and the rays are the host's."""
    camera = replace(_view(demo_capture).camera, lens=lens)
    pixels = np.random.default_rng(0).uniform(1.0, 31.0, size=(40, 2))
    centre, directions = camera.rays(pixels)
    projected, visible = camera.project(centre + np.linspace(1.0, 4.0, 40)[:, None] * directions)
    assert visible.all()
    np.testing.assert_allclose(projected, pixels, atol=1e-6)
    coordinates = torch.from_numpy(pixels[:, ::-1].copy()).float()
    cameras = host_cameras([camera], torch.zeros(1))
    rays = cameras.generate_rays(camera_indices=torch.zeros(40, 1, dtype=torch.long), coords=coordinates)
    np.testing.assert_allclose(directions, rays.directions.numpy(), atol=1e-5)
    assert not camera.project(centre - directions)[1].any()


def test_depth_lies_on_its_own_readings(demo_capture: Path) -> None:
    view = _view(demo_capture)
    residuals = view.depth_residuals(view.depth_points)
    assert np.nanmax(np.abs(residuals)) < 1e-6
    assert np.isnan(view.depth_residuals(view.camera.centre + view.camera.rays(np.array([[1.0, 1.0]]))[1])).all()


def _view(capture: Path) -> CheckedView:
    return sample_moments(load_capture(capture, "owlii"))[1].views[2]


def test_outline_of_a_mask() -> None:
    """A mask's extents are those of all its pixels; points that stick out by 3 pixels reach 3 pixels beyond."""
    rows, columns = np.mgrid[:40, :50]
    mask = (rows - 18) ** 2 + (columns - 23) ** 2 < 12**2
    centres = np.argwhere(mask)[:, ::-1] + 0.5
    np.testing.assert_allclose(mask_extents(mask), extents(centres) + 0.5)
    for pixel in outermost_pixels(mask):
        assert mask[int(pixel[1]), int(pixel[0])]
    assert reach_beyond(centres, mask) == 0.0
    assert reach_beyond(centres + [3.0, 0.0], mask) == pytest.approx(2.5, abs=0.1)


def test_the_camera_that_is_wrong_is_told_from_the_others() -> None:
    names = "abcde"
    measurements = [(x, y, 9.0 if "c" in (x, y) else 0.5) for x in names for y in names if x != y]
    assert disagreement(measurements) == {"a": 0.5, "b": 0.5, "c": 9.0, "d": 0.5, "e": 0.5}
    assert disagreement([("a", "b", 1.0), ("b", "a", 3.0), ("b", "a", 5.0)]) == {"a": 4.0, "b": 4.0}


def test_wireframes(demo_capture: Path) -> None:
    edges = box_edges(np.array([[0.0, 0.0, 0.0], [1.0, 2.0, 3.0]]))
    assert sorted(np.linalg.norm(edges[:, 1] - edges[:, 0], axis=-1)) == [1.0] * 4 + [2.0] * 4 + [3.0] * 4
    view = _view(demo_capture)
    frame = frustum_edges(view, 0.5)
    np.testing.assert_allclose(np.linalg.norm(frame[:4, 1] - view.camera.centre, axis=-1), 0.5)
    np.testing.assert_allclose(frame[4:, 0], frame[:4, 1])
