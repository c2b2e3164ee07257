"""Videos are matched by time: frames that belong together lie at most half a frame apart, and others are counted."""

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from resfields_ns.captures.video_file import probe_video
from resfields_ns.captures.videos.alignment import Alignment, align_videos, read_clocks
from resfields_ns.captures.videos.calibration import find_videos
from resfields_ns.commands.videos import videos
from tests.cases import over
from tests.timed_videos import gray, write_gray_video, write_timed_video
from tests.video_scene import BOX, make_cameras, write_opencv_yaml


def _write_times(folder: Path, times: dict[str, np.ndarray]) -> None:
    folder.mkdir()
    for name, seconds in times.items():
        write_timed_video(folder / f"{name}.mp4", [gray(0)] * len(seconds), seconds)


def _align(folder: Path, frames: str = "::", offsets: dict[str, int] | None = None) -> Alignment:
    found = find_videos(folder)
    return align_videos(found, read_clocks(folder, found), offsets, frames, str(folder))


def _phone(seed: int, count: int) -> np.ndarray:
    """Times at a rate that varies, from 24 to 30 a second."""
    steps = np.random.default_rng(seed).uniform(1 / 30, 1 / 24, count)
    return np.concatenate([[0.0], np.cumsum(steps)])


_EVEN = np.arange(60) / 30
RECORDINGS: dict[str, dict[str, np.ndarray]] = {
    "different frames dropped": {"a": np.delete(_EVEN, range(3, 6)), "b": np.delete(_EVEN, range(20, 23))},
    "the first frames dropped": {"a": _EVEN, "b": _EVEN[3:]},
    "every other frame dropped for a while": {"a": _EVEN, "b": np.delete(_EVEN, range(10, 30, 2))},
    "different rates": {"a": np.arange(303) / 30, "b": np.arange(301) / 29.83},
    "twice the rate": {"a": np.arange(120) / 60, "b": _EVEN + 0.004},
    "half a frame late": {"a": _EVEN, "b": _EVEN + 0.0166},
    "three that do not run together": {"a": _EVEN, "b": _EVEN + 0.012, "c": _EVEN - 0.004 + 1 / 30},
    "phones": {"a": _phone(0, 60), "b": _phone(1, 60)[:-1]},
    "a phone and a camera": {"a": _phone(2, 60), "b": np.arange(64) / 30},
}
"""Seconds at which each video's frames were taken."""


@over("recording", RECORDINGS)
def test_frames_that_belong_together_lie_at_most_half_a_frame_apart(
    recording: dict[str, np.ndarray], tmp_path: Path
) -> None:
    _write_times(tmp_path / "videos", recording)
    aligned = _align(tmp_path / "videos", offsets={})
    half = 0.5 * max(float(np.median(np.diff(times))) for times in recording.values())
    taken = {name: recording[name][frames] for name, frames in aligned.frames.items()}
    for a, b in combinations(taken.values(), 2):
        assert len(a) == len(b) > 30 and np.abs(a - b).max() <= half + 2e-6
    for name, times in taken.items():
        assert (np.diff(times) > 0).all()
        start = max(times[0] for times in recording.values()) - half
        end = min(times[-1] for times in recording.values()) + half
        shared = ((recording[name] > start - 1e-5) & (recording[name] < end + 1e-5)).sum()
        assert aligned.left_out[name] == shared - len(times)


@over("recording", RECORDINGS)
def test_what_is_left_out_has_no_partner(recording: dict[str, np.ndarray], tmp_path: Path) -> None:
    """Each frame of the slowest video whose nearest in all others lie together is there, but if it shares one."""
    _write_times(tmp_path / "videos", recording)
    aligned = _align(tmp_path / "videos", offsets={})
    half = 0.5 * max(float(np.median(np.diff(times))) for times in recording.values())
    reference = recording[aligned.reference]
    for frame in set(range(len(reference))) - set(aligned.frames[aligned.reference]):
        nearest = {name: times[np.abs(times - reference[frame]).argmin()] for name, times in recording.items()}
        spread = max(nearest.values()) - min(nearest.values())
        shared = any(np.abs(reference - time).min() < abs(time - reference[frame]) for time in nearest.values())
        assert spread > half - 2e-6 or shared


