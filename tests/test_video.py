"""Movies: they hold the pictures given, play anywhere, and appear whole or not at all."""

from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from resfields_ns.export.movies import check_movie_path, open_movie


def _pictures(count: int, height: int, width: int) -> list[np.ndarray]:
    """Smooth pictures that get brighter."""
    ramp = np.linspace(0, 120, width)[None, :, None] * np.ones((height, 1, 3))
    return [(ramp + 100 * index / count).astype(np.uint8) for index in range(count)]


def _write(path: Path, pictures: list[np.ndarray], fps: float = 12.0) -> None:
    with open_movie(path, *pictures[0].shape[:2], fps=fps) as add_picture:
        for picture in pictures:
            add_picture(picture)


@pytest.mark.parametrize(("height", "width"), [(32, 48), (31, 47)], ids=["even", "odd"])
def test_mp4_plays_everywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, height: int, width: int) -> None:
    monkeypatch.setenv("PATH", "")  # no ffmpeg on the system
    pictures = _pictures(6, height, width)
    _write(tmp_path / "new" / "movie.mp4", pictures)
    with av.open(str(tmp_path / "new" / "movie.mp4")) as movie:
        stream = movie.streams.video[0]
        frames = [frame.to_ndarray(format="rgb24") for frame in movie.decode(stream)]
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
        assert stream.average_rate == 12
    assert len(frames) == 6
    assert frames[0].shape == (32, 48, 3)
    for frame, picture in zip(frames, pictures, strict=True):
        assert np.abs(frame[:height, :width].astype(float) - picture).mean() < 4.0


def test_gif_holds_every_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    pictures = _pictures(5, 31, 47)
    _write(tmp_path / "movie.gif", pictures, fps=10.0)
    with Image.open(tmp_path / "movie.gif") as movie:
        assert (movie.size, getattr(movie, "n_frames", 1), movie.info["duration"]) == ((47, 31), 5, 100)
        movie.seek(4)
        assert np.abs(np.array(movie.convert("RGB")).astype(float) - pictures[4]).mean() < 8.0


def test_folder_holds_the_exact_pictures(tmp_path: Path) -> None:
    pictures = _pictures(3, 31, 47)
    _write(tmp_path / "movie", pictures)
    assert sorted(path.name for path in (tmp_path / "movie").iterdir()) == ["000000.png", "000001.png", "000002.png"]
    for index, picture in enumerate(pictures):
        assert np.array_equal(np.array(Image.open(tmp_path / "movie" / f"{index:06d}.png")), picture)


@pytest.mark.parametrize("name", ["movie.mp4", "movie.gif", "movie"])
@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_interrupted_movie_leaves_nothing(tmp_path: Path, name: str, error: type[BaseException]) -> None:
    with pytest.raises(error), open_movie(tmp_path / name, 32, 32, fps=10.0) as add_picture:
        add_picture(np.zeros((32, 32, 3), np.uint8))
        raise error
    assert list(tmp_path.iterdir()) == []


def test_interrupted_movie_leaves_the_older_one(tmp_path: Path) -> None:
    _write(tmp_path / "movie.mp4", _pictures(2, 32, 32))
    before = (tmp_path / "movie.mp4").read_bytes()
    with pytest.raises(RuntimeError), open_movie(tmp_path / "movie.mp4", 32, 32, fps=10.0):
        raise RuntimeError
    assert (tmp_path / "movie.mp4").read_bytes() == before


def test_empty_folder_is_filled(tmp_path: Path) -> None:
    (tmp_path / "movie").mkdir()
    _write(tmp_path / "movie", _pictures(2, 32, 32))
    assert len(list((tmp_path / "movie").iterdir())) == 2


def test_unusable_paths(tmp_path: Path) -> None:
    (tmp_path / "used").mkdir()
    (tmp_path / "used" / "note.txt").touch()
    (tmp_path / "file").touch()
    (tmp_path / "folder.mp4").mkdir()
    for name, message in [
        ("movie.avi", "expected a name in .mp4 or .gif"),
        ("used", "expected a folder that is new or empty"),
        ("file", "expected a folder that is new or empty"),
        ("folder.mp4", "expected a file, found the folder"),
    ]:
        with pytest.raises(ValueError, match=f"--output-path: {message}"):
            check_movie_path(tmp_path / name)
