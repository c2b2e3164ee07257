"""`rf-videos --synchronise`: offsets are found by sound or by movement, and refused where neither tells them."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter1d
from scipy.signal import lfilter

from resfields_ns.captures.videos.alignment import read_clocks
from resfields_ns.captures.videos.calibration import find_videos
from resfields_ns.captures.videos.synchronisation import LEAST_CERTAINTY, Link, Signal, correlate, find_offsets
from resfields_ns.commands.videos import videos
from tests.timed_videos import SIZE, ffmpeg, gray, write_timed_video
from tests.video_scene import BOX, make_cameras, write_opencv_yaml

STARTS = {"cam0": 1.0, "cam1": 1.6217, "cam2": 0.7391}
"""Seconds of the scene at which each video starts; no two of them a whole number of frames apart."""
_RATE, _LENGTH = 30, 8.0
_SOUND_RATE = 16000


def _views(seconds: np.ndarray) -> dict[str, list[np.ndarray]]:
    """What three cameras see of ten dots that swing to and fro, each its own way, all with more or less effort."""
    random = np.random.default_rng(2)
    grid = np.arange(0.0, 12.0, 0.01)
    effort = np.cumsum(np.exp(1.5 * gaussian_filter1d(random.normal(size=len(grid)), 15) / 0.14))
    swings = random.uniform(0.02, 0.06, (10, 3)) * random.choice([-1, 1], (10, 3))
    middles, phases = random.uniform(-0.6, 0.6, (10, 3)), random.uniform(0.0, 6.0, (10, 3))
    x, y = np.meshgrid(np.arange(SIZE[0]), np.arange(SIZE[1]))
    pictures: dict[str, list[np.ndarray]] = {}
    for start, (name, turn) in zip(STARTS.values(), {"cam0": 0.0, "cam1": 1.2, "cam2": 2.8}.items(), strict=True):
        pictures[name] = []
        for moment in np.interp(start + seconds, grid, effort):
            points = middles + swings * np.sin(0.15 * moment + phases)
            u = SIZE[0] * (0.5 + 0.4 * (points[:, 0] * np.cos(turn) + points[:, 1] * np.sin(turn)))
            v = SIZE[1] * (0.5 + 0.4 * points[:, 2])
            dots = np.exp(-((x[..., None] - u) ** 2 + (y[..., None] - v) ** 2) / 2 / 3.0**2).sum(axis=-1)
            pictures[name].append(np.repeat((30 + 100 * dots).clip(0, 255).astype(np.uint8)[..., None], 3, axis=-1))
    return pictures


def _sounds() -> dict[str, np.ndarray]:
    """Bangs in a room's noise, as three microphones with their own noise and colour hear them."""
    random = np.random.default_rng(1)
    sound = random.normal(size=int(12 * _SOUND_RATE)) * 0.002
    for time in (2.3, 4.14, 4.9, 6.57):
        start = int(time * _SOUND_RATE)
        sound[start : start + 2000] += np.exp(-np.arange(2000) / 300) * random.normal(size=2000) * 0.4
    heard = {}
    for name, colour in {"cam0": [1.0], "cam1": [0.5, 0.0, 0.4], "cam2": [0.3, -0.2]}.items():
        start = round(STARTS[name] * _SOUND_RATE)
        own = lfilter(colour, [1.0], sound)[start : start + int(_LENGTH * _SOUND_RATE)]
        heard[name] = own + 0.002 * random.normal(size=len(own))
    return heard


_TIMES = np.arange(int(_RATE * _LENGTH)) / _RATE
_STILL = dict.fromkeys(STARTS, [gray(90)] * len(_TIMES))


@pytest.fixture(scope="module")
def views() -> dict[str, list[np.ndarray]]:
    return _views(_TIMES)


def _write(folder: Path, pictures: dict[str, list[np.ndarray]], sounds: dict[str, np.ndarray]) -> Path:
    folder.mkdir()
    for name, shown in pictures.items():
        path = folder / f"{name}.mp4"
        write_timed_video(path, shown, _TIMES[: len(shown)], sounds.get(name), _SOUND_RATE)
    return folder


def _find(folder: Path) -> dict[str, Link]:
    found = find_videos(folder)
    return find_offsets(found, read_clocks(folder, found), by_sound=True, show_progress=False)


def _errors(found: dict[str, Link]) -> dict[str, float]:
    """Seconds from the offsets found to those of the videos."""
    return {name: link.offset / 1e6 - (STARTS["cam0"] - STARTS[name]) for name, link in found.items()}


def test_sound_tells_offsets_to_milliseconds(tmp_path: Path) -> None:
    found = _find(_write(tmp_path / "videos", _STILL, _sounds()))
    assert max(map(abs, _errors(found).values())) < 0.006
    assert {found[name].by for name in ("cam1", "cam2")} == {"sound"}
    assert min(found[name].certainty for name in ("cam1", "cam2")) > 2.0


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_a_track_that_starts_late_is_heard_at_its_time(suffix: str, tmp_path: Path) -> None:
    folder = _write(tmp_path / "videos", _STILL, _sounds())
    whole = (folder / "cam1.mp4").rename(tmp_path / "whole.mp4")
    late = ["-itsoffset", 0.256, "-ss", 0.256, "-i", whole]
    ffmpeg("-i", whole, *late, "-map", "0:v", "-map", "1:a", "-c", "copy", folder / f"cam1{suffix}")
    assert max(map(abs, _errors(_find(folder)).values())) < 0.006