def test_a_faster_and_a_slower_camera_drift_apart_and_are_matched(tmp_path: Path) -> None:
    _write_times(tmp_path / "videos", RECORDINGS["different rates"])
    aligned = _align(tmp_path / "videos")
    matched = dict(zip(aligned.frames["a"], aligned.frames["b"], strict=True))
    assert matched[0] == 0 and matched[300] == 298
    assert len(matched) == 301 and aligned.left_out == {"a": 2, "b": 0}


def _levels(capture: Path, name: str) -> list[int]:
    """The numbers of the frames that were filmed, by their brightness."""
    pictures = (np.array(Image.open(path)) for path in sorted((capture / name / "rgb").iterdir()))
    return [round(float(picture.mean()) / 4) for picture in pictures]


@pytest.fixture
def calibration(tmp_path: Path) -> Path:
    """Of cam0 and cam1, without distortion."""
    cameras = make_cameras(np.zeros(8))
    return write_opencv_yaml(tmp_path / "calibration", {name: cameras[name] for name in ("cam0", "cam1")})


def test_two_cameras_that_dropped_different_frames(
    calibration: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "videos").mkdir()
    for name, dropped in {"cam0": "between(n,3,5)", "cam1": "between(n,20,22)"}.items():
        path = tmp_path / "videos" / f"{name}.mp4"
        write_gray_video(path, range(60), "-vf", f"select='not({dropped})'", "-fps_mode", "vfr")
        assert probe_video(path).num_frames == 57
    (tmp_path / "videos" / "._cam0.mp4").write_bytes(bytes([0, 5, 22, 7]))
    videos(tmp_path / "videos", tmp_path / "capture", calibration, box=BOX)
    kept = [frame for frame in range(60) if frame not in (3, 4, 5, 20, 21, 22)]
    assert _levels(tmp_path / "capture", "cam0") == _levels(tmp_path / "capture", "cam1") == kept
    said = capsys.readouterr().out
    assert "Wrote 54 frames of 2 cameras" in said
    assert "Left out 3 of cam0, 3 of cam1: without a partner of their own in each camera within 16.666 ms" in said
    videos(tmp_path / "videos", tmp_path / "some", calibration, box=BOX, frames="2:20:3")
    assert _levels(tmp_path / "some", "cam0") == _levels(tmp_path / "some", "cam1") == kept[2:20:3]


def _write_stamps(folder: Path, times: dict[str, np.ndarray], columns: str) -> None:
    lines = [columns]
    for index, row in enumerate(zip(*times.values(), strict=True)):
        for camera, time in zip(times, row, strict=True):
            values = {"sync_index": index + 5, "cam_id": camera, "frame_index": index + 7, "frame_time": f"{time:.7f}"}
            lines.append(",".join(str(values[column]) for column in columns.split(",")))
    (folder / "timestamps.csv").write_text("\n".join(lines) + "\n")


