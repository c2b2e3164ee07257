"""rf-check: silent about a clean capture, and each thing that is broken gives its finding."""

import json
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import viser
from nerfstudio.cameras.cameras import Cameras
from PIL import Image

from resfields_ns.checks import layouts, resources
from resfields_ns.checks.capture import load_capture
from resfields_ns.checks.finding import Finding
from resfields_ns.checks.layouts import _SIGNS, dataparser_names, recognise_dataparser
from resfields_ns.checks.look_over import look_over
from resfields_ns.checks.moments import sample_moments
from resfields_ns.checks.outline import extents, mask_extents, outermost_pixels, reach_beyond
from resfields_ns.checks.pairs import disagreement
from resfields_ns.checks.view import View
from resfields_ns.checks.viewer import show_capture
from resfields_ns.checks.wireframes import box_edges, frustum_edges
from resfields_ns.commands import check
from tests.test_viewer import free_port

Break = Callable[[Path], None]


@pytest.fixture
def capture(demo_capture: Path, tmp_path: Path) -> Path:
    """A copy of the demo capture that a test may break."""
    return Path(shutil.copytree(demo_capture, tmp_path / "capture"))


@pytest.fixture
def rf_check(monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """Run rf-check and return its exit code."""

    def run(*arguments: object) -> int:
        monkeypatch.setattr(sys, "argv", ["rf-check", *map(str, arguments)])
        try:
            check.entrypoint()
        except SystemExit as stopped:
            assert isinstance(stopped.code, int)
            return stopped.code
        return 0

    return run


def _problems(capture: Path, *options: str) -> list[Finding]:
    return [finding for finding in look_over(capture, "owlii", options)[1] if finding.level != "info"]


def _swap_cameras(first: str, second: str) -> Break:
    def swap(capture: Path) -> None:
        files = [capture / name / "cameras_sphere.npz" for name in (first, second)]
        contents = [file.read_bytes() for file in files]
        for file, content in zip(files, reversed(contents), strict=True):
            file.write_bytes(content)

    return swap


def _change_matrices(camera: str, change: Callable[[np.ndarray], np.ndarray]) -> Break:
    """Change the world matrices of a camera, world to pixels."""

    def apply(capture: Path) -> None:
        path = capture / camera / "cameras_sphere.npz"
        with np.load(path, allow_pickle=False) as archive:
            matrices = {key: change(value) if key.startswith("world") else value for key, value in archive.items()}
        np.savez(path, **matrices)  # pyright: ignore[reportArgumentType]

    return apply


def _shift_pixels(x: float, y: float) -> Callable[[np.ndarray], np.ndarray]:
    shift = np.eye(4)
    shift[:2, 2] = x, y
    return lambda matrix: shift @ matrix


def _about_centre(change: np.ndarray) -> np.ndarray:
    """A change of the demo cameras' axes, or of their pixels about the image's centre."""
    intrinsics = np.eye(4)
    intrinsics[:2, :3] = [[56.0, 0.0, 16.0], [0.0, 56.0, 16.0]]
    return intrinsics @ change @ np.linalg.inv(intrinsics)


def _change_images(pattern: str, change: Callable[[np.ndarray], np.ndarray]) -> Break:
    def apply(capture: Path) -> None:
        for path in sorted(capture.glob(pattern)):
            pixels = np.array(Image.open(path))
            Image.fromarray(change(pixels).astype(pixels.dtype)).save(path)

    return apply


def _one_spot(mask: np.ndarray) -> np.ndarray:
    spot = np.zeros_like(mask)
    spot[3, 3] = 255
    return spot


def _freeze(capture: Path) -> None:
    paths = sorted((capture / "cam_train_3" / "rgb").iterdir())
    for path in paths[1:]:
        shutil.copyfile(paths[0], path)


def _scale_box(factor: float) -> Break:
    def scale(capture: Path) -> None:
        corners = np.array(json.loads((capture / "aabb.txt").read_text())).reshape(2, 3)
        corners = corners.mean(axis=0) + factor * (corners - corners.mean(axis=0))
        (capture / "aabb.txt").write_text(str(corners.flatten().tolist()))

    return scale


def _drop_frame(capture: Path) -> None:
    """Rename frame 3 to 7, as if 3 to 6 had been dropped."""
    for path in capture.glob("cam_*/*/000003.png"):
        path.rename(path.with_name("000007.png"))


def _remove(*names: str) -> Break:
    def remove(capture: Path) -> None:
        for name in names:
            for folder in [*capture.glob(f"*/{name}"), *capture.glob(name)]:
                shutil.rmtree(folder)

    return remove


def _both(first: Break, second: Break) -> Break:
    def apply(capture: Path) -> None:
        first(capture)
        second(capture)

    return apply


_MASKS_ONLY = _remove("depth", "cloud")

_CLEAN = {
    "as it is": _remove(),
    "without clouds": _remove("cloud"),
    "without depth": _remove("depth"),
    "with masks alone": _MASKS_ONLY,
    "with images alone": _remove("mask", "depth", "cloud"),
    "with depth and no masks": _remove("mask", "cloud"),
}

_BROKEN = {
    "swapped neighbours": (_swap_cameras("cam_train_1", "cam_train_3"), "error", "clouds", "cam_train_3"),
    "swapped opposites": (_swap_cameras("cam_train_1", "cam_train_6"), "error", "depth in masks", "cam_train_1"),
    "principal point in x": (
        _change_matrices("cam_train_3", _shift_pixels(5, 0)),
        "error",
        "clouds",
        "cam_train_3: outlines of cloud and mask are 4.* pixels apart",
    ),
    "principal point in y": (
        _change_matrices("cam_train_3", _shift_pixels(0, 5)),
        "error",
        "silhouettes",
        "cam_train_3: .* miss each other by 5.0 pixels",
    ),
    "principal point, masks alone": (
        _both(_change_matrices("cam_train_3", _shift_pixels(0, 5)), _MASKS_ONLY),
        "error",
        "silhouettes",
        "cam_train_3",
    ),
    "principal point outside the image": (
        _change_matrices("cam_train_3", _shift_pixels(50, 0)),
        "error",
        "cameras",
        r"cam_train_3: principal point \(66.0, 16.0\) lies outside the image of 32x32",
    ),
    "long lens": (
        _change_matrices("cam_test", lambda matrix: _about_centre(np.diag([50.0, 50.0, 1.0, 1.0])) @ matrix),
        "warning",
        "cameras",
        "cam_test: sees 0.7 degrees",
    ),
    "camera that looks away": (
        _change_matrices("cam_train_8", lambda matrix: _about_centre(np.diag([-1.0, 1.0, -1.0, 1.0])) @ matrix),
        "error",
        "cameras and box",
        "cam_train_8: sees 0.0 % of the scene box",
    ),
    "one calibration twice": (
        lambda capture: shutil.copy(*(capture / f"cam_train_{n}" / "cameras_sphere.npz" for n in (1, 3))),
        "warning",
        "cameras",
        "cam_train_3 and cam_train_1 stand in the same place",
    ),
    "depth too large": (
        _change_images("cam_train_6/depth/*", lambda depth: depth * 1.05),
        "warning",
        "depth on clouds",
        "cam_train_6: depth lies 1[23]. millimetres behind",
    ),
    "depth too small": (
        _change_images("cam_train_6/depth/*", lambda depth: depth * 0.95),
        "warning",
        "depth on clouds",
        "cam_train_6: depth lies 1[23]. millimetres before",
    ),
    "depth too large without clouds": (
        _both(_change_images("cam_train_6/depth/*", lambda depth: depth * 1.05), _remove("cloud")),
        "warning",
        "depth agreement",
        "cam_train_6: .* float 1[23]. millimetres",
    ),
    "darker camera": (
        _change_images("cam_train_8/rgb/*", lambda image: image * 0.6),
        "error",
        "exposure",
        r"cam_train_8: 1.[67]. stops darker than the others on points",
    ),
    "darker camera without depth": (
        _both(_change_images("cam_train_8/rgb/*", lambda image: image * 0.5), _MASKS_ONLY),
        "warning",
        "exposure",
        "cam_train_8: 2.* stops darker than the others on the foreground",
    ),
    "white balance": (
        _change_images("cam_train_8/rgb/*", lambda image: image * [1.0, 1.0, 0.8]),
        "warning",
        "exposure",
        "cam_train_8: .* channels differ by 0.7. stops",
    ),
    "nearly empty mask": (
        _change_images("cam_train_1/mask/000001.png", _one_spot),
        "warning",
        "foreground",
        "cam_train_1: .*000001.png calls 0.10 % of the image foreground, where 2",
    ),
    "nearly empty masks": (
        _change_images("cam_train_1/mask/*", _one_spot),
        "error",
        "foreground",
        "cam_train_1: masks call 0.10 % of the image foreground",
    ),
    "full masks": (
        _change_images("cam_*/mask/*", lambda mask: mask * 0 + 255),
        "warning",
        "foreground",
        "cam_train_1: masks call 100 % of the image foreground",
    ),
    "frozen camera": (_freeze, "error", "times", "cam_train_3: 3 of 4 images repeat the one before.* 000001.png"),
    "dropped frames": (
        _drop_frame,
        "warning",
        "times",
        r"cam_train_1: file numbers step by 1, but at 1 places by up to 5 \(000002.png to 000007.png\)",
    ),
    "box too small": (_scale_box(0.7), "error", "scene box", "1.* % of the cloud points lie outside"),
    "box too small, masks alone": (
        _both(_scale_box(0.7), _MASKS_ONLY),
        "warning",
        "scene box",
        "% of the foreground pixels lie outside",
    ),
    "box too large": (_scale_box(4.0), "warning", "scene box", "the box has 8. times the volume"),
}


@pytest.mark.parametrize("name", _CLEAN)
def test_clean_capture_gives_information_alone(capture: Path, name: str) -> None:
    _CLEAN[name](capture)
    assert _problems(capture) == []


@pytest.mark.parametrize("name", _BROKEN)
def test_broken_capture_gives_its_finding(capture: Path, name: str) -> None:
    break_capture, level, check_name, message = _BROKEN[name]
    break_capture(capture)
    problems = _problems(capture)
    found = [problem for problem in problems if (problem.level, problem.check) == (level, check_name)]
    assert any(pytest.RaisesExc(ValueError, match=message).matches(ValueError(f.text)) for f in found), problems
    assert all(problem.advice for problem in problems)


@pytest.mark.parametrize("name", ["depth too large", "darker camera", "white balance", "nearly empty mask"])
def test_only_the_broken_camera_is_blamed(capture: Path, name: str) -> None:
    break_capture, _, _, message = _BROKEN[name]
    break_capture(capture)
    assert all(problem.text.startswith(message.partition(":")[0]) for problem in _problems(capture))


@pytest.mark.parametrize(("frames", "others"), [("2", ["one frame only"]), ("::", [])])
def test_one_camera_that_stands_still(demo_capture: Path, frames: str, others: list[str]) -> None:
    problems = _problems(demo_capture, "--frames", frames, "--train-cameras", "cam_train_3")
    assert {problem.level for problem in problems} == {"warning"}
    expected = ["training images from two places see 0 % of the scene box together", *others]
    assert [problem.text for problem in problems] == expected


@pytest.mark.parametrize(("name", "needed"), [("memory", "memory"), ("disk", "disk space in")])
def test_too_little_memory_or_disk(demo_capture: Path, monkeypatch: pytest.MonkeyPatch, name: str, needed: str) -> None:
    little = SimpleNamespace(available=1000, free=1000)
    if name == "memory":
        monkeypatch.setattr(resources.psutil, "virtual_memory", lambda: little)
    else:
        monkeypatch.setattr(resources.shutil, "disk_usage", lambda _: little)
    (problem,) = _problems(demo_capture)
    assert (problem.level, problem.check) == ("warning", "memory and disk")
    assert needed in problem.text and "0 MB are free" in problem.text


def test_arrays_too_large_for_memory_need_disk(demo_capture: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Colours (49 kB) and depth (33 kB) of 16 training images are above the limit, masks and test images below it."""
    monkeypatch.setattr(resources, "LARGEST_IN_MEMORY", 20_000)
    monkeypatch.setattr(resources, "_readable", str)
    (finding,) = resources.check_resources(load_capture(demo_capture, "owlii"), [])
    assert f"on disk {16 * 32 * 32 * (3 + 2)} for large arrays" in finding.text


def test_frames_are_read_sparingly(demo_capture: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    capture = load_capture(demo_capture, "owlii")
    assert [moment.frame for moment in sample_moments(capture)] == [0, 1, 2, 3]
    monkeypatch.setattr("resfields_ns.checks.moments._MOST_MOMENTS", 2)
    assert [moment.frame for moment in sample_moments(capture)] == [0, 3]
    monkeypatch.setattr("resfields_ns.checks.moments._MOST_BYTES", 1)
    (moment,) = sample_moments(capture)
    assert len(moment.views) == 5


@pytest.mark.parametrize(("split", "count"), [("test", 4), ("train", 5)])
def test_test_images_between_frames_are_of_no_moment(demo_capture: Path, split: str, count: int) -> None:
    capture = load_capture(demo_capture, "owlii")
    images = [replace(image, position=image.position + 0.3 * (image.split == split)) for image in capture.images]
    assert [len(moment.views) for moment in sample_moments(replace(capture, images=images))] == [count] * 4


_DISTORTIONS = [None, [0.1, -0.05, 0.01, 0.002, 0.01, -0.02]]


@pytest.mark.parametrize("distortion", _DISTORTIONS)
def test_points_on_rays_project_to_the_pixels(demo_capture: Path, distortion: list[float] | None) -> None:
    """Rays and projection are inverse to each other, and the rays are the host's."""
    view = _view(demo_capture, distortion)
    pixels = np.random.default_rng(0).uniform(1.0, 31.0, size=(40, 2))
    centre, directions = view.rays(pixels)
    projected, visible = view.project(centre + np.linspace(1.0, 4.0, 40)[:, None] * directions)
    assert visible.all()
    np.testing.assert_allclose(projected, pixels, atol=1e-6)
    coordinates = torch.from_numpy(pixels[:, ::-1].copy()).float()
    cameras = view.source.dataset.cameras
    rays = cameras.generate_rays(camera_indices=torch.full((40, 1), view.source.index), coords=coordinates)
    np.testing.assert_allclose(directions, rays.directions.numpy(), atol=1e-5)
    assert not view.project(centre - directions)[1].any()


def test_depth_lies_on_its_own_readings(demo_capture: Path) -> None:
    view = _view(demo_capture, None)
    residuals = view.depth_residuals(view.depth_points)
    assert np.nanmax(np.abs(residuals)) < 1e-6
    assert np.isnan(view.depth_residuals(view.pose[:, 3] + view.rays(np.array([[1.0, 1.0]]))[1])).all()


def _view(capture: Path, distortion: list[float] | None) -> View:
    view = sample_moments(load_capture(capture, "owlii"))[1].views[2]
    cameras = view.source.dataset.cameras
    if distortion is not None:
        parameters = torch.tensor(distortion).expand(len(view.source.dataset), 6)
        view.source.dataset.cameras = Cameras(
            cameras.camera_to_worlds,
            cameras.fx,
            cameras.fy,
            cameras.cx,
            cameras.cy,
            cameras.width,
            cameras.height,
            distortion_params=parameters,
            times=cameras.times,
        )
    return view


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
    view = _view(demo_capture, None)
    frame = frustum_edges(view, 0.5)
    np.testing.assert_allclose(np.linalg.norm(frame[:4, 1] - view.pose[:, 3], axis=-1), 0.5)
    np.testing.assert_allclose(frame[4:, 0], frame[:4, 1])


def test_every_dataparser_can_be_recognised() -> None:
    assert set(dataparser_names()) <= set(_SIGNS)


def test_folders_that_are_not_recognised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="expected the folder of a capture, found no such folder"):
        recognise_dataparser(tmp_path / "nowhere")
    with pytest.raises(
        ValueError, match=r"expected files of one known layout, .*cameras_sphere.npz \(owlii\).*none of"
    ):
        recognise_dataparser(tmp_path)
    monkeypatch.setattr(layouts, "_SIGNS", {"owlii": "*", "n3v": "*"})
    monkeypatch.setattr(layouts, "_entry_points", lambda: {"owlii": None, "n3v": None})
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match="found owlii and n3v; --dataparser chooses one of n3v, owlii"):
        recognise_dataparser(tmp_path)


