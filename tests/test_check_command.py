"""rf-check: its findings on paper and screen, its exit codes, and mistakes in what it is given."""

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import viser
from PIL import Image

from resfields_ns.captures.checks import layouts
from resfields_ns.captures.checks.check_pictures import show_capture
from resfields_ns.captures.checks.checked_capture import load_capture, sample_moments
from resfields_ns.captures.checks.findings import Finding
from resfields_ns.captures.checks.layouts import _SIGNS, dataparser_names, recognise_dataparser
from resfields_ns.captures.checks.look_over import look_over
from resfields_ns.commands import check
from tests.broken_captures import BROKEN, Break, freeze, remove
from tests.test_viewer import free_port


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


def test_every_dataparser_of_captures_can_be_recognised() -> None:
    assert dataparser_names() == sorted(_SIGNS)


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
    with pytest.raises(ValueError, match="found n3v and owlii; --dataparser chooses one of n3v, owlii"):
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
    BROKEN["nearly empty mask"][0](capture)
    assert rf_check(capture) == 0
    freeze(capture)
    assert rf_check(capture) == 1


@pytest.mark.parametrize(
    ("break_capture", "message"),
    [
        (remove("cam_test"), "--test-cameras: expected cameras of"),
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
    monkeypatch.setattr("resfields_ns.captures.checks.checked_capture._MOST_MOMENTS", 2)
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
    monkeypatch.setattr("resfields_ns.captures.checks.check_pictures.show_capture", lambda *scene: shown.extend(scene))
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