def test_movement_tells_offsets_to_half_a_frame(views: dict[str, list[np.ndarray]], tmp_path: Path) -> None:
    found = _find(_write(tmp_path / "videos", views, {}))
    assert max(map(abs, _errors(found).values())) < 0.5 / _RATE
    assert {found[name].by for name in ("cam1", "cam2")} == {"pictures"}
    assert min(found[name].certainty for name in ("cam1", "cam2")) > LEAST_CERTAINTY


def test_a_video_without_sound_is_joined_by_its_pictures(views: dict[str, list[np.ndarray]], tmp_path: Path) -> None:
    sounds = {name: sound for name, sound in _sounds().items() if name != "cam1"}
    found = _find(_write(tmp_path / "videos", views, sounds))
    assert max(map(abs, _errors(found).values())) < 0.5 / _RATE
    assert (found["cam1"].by, found["cam2"].by, found["cam2"].to) == ("pictures", "sound", "cam0")


def _tone() -> dict[str, np.ndarray]:
    seconds = np.arange(int(_LENGTH * _SOUND_RATE)) / _SOUND_RATE
    return dict.fromkeys(STARTS, 0.3 * np.sin(2 * np.pi * 440 * seconds))


@pytest.mark.parametrize("sounds", [{}, _tone(), dict.fromkeys(STARTS, np.zeros(int(_LENGTH * _SOUND_RATE)))])
def test_what_tells_nothing_is_refused(sounds: dict[str, np.ndarray], tmp_path: Path) -> None:
    """Pictures that stand still, with no sound, a tone that never changes, or silence."""
    folder = _write(tmp_path / "videos", _STILL, sounds)
    with pytest.raises(
        ValueError, match=r"--synchronise: .*cam[12]\.mp4, whose best match is .*: tell it by --offsets"
    ):
        _find(folder)


def test_frames_show_the_same_moments(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A light that flickers at random; the videos start whole frames apart."""
    light = 40 + 160 * np.random.default_rng(3).random(300)
    first = {"cam0": 10, "cam1": 31, "cam2": 0}
    pictures = {name: [gray(int(light[start + i])) for i in range(200)] for name, start in first.items()}
    _write(tmp_path / "videos", pictures, {})
    calibration = write_opencv_yaml(tmp_path / "calibration", make_cameras(np.zeros(8)))
    videos(tmp_path / "videos", tmp_path / "capture", calibration, synchronise=True, box=BOX, frames="0:20")
    for index in range(20):
        paths = (tmp_path / "capture" / name / "rgb" / f"{index:06d}.png" for name in first)
        levels = [float(np.array(Image.open(path)).mean()) for path in paths]
        assert max(np.abs(np.array(levels) - light[31 + index])) < 3.0
    said = capsys.readouterr().out
    assert "When the clock of cam0 shows 0, that of cam1 shows -0.700 s, by the pictures of cam" in said
    assert "that of cam2 shows +0.333 s" in said and "times as good as the next" in said
    assert "They start with the videos' frames cam0 21, cam1 0, cam2 31" in said


def test_short_videos_tell_nothing(tmp_path: Path) -> None:
    folder = _write(tmp_path / "videos", {name: [gray(9)] * 2 for name in STARTS}, {})
    with pytest.raises(
        ValueError, match=r"--synchronise: expected videos of at least 3 frames, found 2 in .*cam0\.mp4"
    ):
        _find(folder)


def test_offsets_are_found_or_given(footage: Path, tmp_path: Path) -> None:
    options = {"box": BOX, "offsets": tmp_path / "offsets.json", "synchronise": True}
    with pytest.raises(ValueError, match="--offsets, --synchronise: expected one of them, found both"):
        videos(footage / "videos", tmp_path / "capture", footage / "calibration", **options)


@pytest.mark.parametrize("shift", [-40.25, -3.0, 0.0, 7.5, 61.0])
def test_the_correlation_of_two_signals_has_its_peak_at_their_offset(shift: float) -> None:
    rough = gaussian_filter1d(np.random.default_rng(5).normal(size=4000), 20)
    seen, late = (rough[1000 + start : 2400 + start : 4] for start in (0, round(4 * shift)))
    a, b = (Signal(start, 10.0, values[None], 100.0) for start, values in ((500.0, seen), (200.0, late)))
    offset, certainty = correlate(a, b)
    assert abs(offset - (200.0 - 500.0 - 10.0 * shift)) < 3.0 and certainty > 2.0
    back, same = correlate(b, a)
    assert abs(back + offset) < 1e-6 and abs(same - certainty) < 1e-9
