"""Frames of videos as png files, decoded once and kept."""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, Literal

from PIL import Image
from rich.console import Console
from rich.progress import Progress

from resfields_ns.files import write_aside

_FRAMES_AT_ONCE = 16


@dataclass(frozen=True)
class Video:
    """A video file as its header tells it.

    Args:
        path: of the file
        size: (width, height) in pixels
        num_frames: how many there are
        frame_rate: frames a second, on average
        mode: of the pixels: L is gray, RGBA has an alpha channel
    """

    path: Path
    size: tuple[int, int]
    num_frames: int
    frame_rate: float
    mode: Literal["L", "RGB", "RGBA"] = "RGB"


def probe_video(path: Path) -> Video:
    """Read a video's header; ValueError if the file cannot be read or holds no video."""
    with _open_stream(path) as (container, stream):
        num_frames = stream.frames or sum(packet.size > 0 for packet in container.demux(stream))
        size = (stream.codec_context.width, stream.codec_context.height)
        return Video(path, size, num_frames, float(stream.average_rate or 0), _mode(stream.codec_context.format))


def extract_frames(folders: dict[Path, Video], frames: list[int], size: tuple[int, int]) -> None:
    """Write the chosen frames of each video to its folder, as `frame_path` names them; what is there is kept.

    A file appears whole or not at all, so that a run that was stopped can be repeated; one older than its video is
    written anew. Frames are made smaller to `size` (width, height).
    Raises ValueError if a video ends before a frame, or cannot be decoded.
    """
    missing = {folder: _missing(folder, video, frames) for folder, video in folders.items()}
    total = sum(map(len, missing.values()))
    if total == 0:
        return
    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("Decoding videos", total=total)
        for folder, video in folders.items():
            folder.mkdir(parents=True, exist_ok=True)
            write = partial(_write, folder, size)
            for _ in for_each_frame(video, missing[folder], write):
                progress.advance(task)


def for_each_frame(video: Video, frames: list[int], action: Callable[[int, Any], object]) -> Iterator[None]:
    """Call `action` with the index and the picture (PyAV's) of each of some frames, on all cores, and yield after each.

    Raises ValueError if the video ends before a frame, or cannot be decoded.
    """
    decoded = decode_frames(video, frames)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        while batch := list(islice(decoded, _FRAMES_AT_ONCE)):
            for _ in pool.map(lambda item: action(*item), batch):
                yield


def frame_path(folder: Path, frame: int) -> Path:
    """The file of a frame."""
    return folder / f"{frame:06d}.png"


def _missing(folder: Path, video: Video, frames: list[int]) -> list[int]:
    age = video.path.stat().st_mtime
    paths = {frame: frame_path(folder, frame) for frame in frames}
    return [frame for frame, path in paths.items() if not path.is_file() or path.stat().st_mtime < age]


def decode_frames(video: Video, frames: list[int]) -> Iterator[tuple[int, Any]]:
    """The chosen frames, ascending, with their indices; the video is read up to the last of them.

    Raises ValueError if the video ends before a frame, or a frame cannot be decoded or is of another size.
    """
    from av.error import FFmpegError

    if not frames:
        return
    wanted, found = set(frames), 0
    with _open_stream(video.path) as (container, stream):
        stream.thread_type = "AUTO"
        try:
            for found, frame in enumerate(islice(container.decode(stream), frames[-1] + 1), start=1):
                _check(frame, found - 1, video)
                if found - 1 in wanted:
                    yield found - 1, frame
        except FFmpegError as error:
            raise ValueError(
                f"{video.path}: expected a video, found one broken after {found} frames ({error})"
            ) from None
    if found <= frames[-1]:
        raise ValueError(f"{video.path}: expected {video.num_frames} frames as its header says, found {found}")


def _check(frame: Any, index: int, video: Video) -> None:
    if frame.is_corrupt:  # the decoder has made something up
        raise ValueError(f"{video.path}: expected a video, found one whose frame {index} is broken")
    if (frame.width, frame.height) != video.size:
        expected, found = (f"{width}x{height}" for width, height in (video.size, (frame.width, frame.height)))
        raise ValueError(f"{video.path}: expected frames of {expected} pixels, found {found} in frame {index}")


def _mode(pixels: Any) -> Literal["L", "RGB", "RGBA"]:
    """Of PyAV's pixel format, where there is one."""
    if pixels is None or pixels.has_palette:
        return "RGB"
    if any(component.is_alpha for component in pixels.components):
        return "RGBA"
    return "L" if len(pixels.components) == 1 else "RGB"


def _write(folder: Path, size: tuple[int, int], frame: int, picture: Any) -> None:
    image = picture.to_image()
    if image.size != size:
        image = image.resize(size, resample=Image.Resampling.BILINEAR)
    with write_aside(frame_path(folder, frame)) as file:
        image.save(file, "PNG")


@contextmanager
def _open_stream(path: Path) -> Iterator[tuple[Any, Any]]:
    """A video file and its first video stream."""
    import av
    from av.error import FFmpegError

    if not path.is_file():
        raise ValueError(f"{path}: expected a video, found no such file")
    try:
        container = av.open(str(path))
    except FFmpegError as error:
        raise ValueError(f"{path}: expected a video, found a file that cannot be read ({error})") from None
    with container:
        if not container.streams.video:
            raise ValueError(f"{path}: expected a video, found a file without pictures")
        yield container, container.streams.video[0]
