"""rf-kinect: recordings, rigs and options with something wrong, or missing, are one line."""

import json
import re
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from resfields_ns.captures.kinect.kinect_conversion import convert_recordings
from resfields_ns.captures.kinect.plan import Request, make_plan
from resfields_ns.captures.kinect.recording import Recording
from resfields_ns.commands import kinect
from tests.kinect_scene import BALL_BOX, DEVICES, PERIOD
from tests.mkv_writer import write_mkv


def _request(recordings: tuple[dict[str, Path], Path], **changes: Any) -> Request:
    return Request(*recordings, **{"box": BALL_BOX, "masks": True, **changes})


def _break_left(tmp_path: Path, recordings: tuple[dict[str, Path], Path], change: Any) -> dict[str, Path]:
    """The recordings, with something changed in that of `left`: its tracks, tags and attachments."""
    device = replace(DEVICES["left"], num_frames=1)
    tracks, tags = device.tracks(), device.tags()
    attachments = {"calibration.json": json.dumps(device.calibration()).encode()}
    change(tracks, tags, attachments)
    write_mkv(tmp_path / "left.mkv", tracks, tags, attachments)
    return {**recordings[0], "left": tmp_path / "left.mkv"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda tracks, *_: tracks.pop(2), "left.mkv: expected a track DEPTH, found IR, COLOR"),
        (lambda tracks, *_: tracks.pop(1), "left.mkv: expected a track COLOR, found IR, DEPTH"),
        (lambda tracks, *_: tracks[2].images.clear(), "left.mkv: expected images in the track DEPTH, found none"),
        (
            lambda tracks, *_: tracks[2].tags.update(K4A_DEPTH_MODE="PASSIVE_IR"),
            "left.mkv: K4A_DEPTH_MODE: expected one of NFOV_2X2BINNED, .*, found PASSIVE_IR",
        ),
        (lambda tracks, *_: tracks[1].tags.pop("K4A_COLOR_MODE"), "left.mkv: K4A_COLOR_MODE: expected .* found none"),
        (
            lambda tracks, *_: tracks[1].tags.update(K4A_COLOR_MODE="BGRA_1080P"),
            "left.mkv: expected images of 1920x1080 in mode BGRA_1080P, found 1280x720",
        ),
        (
            lambda tracks, *_: setattr(tracks[2], "fourcc", b"YUY2"),
            r"left.mkv: expected depth of 16 bits \(b16g\), found yuyv422",
        ),
        (
            lambda tracks, *_: tracks[2].images.__setitem__(0, (tracks[2].images[0][0], b"short")),
            "left.mkv: expected an image at .* s of the track DEPTH, found data that cannot be read",
        ),
        (lambda _, __, files: files.clear(), "left.mkv: expected an attachment calibration.json, found none"),
        (
            lambda _, __, files: files.update({"calibration.json": b"{}"}),
            "left.mkv: calibration.json: CalibrationInformation: expected an object with the key 'Cameras', found None",
        ),
        (
            lambda _, tags, __: tags.update(K4A_START_OFFSET_NS="soon"),
            "left.mkv: K4A_START_OFFSET_NS: expected whole nanoseconds, found 'soon'",
        ),
        (
            lambda _, tags, __: tags.update(K4A_START_OFFSET_NS="9000000000"),
            r"rig.json: expected cameras of one clock that overlap in time, found 9\.000 to 9\.000 s of camera left",
        ),
        (
            lambda tracks, *_: tracks[2].images.__setitem__(0, (900_160, tracks[2].images[0][1])),
            "--largest-gap-ms: expected a depth image of .*left.mkv within 17 ms of a frame, .* 900.0 ms away",
        ),
    ],
)
def test_recordings_with_something_wrong(
    recordings: tuple[dict[str, Path], Path], tmp_path: Path, change: Any, message: str
) -> None:
    request = _request((_break_left(tmp_path, recordings, change), recordings[1]))
    with pytest.raises(ValueError, match=message) as error:
        convert_recordings(tmp_path / "capture", request)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "capture").exists()


@pytest.mark.parametrize("kept", [0, 40, 200, 5000, -1])
def test_recordings_that_were_cut_short(recordings: tuple[dict[str, Path], Path], tmp_path: Path, kept: int) -> None:
    path = tmp_path / "left.mkv"
    path.write_bytes(recordings[0]["left"].read_bytes()[:kept])
    message = "left.mkv: expected (a Matroska recording .*, found a file that is none|.* bytes, .*: it is cut short)"
    with pytest.raises(ValueError, match=message):
        Recording.open(path)


def test_a_gap_that_no_frame_is_without(recordings: tuple[dict[str, Path], Path], tmp_path: Path) -> None:
    """Left lacks the depth of one frame, right the colour of the other."""
    paths = dict(recordings[0])
    for name, track, image in (("left", 2, 0), ("right", 1, 1)):
        device = replace(DEVICES[name], num_frames=3)
        tracks = device.tracks()
        tracks[track].images.pop(image)
        paths[name] = tmp_path / f"{name}.mkv"
        calibration = json.dumps(device.calibration()).encode()
        write_mkv(paths[name], tracks, device.tags(), {"calibration.json": calibration})
    with pytest.raises(ValueError, match="expected frames of which all devices have images within 5 ms, found none am"):
        convert_recordings(tmp_path / "capture", _request((paths, recordings[1]), largest_gap_ms=5.0))


