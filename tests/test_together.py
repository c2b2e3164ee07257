"""Two processes that write to one place: one of them does, the other waits or says why not, and nothing is mixed."""

import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from resfields_ns.captures.video_file import extract_frames, frame_path, probe_video
from resfields_ns.commands import kinect, videos
from resfields_ns.files import locked
from tests.browser import wait_for
from tests.small_captures import write_video

_BOX = ("-0.6", "-0.1", "-0.6", "0.6", "1.2", "0.6")


@pytest.mark.parametrize("command", [videos, kinect], ids=["rf-videos", "rf-kinect"])
def test_one_conversion_at_a_time_writes_to_a_folder(
    command: Any,
    footage: Path,
    recordings: tuple[dict[str, Path], Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out, (files, rig) = tmp_path / "capture", recordings
    arguments = {
        videos: [footage / "videos", out, "--calibration", footage / "calibration", "--frames", "0", "--box", *_BOX],
        kinect: [out, "--recordings", *files.values(), "--rig", rig, "--frames", "0", "--box", *_BOX],
    }
    monkeypatch.setattr(sys, "argv", ["command", *map(str, arguments[command])])
    with locked(out), pytest.raises(SystemExit) as ended:
        command.entrypoint()
    assert ended.value.code == 1
    (said,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("Error: ")]
    assert said == f"Error: {out}: expected to write it alone, found another run that is at it"
    assert not list(tmp_path.iterdir())
    command.entrypoint()
    assert [path.name for path in tmp_path.iterdir()] == ["capture"]


def test_who_decodes_second_waits_and_decodes_nothing_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, folder = tmp_path / "cam.mp4", tmp_path / "frames"
    write_video(path, [np.full((24, 32, 3), 40 * frame, np.uint8) for frame in range(5)])
    video = probe_video(path)
    second = threading.Thread(target=extract_frames, args=({folder: video}, [0, 1], (32, 24)))
    with locked(folder):
        second.start()
        wait_for("the line", lambda: "waiting for another process" in capsys.readouterr().err, 60)
        assert not folder.exists()
        folder.mkdir()
        frame_path(folder, 0).write_bytes(b"decoded by the first")
    second.join(60)
    assert frame_path(folder, 0).read_bytes() == b"decoded by the first"
    assert sorted(folder.iterdir()) == [frame_path(folder, 0), frame_path(folder, 1)]
    assert sorted(left.name for left in tmp_path.iterdir()) == ["cam.mp4", "frames"]