def test_command_on_a_clean_capture(
    rf_check: Callable[..., int], demo_capture: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture, findings = tmp_path / "check.png", tmp_path / "check.json"
    assert rf_check(demo_capture, "--picture", picture, "--json", findings, "--", "--frames", "0:3") == 0
    assert "0 errors, 0 warnings" in capsys.readouterr().out
    colours = np.array(Image.open(picture).convert("RGB")).reshape(-1, 3)
    assert colours.shape[0] == 1500 * 1000 and len(np.unique(colours, axis=0)) > 100
    content = json.loads(findings.read_text())
    assert (content["dataparser"], content["errors"], content["warnings"]) == ("owlii", 0, 0)
    measured = {name: values for finding in content["findings"] for name, values in finding["measured"].items()}
    assert measured["cloud outline, px"].keys() == {"cam_test", *(f"cam_train_{n}" for n in (1, 3, 6, 8))}
    assert any(finding["text"] == "3 frames" for finding in content["findings"])


def test_command_fails_on_errors_and_not_on_warnings(rf_check: Callable[..., int], capture: Path) -> None:
    _BROKEN["nearly empty mask"][0](capture)
    assert rf_check(capture) == 0
    _freeze(capture)
    assert rf_check(capture) == 1


@pytest.mark.parametrize(
    ("break_capture", "message"),
    [
        (_remove("cam_test"), "--test-cameras: expected cameras of"),
        (lambda capture: (capture / "cam_train_1" / "rgb" / "000000.png").write_bytes(b"no image"), "000000.png"),
        (lambda capture: _truncate(capture / "cam_train_1" / "rgb" / "000003.png"), "000003.png"),
        (lambda capture: _truncate(capture / "cam_train_1" / "mask" / "000003.png"), "000003.png"),
        (lambda capture: (capture / "cloud" / "000000.ply").write_bytes(b"no cloud"), "000000.ply"),
    ],
)
def test_captures_that_cannot_be_read(
    rf_check: Callable[..., int], capture: Path, tmp_path: Path, break_capture: Break, message: str
) -> None:
    break_capture(capture)
    assert rf_check(capture, "--json", tmp_path / "check.json", "--picture", tmp_path / "check.png") == 1
    (finding,) = json.loads((tmp_path / "check.json").read_text())["findings"]
    assert (finding["level"], finding["check"]) == ("error", "reading")
    assert message in finding["text"]
    assert not (tmp_path / "check.png").exists()


def _truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-40])


