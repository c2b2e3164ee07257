"""Every converter: a stopped run and a second one write the bytes of one run, and no half is taken for whole."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import trimesh

from resfields_ns.captures.checks.layouts import recognise_dataparser
from resfields_ns.commands import kinect, render_meshes, videos
from resfields_ns.dataparsers.kinect_rgbd import KinectRGBDDataParserConfig
from resfields_ns.dataparsers.owlii import OwliiDataParserConfig
from tests.kinect_scene import BALL_BOX, Device, write_recordings
from tests.small_captures import write_n3v_capture

DATAPARSERS = {"owlii": OwliiDataParserConfig, "kinect-rgbd": KinectRGBDDataParserConfig}


@dataclass(frozen=True)
class Converter:
    """A command that writes captures.

    Args:
        module: of the command
        write_source: writes something to convert to a folder
        arguments: of the command, for the folder of the source and the one to write
        option: changes what is written
        files_a_run: written by a run before it is stopped, in the test of stopped runs
    """

    module: ModuleType
    write_source: Callable[[Path], object]
    arguments: Callable[[Path, Path], list[object]]
    option: list[str]
    files_a_run: int


def _write_recording(folder: Path) -> None:
    write_recordings(folder, {"front": Device(0.0)})


def _write_meshes(folder: Path) -> None:
    folder.mkdir()
    for frame in range(3):
        trimesh.creation.icosphere(2, 0.3).apply_translation([0.1 * frame, 0.0, 0.0]).export(folder / f"{frame}.ply")


CONVERTERS = {
    "rf-kinect": Converter(
        kinect,
        _write_recording,
        lambda source, out: [
            out,
            *("--recordings", source / "front.mkv", "--rig", source / "rig.json"),
            *("--masks", "--box", *BALL_BOX.ravel()),
        ],
        option=["--crop"],
        files_a_run=3,
    ),
    "rf-render-meshes": Converter(
        render_meshes,
        _write_meshes,
        lambda source, out: [source, out, "--rig", "rgbd", "--size", 24, 24, "--depth-noise", 3],
        option=["--seed", "1"],
        files_a_run=20,
    ),
    "rf-videos": Converter(
        videos,
        write_n3v_capture,
        lambda source, out: [source, out, "--calibration", source / "poses_bounds.npy"],
        option=["--size", "24", "20"],
        files_a_run=5,
    ),
}


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a source for each converter, named as it is."""
    folder = tmp_path_factory.mktemp("sources")
    for name, converter in CONVERTERS.items():
        converter.write_source(folder / name)
    return folder


@pytest.fixture(scope="module")
def wholes(sources: Path) -> dict[str, dict[str, bytes]]:
    """What each converter writes in one run."""
    with pytest.MonkeyPatch.context() as patch:
        for name in CONVERTERS:
            _convert(name, sources, sources / f"{name}.whole", patch)
    return {name: _contents(sources / f"{name}.whole") for name in CONVERTERS}


def _arguments(name: str, sources: Path, out: Path) -> list[str]:
    return [str(argument) for argument in CONVERTERS[name].arguments(sources / name, out)]


def _convert(name: str, sources: Path, out: Path, patch: pytest.MonkeyPatch, *options: str) -> None:
    patch.setattr(sys, "argv", [name, *_arguments(name, sources, out), *options])
    CONVERTERS[name].module.entrypoint()


def _contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def _stop_after(count: int, patch: pytest.MonkeyPatch) -> None:
    """Let no more than a number of files become whole before a run is stopped, as if by Ctrl-C."""
    replace, done = Path.replace, []

    def replace_few(path: Path, target: Path) -> Path:
        if len(done) == count:
            raise KeyboardInterrupt
        done.append(target)
        return replace(path, target)

    patch.setattr(Path, "replace", replace_few)