def test_a_camera_without_a_single_match(recordings: tuple[dict[str, Path], Path], tmp_path: Path) -> None:
    """All its images are half a frame from those of the others."""
    rig = json.loads(recordings[1].read_text())
    rig["left"]["time_offset_us"] = PERIOD // 2
    (tmp_path / "rig.json").write_text(json.dumps(rig))
    message = (
        "--largest-gap-ms: expected a colour image of .*left.mkv within 5 ms of a frame, found none: .* is 16.. ms a"
    )
    with pytest.raises(ValueError, match=message):
        convert_recordings(tmp_path / "out", _request((recordings[0], tmp_path / "rig.json"), largest_gap_ms=5.0))
    assert not list(tmp_path.glob("out*"))


def test_devices_that_are_not_wired(recordings: tuple[dict[str, Path], Path], tmp_path: Path) -> None:
    """Their clocks may differ, unless the rig tells by how much."""
    paths = {name: recordings[0][name] for name in ("left", "right")}
    rig = json.loads(recordings[1].read_text())
    (tmp_path / "rig.json").write_text(json.dumps(rig))
    assert make_plan(Request(paths, tmp_path / "rig.json")).unsynchronised
    rig["left"]["time_offset_us"] = 100
    (tmp_path / "rig.json").write_text(json.dumps(rig))
    assert not make_plan(Request(paths, tmp_path / "rig.json")).unsynchronised


def test_frames_that_a_device_dropped_are_left_out(recordings: tuple[dict[str, Path], Path], tmp_path: Path) -> None:
    device = replace(DEVICES["left"], num_frames=3)
    tracks = device.tracks()
    tracks[1].images.pop(1)
    calibration = json.dumps(device.calibration()).encode()
    write_mkv(tmp_path / "left.mkv", tracks, device.tags(), {"calibration.json": calibration})
    paths = {"middle": recordings[0]["middle"], "left": tmp_path / "left.mkv"}
    plan = convert_recordings(tmp_path / "capture", _request((paths, recordings[1]), largest_gap_ms=10.0))
    assert (len(plan.matched.largest_gaps), plan.num_unmatched) == (1, 1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda rig: rig.pop("left"),
            "rig.json: expected a camera 'left', named as its recording is, found middle, ri",
        ),
        (
            lambda rig: rig.update(left=rig["left"]["camera_to_world"]),
            r"rig.json: left: expected {\"camera_to_world\": matrix}, found \[\[",
        ),
        (lambda rig: rig["left"].clear(), "rig.json: left: expected the key 'camera_to_world', found none"),
        (
            lambda rig: rig["left"]["camera_to_world"].__setitem__(0, [2.0, 0.0, 0.0, 0.0]),
            "rig.json: left: camera_to_world: expected a rotation, found ",
        ),
        (
            lambda rig: rig["left"]["camera_to_world"].__setitem__(3, [0.0, 0.0, 0.0, 2.0]),
            "rig.json: left: camera_to_world: expected a last row of 0, 0, 0, 1, found ",
        ),
        (lambda rig: rig["left"].update(time_offset_us="now"), "rig.json: left: time_offset_us: expected a number"),
        (
            lambda rig: rig["left"].update(time_offset_us=5_000_000),
            "rig.json: expected cameras of one clock that overlap in time, found .* of camera left",
        ),
    ],
)
def test_rigs_with_something_wrong(
    recordings: tuple[dict[str, Path], Path], tmp_path: Path, change: Any, message: str
) -> None:
    rig = json.loads(recordings[1].read_text())
    change(rig)
    (tmp_path / "rig.json").write_text(json.dumps(rig))
    with pytest.raises(ValueError, match=message):
        convert_recordings(tmp_path / "capture", _request((recordings[0], tmp_path / "rig.json")))


def _run(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> None:
    monkeypatch.setattr(sys, "argv", ["rf-kinect", *map(str, arguments)])
    kinect.entrypoint()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--masks"], "--masks: expected a --box, found none"),
        (["--crop"], "--crop: expected a --box, found none"),
        (["--box", *"100111"], r"--box: expected every lower bound below its upper bound, found \[1.0, "),
        (["--largest-gap-ms", "0"], "--largest-gap-ms: expected above 0, got 0.0"),
        (["--frames", "0:9"], "--frames: expected frames below 2, found '0:9'"),
    ],
)
def test_mistakes_are_one_line(
    recordings: tuple[dict[str, Path], Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    message: str,
) -> None:
    paths = [str(path) for path in recordings[0].values()]
    with pytest.raises(SystemExit) as stop:
        _run(monkeypatch, tmp_path / "out", "--recordings", *paths, "--rig", recordings[1], *options)
    assert stop.value.code == 1
    assert re.match(f"Error: {message}", capsys.readouterr().err.splitlines()[-1])
    assert list(tmp_path.iterdir()) == []


def test_recordings_of_one_name_or_missing(
    tmp_path: Path,
    recordings: tuple[dict[str, Path], Path],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    left, rig = recordings[0]["left"], recordings[1]
    shutil.copy(left, tmp_path / "left.mkv")
    with pytest.raises(SystemExit):
        _run(monkeypatch, tmp_path / "out", "--recordings", left, tmp_path / "left.mkv", "--rig", rig)
    assert "--recordings: expected one or more files of different names" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        _run(monkeypatch, tmp_path / "out", "--recordings", tmp_path / "right.mkv", "--rig", rig)
    assert "right.mkv: expected a recording (.mkv), found no such file" in capsys.readouterr().err
