"""Frames of videos, decoded as a player shows them; as png files decoded once and kept."""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import numpy as np
from jaxtyping import Float32, UInt8
from PIL import Image
from rich.console import Console
from rich.progress import Progress

from resfields_ns.captures.capture_writer import write_png
from resfields_ns.captures.untrusted import blamed, check_file
from resfields_ns.captures.video_pictures import pixel_mode, shown_pixels, shown_size
from resfields_ns.files import locked

_FRAMES_AT_ONCE = 16
_MICROSECONDS = 1_000_000


@dataclass(frozen=True)
class Video:
    """A video file, as a player shows it.

    Args:
        path: of the file
        size: (width, height) of an upright picture, in pixels
        num_frames: how many there are
        frame_rate: frames a second, on average
        mode: of the pixels: L is gray, RGBA has an alpha channel
        times: when each frame is shown, ascending, in microseconds of the file's clock
    """

    path: Path
    size: tuple[int, int]
    num_frames: int
    frame_rate: float
    mode: Literal["L", "RGB", "RGBA"] = "RGB"
    times: tuple[int, ...] = field(default=(), repr=False)


def probe_video(path: Path) -> Video:
    """Read all of a video but its pictures, of which the first is decoded.

    Raises ValueError if the file cannot be read or holds no video.
    """
    with open_container(path) as container:
        times = _shown_times(container, _video_stream(container, path))
    with open_container(path) as container:
        stream = _video_stream(container, path)
        first = next(_decoded(container, stream, path), None)
        if first is None or not times:
            raise ValueError(f"{path}: expected a video of at least one frame, found one without frames")
        size, rate = shown_size(first, str(path)), float(stream.average_rate or 0)
        return Video(path, size, len(times), rate, pixel_mode(first.format), times)


def extract_frames(folders: dict[Path, Video], frames: list[int], size: tuple[int, int]) -> None:
    """Write the chosen frames of each video to its folder, as `frame_path` names them; what is there is kept.

    A file appears whole or not at all, so that a run that was stopped can be repeated; one older than its video is
    written anew. Frames are made smaller to `size` (width, height). What another process decodes to a folder is waited
    for, with a line.
    Raises ValueError if a video ends before a frame, or cannot be decoded.
    """
    missing = {folder: _missing(folder, video, frames) for folder, video in folders.items()}
    total = sum(map(len, missing.values()))
    if total == 0:
        return
    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("Decoding videos", total=total)
        for folder in filter(missing.get, folders):
            waiting = f"{folder}: waiting for another process that decodes frames to it"
            with locked(folder, waiting=waiting):
                folder.mkdir(exist_ok=True)
                left = _missing(folder, folders[folder], frames)
                progress.advance(task, len(missing[folder]) - len(left))
                for _ in for_each_frame(folders[folder], left, partial(_write, folder, size)):
                    progress.advance(task)


def for_each_frame(
    video: Video, frames: list[int], action: Callable[[int, UInt8[np.ndarray, "height width 3"]], object]
) -> Iterator[None]:
    """Call `action` with the index and the picture of each of some frames, on all cores, and yield after each.

    Raises ValueError if the video ends before a frame, or cannot be decoded.
    """

    def act(item: tuple[int, Any]) -> None:
        action(item[0], shown_pixels(item[1], str(video.path)))

    chosen = _chosen(video, frames)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        while batch := list(islice(chosen, _FRAMES_AT_ONCE)):
            for _ in pool.map(act, batch):
                yield


def decode_frames(video: Video, frames: list[int]) -> Iterator[tuple[int, UInt8[np.ndarray, "height width 3"]]]:
    """The chosen frames, ascending, with their indices; the video is read up to the last of them.

    Raises ValueError if the video ends before a frame, or a frame cannot be decoded or is of another size.
    """
    for index, frame in _chosen(video, frames):
        yield index, shown_pixels(frame, str(video.path))


def decode_small(video: Video, longest_side: int) -> Iterator[Float32[np.ndarray, "height width"]]:
    """All frames in gray (0 to 255), made smaller so that no side is longer, as they lie in the file.

    Raises ValueError as `decode_frames` does.
    """
    for _, frame in _chosen(video, list(range(video.num_frames))):
        scale = min(1.0, longest_side / max(frame.width, frame.height))
        width, height = (max(round(side * scale), 1) for side in (frame.width, frame.height))
        yield frame.to_ndarray(format="gray", width=width, height=height, interpolation="AREA").astype(np.float32)


def frame_path(folder: Path, frame: int) -> Path:
    """The file of a frame."""
    return folder / f"{frame:06d}.png"


def _missing(folder: Path, video: Video, frames: list[int]) -> list[int]:
    age = video.path.stat().st_mtime
    paths = {frame: frame_path(folder, frame) for frame in frames}
    return [frame for frame, path in paths.items() if not path.is_file() or path.stat().st_mtime < age]