@pytest.mark.parametrize(
    "columns", ["sync_index,cam_id,frame_index,frame_time", "sync_index,cam_id,frame_time", "frame_time,cam_id"]
)
@pytest.mark.parametrize("cameras", [("0", "1"), ("cam0", "cam1")])
def test_stamps_beside_the_videos_count_before_those_inside(
    columns: str, cameras: tuple[str, str], calibration: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Files that pretend to thirty frames a second, of cameras that ran at ten, one of them three frames late."""
    (tmp_path / "videos").mkdir()
    write_gray_video(tmp_path / "videos" / "cam0.mp4", range(20))
    write_gray_video(tmp_path / "videos" / "cam1.mp4", range(3, 23))
    times = {cameras[0]: 123.3 + np.arange(20) / 10, cameras[1]: 123.32 + np.arange(3, 23) / 10}
    _write_stamps(tmp_path / "videos", times, columns)
    videos(tmp_path / "videos", tmp_path / "capture", calibration, box=BOX)
    assert _levels(tmp_path / "capture", "cam0") == _levels(tmp_path / "capture", "cam1") == list(range(3, 20))
    assert f"Times of frames are those of {tmp_path / 'videos' / 'timestamps.csv'}" in capsys.readouterr().out


STAMP_ERRORS: dict[str, tuple[str, str]] = {
    "no column": ("cam_id,time\n0,1.0\n", r"expected columns cam_id and frame_time, found cam_id, time"),
    "nothing": ("", r"expected columns cam_id and frame_time, found none"),
    "a row too few": (
        "cam_id,frame_time\n0,1.0\n0,2.0\n1,1.0\n",
        r"expected 2 rows of cam1, one for each frame, found 1",
    ),
    "no number": ("cam_id,frame_time\n0,1.0\n0,x\n", r"line 3: frame_time: expected a number of seconds, found 'x'"),
    "not finite": ("cam_id,frame_time\n0,nan\n", r"line 2: frame_time: expected a number of seconds, found 'nan'"),
    "a short row": ("cam_id,frame_time\n0\n", r"line 2: frame_time: expected a number of seconds, found None"),
}


@over("stamps", STAMP_ERRORS)
def test_mistakes_in_stamps(stamps: tuple[str, str], tmp_path: Path) -> None:
    content, message = stamps
    _write_times(tmp_path / "videos", dict.fromkeys(("cam0", "cam1"), _EVEN[:2]))
    (tmp_path / "videos" / "timestamps.csv").write_text(content)
    with pytest.raises(ValueError, match=rf"timestamps\.csv: {message}"):
        _align(tmp_path / "videos")


def test_two_videos_of_one_number_have_no_stamps(tmp_path: Path) -> None:
    _write_times(tmp_path / "videos", dict.fromkeys(("left_0", "right_0"), _EVEN[:2]))
    _write_stamps(tmp_path / "videos", {"0": _EVEN[:2]}, "cam_id,frame_time")
    with pytest.raises(ValueError, match=r"cam_id: expected one video of number 0, found left_0, right_0"):
        _align(tmp_path / "videos")


APART: dict[str, tuple[dict[str, np.ndarray], str]] = {
    "no overlap": (
        {"a": _EVEN, "b": _EVEN + 3},
        r"videos: expected videos that overlap, found .*a\.mp4 with 60 frames up to 1\.967 s, and .*b\.mp4 from 3\.000",
    ),
    "a third of a frame apart": (
        {"a": _EVEN, "b": _EVEN + 1 / 90, "c": _EVEN + 2 / 90},
        r"videos: expected moments of which all videos have pictures within 16\.666 ms, found none: "
        r"the nearest lie 22\.\d\d\d ms apart; rf-videos --largest-gap-ms allows more",
    ),
    "an early end": (
        {"a": _EVEN, "b": _EVEN[:50]},
        r"b\.mp4: expected 60 frames as a\.mp4 has, found 50; --frames 0:50 uses those that all have",
    ),
}


@over("times", APART)
def test_videos_that_do_not_belong_together(times: tuple[dict[str, np.ndarray], str], tmp_path: Path) -> None:
    recording, message = times
    _write_times(tmp_path / "videos", recording)
    with pytest.raises(ValueError, match=message):
        _align(tmp_path / "videos")


def test_a_larger_gap_is_allowed_by_hand(calibration: Path, tmp_path: Path) -> None:
    """Of a camera that is late by 10 and by 20 ms in turns."""
    (tmp_path / "videos").mkdir()
    pictures, times = [gray(8 * frame) for frame in range(20)], np.arange(20) / 10
    write_timed_video(tmp_path / "videos" / "cam0.mp4", pictures, times)
    write_timed_video(tmp_path / "videos" / "cam1.mp4", pictures, times + 0.01 + 0.01 * (np.arange(20) % 2))
    options = {"box": BOX, "frames": "::"}
    for gap, shown in ((25.0, range(20)), (15.0, range(0, 20, 2))):
        out = tmp_path / f"within {gap}"
        videos(tmp_path / "videos", out, calibration, largest_gap_ms=gap, **options)
        assert _levels(out, "cam0") == _levels(out, "cam1") == [2 * frame for frame in shown]
    with pytest.raises(ValueError, match="--largest-gap-ms: expected above 0, got 0"):
        videos(tmp_path / "videos", tmp_path / "none", calibration, largest_gap_ms=0.0, **options)
    with pytest.raises(ValueError, match=r"within 5\.000 ms, found none: the nearest lie 10\.0\d\d ms apart"):
        videos(tmp_path / "videos", tmp_path / "none", calibration, largest_gap_ms=5.0, **options)