def test_truncated_mask_among_frames_not_looked_at(capture: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("resfields_ns.checks.moments._MOST_MOMENTS", 2)
    _truncate(capture / "cam_train_1" / "mask" / "000001.png")
    (problem,) = _problems(capture)
    assert (problem.level, problem.check) == ("error", "foreground") and "000001.png" in problem.text


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--picture", "check.jpg"], "--picture: expected the name of a .png file, found check.jpg"),
        (["--json", "."], "--json: expected the name of a .json file, found ."),
        (["--dataparser", "blender-data"], "--dataparser: expected one of .*owlii.*, found 'blender-data'"),
    ],
)
def test_mistakes_are_one_line(
    rf_check: Callable[..., int],
    demo_capture: Path,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    message: str,
) -> None:
    assert rf_check(demo_capture, *options) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert pytest.RaisesExc(ValueError, match=f"^Error: {message}").matches(ValueError(line))


def test_page_shows_a_capture(
    rf_check: Callable[..., int], demo_capture: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command serves the page until it is interrupted."""
    shown: list[Any] = []

    def interrupt(_: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(check, "_PORT", free_port())
    monkeypatch.setattr(check.time, "sleep", interrupt)
    monkeypatch.setattr("resfields_ns.checks.viewer.show_capture", lambda *scene: shown.extend(scene))
    assert rf_check(demo_capture, "--view") == 0
    assert isinstance(shown[0], viser.ViserServer) and len(shown[2]) == 4


def test_page_has_one_moment_at_a_time(demo_capture: Path) -> None:
    capture = load_capture(demo_capture, "owlii")
    server = viser.ViserServer(host="127.0.0.1", port=free_port(), verbose=False)
    try:
        show_capture(server, capture, sample_moments(capture))
        names = set(server.scene._handle_from_node_name)
    finally:
        server.stop()
    assert {f"/frame_{n}/{camera}" for n in range(4) for camera in capture.cameras} <= names
    assert {f"/frame_{n}/scene" for n in range(4)} | {f"/box/{n}" for n in range(12)} <= names
