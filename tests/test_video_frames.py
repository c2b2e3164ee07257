"""Frames of videos: each picture in its place, decoded once, whole or not at all."""

from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from resfields_ns.captures import video_file
from resfields_ns.captures.video_file import Video, extract_frames, frame_path, probe_video
from tests.small_captures import write_video

_SIZE = (32, 24)
_NUM_FRAMES = 40


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Video:
    """A video whose frame i is as bright as 6 i."""
    path = tmp_path_factory.mktemp("video") / "cam00.mp4"
    write_video(path, [np.full((_SIZE[1], _SIZE[0], 3), 6 * frame, np.uint8) for frame in range(_NUM_FRAMES)], rate=25)
    return probe_video(path)


def _bytes(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.glob("*.png"))}


def test_header(video: Video) -> None:
    assert (video.size, video.num_frames, video.frame_rate) == (_SIZE, _NUM_FRAMES, 25.0)


@pytest.mark.parametrize("frames", [list(range(_NUM_FRAMES)), [0], [3, 20, 37], [39]])
@pytest.mark.parametrize("size", [_SIZE, (16, 11)])
def test_each_frame_is_in_its_place(frames: list[int], size: tuple[int, int], video: Video, tmp_path: Path) -> None:
    extract_frames({tmp_path / "a": video, tmp_path / "b": video}, frames, size)
    for folder in (tmp_path / "a", tmp_path / "b"):
        assert sorted(folder.iterdir()) == [frame_path(folder, frame) for frame in frames]
        for frame in frames:
            image = Image.open(frame_path(folder, frame))
            assert image.size == size
            assert abs(np.array(image).astype(float).mean() - 6 * frame) < 2.5


def test_frames_are_kept(video: Video, tmp_path: Path) -> None:
    extract_frames({tmp_path: video}, [1, 2], _SIZE)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    extract_frames({tmp_path: video}, [1, 2, 3], _SIZE)
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert len(list(tmp_path.iterdir())) == 3


def test_a_changed_video_is_decoded_again(video: Video, tmp_path: Path) -> None:
    path = tmp_path / "cam00.mp4"
    write_video(path, [np.zeros((24, 32, 3), np.uint8)] * 2)
    extract_frames({tmp_path / "frames": probe_video(path)}, [1], _SIZE)
    path.write_bytes(video.path.read_bytes())
    extract_frames({tmp_path / "frames": probe_video(path)}, [1], _SIZE)
    assert np.array(Image.open(frame_path(tmp_path / "frames", 1))).mean() > 3


def test_a_stopped_run_and_a_second_one_are_one_run(
    video: Video, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    frames = list(range(_NUM_FRAMES))
    extract_frames({tmp_path / "whole": video}, frames, _SIZE)
    save, calls = Image.Image.save, count(1)

    def stop(image: Image.Image, path: Path, *options: Any, **others: Any) -> None:
        call = next(calls)
        save(image, path, *options, **others)
        if call > 20:
            Path(path).write_bytes(Path(path).read_bytes()[:40])
            raise KeyboardInterrupt

    monkeypatch.setattr(Image.Image, "save", stop)
    with pytest.raises(KeyboardInterrupt):
        extract_frames({tmp_path / "stopped": video}, frames, _SIZE)
    monkeypatch.undo()
    whole, stopped = _bytes(tmp_path / "whole"), _bytes(tmp_path / "stopped")
    assert len(stopped) == 20 and stopped.items() < whole.items()
    extract_frames({tmp_path / "stopped": video}, frames, _SIZE)
    assert _bytes(tmp_path / "stopped") == whole
    assert not list((tmp_path / "stopped").glob("**/*.unfinished"))


def test_frames_are_counted_where_the_header_does_not_tell(tmp_path: Path) -> None:
    path = tmp_path / "cam00.mkv"
    write_video(path, [np.full((24, 32, 3), 40 * frame, np.uint8) for frame in range(5)])
    assert probe_video(path).num_frames == 5


def test_missing_and_broken_videos(video: Video, tmp_path: Path) -> None:
    path = tmp_path / "cam00.mp4"
    with pytest.raises(ValueError, match=r"cam00\.mp4: expected a video, found no such file"):
        probe_video(path)
    for content in (b"", b"no video", video.path.read_bytes()[:800]):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"cam00\.mp4: expected a video, found a file that cannot be read \("):
            probe_video(path)


def test_a_video_that_ends_early(video: Video, tmp_path: Path) -> None:
    longer = Video(video.path, video.size, _NUM_FRAMES + 5, video.frame_rate)
    with pytest.raises(ValueError, match=rf"expected {_NUM_FRAMES + 5} frames as its header says, found {_NUM_FRAMES}"):
        extract_frames({tmp_path: longer}, list(range(_NUM_FRAMES + 5)), _SIZE)
    assert 0 < len(_bytes(tmp_path)) <= _NUM_FRAMES


def test_decoding_asks_for_no_more_than_the_last_frame(video: Video, tmp_path: Path) -> None:
    longer = Video(video.path, video.size, _NUM_FRAMES + 5, video.frame_rate)
    extract_frames({tmp_path: longer}, [0, 2], _SIZE)
    assert list(_bytes(tmp_path)) == ["000000.png", "000002.png"]
    assert video_file.frame_path(tmp_path, 2).is_file()