def _chosen(video: Video, frames: list[int]) -> Iterator[tuple[int, Any]]:
    """The chosen frames as PyAV decodes them, with their indices."""
    if not frames:
        return
    wanted, found = set(frames), 0
    with open_container(video.path) as container:
        decoded = _decoded(container, _video_stream(container, video.path), video.path)
        for found, frame in enumerate(islice(decoded, frames[-1] + 1), start=1):
            _check(frame, found - 1, video, _keeps_no_times(container))
            if found - 1 in wanted:
                yield found - 1, frame
    if found <= frames[-1]:
        raise ValueError(f"{video.path}: expected {video.num_frames} frames as its header says, found {found}")


def _check(frame: Any, index: int, video: Video, is_counted: bool) -> None:
    size = shown_size(frame, str(video.path))
    if size != video.size:
        expected, found = (f"{width}x{height}" for width, height in (video.size, size))
        raise ValueError(f"{video.path}: expected frames of {expected} pixels, found {found} in frame {index}")
    if is_counted or frame.time is None or index >= len(video.times):
        return
    if abs(_MICROSECONDS * frame.time - video.times[index]) > 1.0:
        raise ValueError(
            f"{video.path}: expected frame {index} at {video.times[index] / _MICROSECONDS:.6f} s as the file says, "
            f"found one at {frame.time:.6f} s"
        )


def _decoded(container: Any, stream: Any, path: Path) -> Iterator[Any]:
    """All pictures that are shown, in order."""
    from av.error import FFmpegError

    decoder = _decoder(stream)
    decoder.thread_type = "AUTO"
    decoder.options = {"max_pixels": str(_MOST_PIXELS)}
    found = 0
    try:
        for packet in container.demux(stream):
            for frame in decoder.decode(packet):
                if frame.is_corrupt:  # the decoder has made something up
                    raise ValueError(f"{path}: expected a video, found one whose frame {found} is broken")
                yield frame
                found += 1
    except FFmpegError as error:
        raise ValueError(f"{path}: expected a video, found one broken after {found} frames ({error})") from None


_ALPHA_DECODERS = {"vp8": "libvpx", "vp9": "libvpx-vp9"}
"""FFmpeg's own decoders leave out the alpha channel that WebM keeps beside the pictures."""


def _decoder(stream: Any) -> Any:
    from av import CodecContext

    codec = stream.codec_context.name
    has_alpha = any(key.lower() == "alpha_mode" and value == "1" for key, value in stream.metadata.items())
    return CodecContext.create(_ALPHA_DECODERS[codec], "r") if has_alpha else stream.codec_context


def _shown_times(container: Any, stream: Any) -> tuple[int, ...]:
    """When pictures are shown, in microseconds.

    Left out is what a player does not show: what an edit list cuts away, and what cannot be decoded without pictures
    that a cut took away (before the first key frame, in the file or by time).
    """
    first, times = None, []
    for packet in container.demux(stream):
        time = packet.dts if _keeps_no_times(container) else packet.pts
        if packet.size == 0 or time is None or (first is None and not packet.is_keyframe):
            continue
        first = time if first is None else first
        if time >= first and not packet.is_discard and not _is_hidden(packet):
            times.append(round(_MICROSECONDS * time * packet.time_base))
    return tuple(sorted(times))


def _keeps_no_times(container: Any) -> bool:
    """AVI tells when pictures are decoded alone; they are shown in the same rhythm."""
    return container.format.name == "avi"


_VP8_SHOWN = 0x10  # of a picture's first byte


def _is_hidden(packet: Any) -> bool:
    """Whether a packet is a picture of VP8 that only others refer to."""
    return packet.stream.codec_context.name == "vp8" and not bytes(packet)[0] & _VP8_SHOWN


def _write(folder: Path, size: tuple[int, int], frame: int, picture: UInt8[np.ndarray, "height width 3"]) -> None:
    image = Image.fromarray(picture)
    if image.size != size:
        image = image.resize(size, resample=Image.Resampling.BILINEAR)
    write_png(frame_path(folder, frame), np.asarray(image))


_CONTAINERS = ("mov", "matroska", "avi", "gif", "mpegts", "mpeg", "flv", "ogg", "asf", "mxf")
"""FFmpeg's names of formats that hold pictures themselves: mp4 is mov, webm is matroska. Playlists open other files."""
_MOST_PIXELS = 2**26  # of a picture
_OPTIONS = {
    "format_whitelist": ",".join(_CONTAINERS),
    "protocol_whitelist": "file",
    "max_pixels": str(_MOST_PIXELS),
}


@contextmanager
def open_container(path: Path) -> Iterator[Any]:
    """A video file, opened by PyAV; ValueError if it cannot be read or names other files, as playlists do."""
    import av

    check_file(path, "a video")
    with blamed(path, "a video"):  # a path by the protocol's name, as others may be part of a file's name
        container = av.open(f"file:{path}", options=_OPTIONS, metadata_errors="replace")
    with container:
        yield container


def _video_stream(container: Any, path: Path) -> Any:
    """The pictures of a file, which are not its cover."""
    stream = container.streams.best("video")
    if stream is None:
        raise ValueError(f"{path}: expected a video, found a file without pictures")
    if stream.codec_context is None:
        raise ValueError(f"{path}: expected a video, found one of a codec that is not known")
    return stream