@pytest.mark.parametrize("name", CONVERTERS)
def test_stopped_runs_go_on_to_the_same_bytes(
    name: str, sources: Path, wholes: dict[str, dict[str, bytes]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped again and again: nothing looks whole until the last run, and what is there is as it will be."""
    out, partial = tmp_path / "capture", tmp_path / "capture.partial"
    files, stops, number = CONVERTERS[name].files_a_run, 0, 0
    while not out.exists():
        with monkeypatch.context() as patch:
            _stop_after(files, patch)
            try:
                _convert(name, sources, out, patch)
            except KeyboardInterrupt:
                stops += 1
                assert [path.name for path in tmp_path.iterdir()] == ["capture.partial"]
                images = {file: data for file, data in _contents(partial).items() if file.endswith(".png")}
                assert len(images) > number and images.items() <= wholes[name].items()
                number = len(images)
    assert stops >= 2
    assert _contents(out) == wholes[name]


def _images(folder: Path) -> int:
    """The number of pictures in a folder that another process changes (`rglob` fails where a folder goes meanwhile)."""
    return sum(file.endswith(".png") for _, _, files in os.walk(folder) for file in files)


@pytest.mark.parametrize("name", CONVERTERS)
def test_a_killed_run_goes_on_to_the_same_bytes(
    name: str, sources: Path, wholes: dict[str, dict[str, bytes]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, partial = tmp_path / "capture", tmp_path / "capture.partial"
    program = f"""
import os, pathlib, sys, time
replace = pathlib.Path.replace
def wait_at_the_end(path, target):
    done = replace(path, target)
    if sum(file.endswith(".png") for _, _, files in os.walk({str(partial)!r}) for file in files) >= 3:
        time.sleep(600)
    return done
pathlib.Path.replace = wait_at_the_end
from {CONVERTERS[name].module.__name__} import entrypoint
entrypoint()
"""
    command = [sys.executable, "-c", program, *_arguments(name, sources, out)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 120
        while _images(partial) < 3 and time.monotonic() < deadline:
            time.sleep(0.01)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert not out.exists() and _images(partial) >= 3
    _convert(name, sources, out, monkeypatch)
    assert _contents(out) == wholes[name]


@pytest.fixture(params=CONVERTERS)
def stopped(
    request: pytest.FixtureRequest, sources: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[str, Path]:
    """A converter's name, and the folder where a run of it was stopped at its last file."""
    with monkeypatch.context() as patch:
        _stop_after(100, patch)
        patch.setattr(Path, "rename", _interrupt)
        with pytest.raises(KeyboardInterrupt):
            _convert(request.param, sources, tmp_path / "capture", patch)
    (tmp_path / "capture.partial" / "conversion.json").rename(tmp_path / "capture.partial" / "unfinished.json")
    return request.param, tmp_path / "capture.partial"


def _interrupt(path: Path, target: Path) -> None:
    raise KeyboardInterrupt


def test_an_unfinished_capture_is_not_read(stopped: tuple[str, Path]) -> None:
    _, partial = stopped
    config = DATAPARSERS[recognise_dataparser(partial)](data=partial)
    with pytest.raises(ValueError, match=r"partial: expected a whole capture, found one whose conversion was stopped"):
        config.setup().get_dataparser_outputs("train")


def test_another_requests_rest_is_left_alone(
    stopped: tuple[str, Path], sources: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    name, partial = stopped
    before = _contents(partial)
    with pytest.raises(SystemExit):
        _convert(name, sources, partial.with_suffix(""), monkeypatch, *CONVERTERS[name].option)
    expected = (
        r"capture.partial: expected the rest of a run with the same input and options, found another's \(.+\): del"
    )
    assert re.search(expected, capsys.readouterr().err)
    (partial / "unfinished.json").rename(partial / "notes.txt")
    with pytest.raises(SystemExit):
        _convert(name, sources, partial.with_suffix(""), monkeypatch)
    assert re.search("partial: expected no such folder, found one that this command", capsys.readouterr().err)
    (partial / "notes.txt").rename(partial / "unfinished.json")
    assert _contents(partial) == before


def test_a_run_stopped_at_the_very_end(
    stopped: tuple[str, Path], sources: Path, wholes: dict[str, dict[str, bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    name, partial = stopped
    (partial / "unfinished.json").rename(partial / "conversion.json")
    _convert(name, sources, partial.with_suffix(""), monkeypatch)
    assert _contents(partial.with_suffix("")) == wholes[name]


@pytest.mark.parametrize("name", CONVERTERS)
def test_a_folder_in_use_is_left_alone(
    name: str, sources: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(SystemExit):
        _convert(name, sources, tmp_path, monkeypatch)
    assert "expected a folder that is new or empty, found one that is in use" in capsys.readouterr().err
    assert _contents(tmp_path) == {"notes.txt": b"mine"}


def test_changed_input_is_another_request(
    sources: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A mesh that was replaced between two runs."""
    _write_meshes(tmp_path / "rf-render-meshes")
    with monkeypatch.context() as patch:
        _stop_after(20, patch)
        with pytest.raises(KeyboardInterrupt):
            _convert("rf-render-meshes", tmp_path, tmp_path / "out", patch)
    mesh = trimesh.creation.icosphere(2, 0.2)
    mesh.vertices += np.array([0.1, 0.0, 0.0])
    mesh.export(tmp_path / "rf-render-meshes" / "1.ply")
    with pytest.raises(SystemExit):
        _convert("rf-render-meshes", tmp_path, tmp_path / "out", monkeypatch)
    assert "found another's (" in capsys.readouterr().err
