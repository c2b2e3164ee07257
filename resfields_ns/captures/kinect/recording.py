"""A recording of one device: an MKV file with a track of colour images, a track of depth images and a calibration.

Times are microseconds of the device's clock: those in the file plus K4A_START_OFFSET_NS. Devices that are wired
together share one clock. K4A_DEPTH_DELAY_NS and K4A_SUBORDINATE_DELAY_NS are in the images' times already.

PyAV does not tell whether a file was cut short. A file is an EBML header and one segment, each an id, a length and
content; numbers begin with as many zero bits as bytes follow the first one (RFC 8794). A recorder that is still
running, or died, leaves the segment's length unknown.
"""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import av
import cv2
import numpy as np
from av.container import InputContainer
from av.error import FFmpegError
from av.video.stream import VideoStream
from jaxtyping import Int64

from resfields_ns.captures.image_files import open_image
from resfields_ns.captures.kinect.device import (
    COLOR_MODES,
    DEPTH_MODES,
    CameraMode,
    DeviceCalibration,
    parse_calibration,
)
from resfields_ns.captures.untrusted import blamed, check_file
from resfields_ns.captures.video_file import open_container

_HEADER, _SEGMENT = bytes.fromhex("1A45DFA3"), bytes.fromhex("18538067")
_LARGEST_HEADER = 4096  # bytes


def check_whole(path: Path) -> None:
    """Raise ValueError if a file is missing, is not Matroska, or is shorter than its segment says."""
    check_file(path, "a recording (.mkv)")
    with path.open("rb") as file:
        start = file.read(_LARGEST_HEADER)
    length, content = _read_length(start, len(_HEADER))
    segment = content + (length or 0)
    if start[:4] != _HEADER or length is None or start[segment : segment + 4] != _SEGMENT:
        raise ValueError(f"{path}: expected a Matroska recording (.mkv), found a file that is none")
    length, content = _read_length(start, segment + len(_SEGMENT))
    size = path.stat().st_size
    if length is not None and content + length > size:
        raise ValueError(
            f"{path}: expected {content + length} bytes, as the recording says, found {size}: it is cut short"
        )


def _read_length(data: bytes, at: int) -> tuple[int | None, int]:
    """A length, None if it is unknown or not there, and where its content begins."""
    first = data[at] if at < len(data) else 0
    count = 9 - first.bit_length()
    if count > 8:
        return None, at
    value = int.from_bytes(data[at : at + count], "big") - (1 << 7 * count)
    return (None if value == (1 << 7 * count) - 1 else value), at + count


Track = Literal["COLOR", "DEPTH"]
_TRACKS: tuple[Track, ...] = ("COLOR", "DEPTH")

_TO_RGB = {"nv12": cv2.COLOR_YUV2RGB_NV12, "yuyv422": cv2.COLOR_YUV2RGB_YUY2, "bgra": cv2.COLOR_BGRA2RGB}
_CALIBRATION = "calibration.json"


@dataclass(frozen=True)
class Recording:
    """What a recording holds.

    Args:
        path: the file
        calibration: of the device, for its modes
        color_times, depth_times: of the images, ascending, in microseconds of the device's clock
        leads: whether other devices wired to this one follow its clock
    """

    path: Path
    calibration: DeviceCalibration
    color_times: Int64[np.ndarray, "images"]
    depth_times: Int64[np.ndarray, "depths"]
    leads: bool

    @classmethod
    def open(cls, path: Path) -> "Recording":
        """Read all but the images; a ValueError names what is missing or is not what it should be."""
        check_whole(path)
        with open_container(path) as container:
            tracks = _tracks(container, path)
            depth_mode = _mode(container, tracks["DEPTH"], "K4A_DEPTH_MODE", DEPTH_MODES, path)
            color_mode = _mode(container, tracks["COLOR"], "K4A_COLOR_MODE", COLOR_MODES, path)
            calibration = parse_calibration(
                _calibration(container, path), depth_mode, color_mode, f"{path}: {_CALIBRATION}"
            )
            times = {track: [] for track in tracks}
            for track, time, _ in _packets(container, tracks, path):
                times[track].append(time)
            leads = container.metadata.get("K4A_WIRED_SYNC_MODE") == "MASTER"
        for track, found in times.items():
            if not found:
                raise ValueError(f"{path}: expected images in the track {track}, found none")
        return cls(path, calibration, *(np.array(sorted(times[track])) for track in ("COLOR", "DEPTH")), leads=leads)

    def images(self, color: set[int], depth: set[int]) -> Iterator[tuple[Track, int, np.ndarray]]:
        """Decode the images of some times, in the order of the file: (track, time, image)."""
        wanted = {"COLOR": color, "DEPTH": depth}
        with open_container(self.path) as container:
            tracks = _tracks(container, self.path)
            for track, time, packet in _packets(container, tracks, self.path):
                if time not in wanted[track]:
                    continue
                expected = f"an image at {time / 1e6:.6f} s of the track {track}"
                with blamed(self.path, expected, "data that cannot be read"):
                    image = _decode(packet, self.path)
                yield track, time, image


def _decode(packet: av.Packet, path: Path) -> np.ndarray:
    """The image of a packet, as RGB or depth; those of an MJPG track are JPEG files, decoded as such."""
    if packet.stream.codec_context.name == "mjpeg":
        with open_image(io.BytesIO(bytes(packet)), str(path)) as image:
            return np.array(image.convert("RGB"))
    (frame,) = packet.decode()
    if frame.format.name in _TO_RGB:
        return cv2.cvtColor(frame.to_ndarray(), _TO_RGB[frame.format.name])
    return frame.to_ndarray(format="gray16le")


def _tracks(container: InputContainer, path: Path) -> dict[Track, VideoStream]:
    """The tracks by their tags or titles; no other track is read."""
    tracks: dict[Track, VideoStream] = {}
    for stream in container.streams.video:
        for track in _TRACKS:
            if f"K4A_{track}_TRACK" in stream.metadata or stream.metadata.get("title") == track:
                tracks[track] = stream
    for track in _TRACKS:
        if track not in tracks:
            found = ", ".join(stream.metadata.get("title", "?") for stream in container.streams.video) or "none"
            raise ValueError(f"{path}: expected a track {track}, found {found}")
    color = tracks["COLOR"].codec_context
    if color.name != "mjpeg" and color.pix_fmt not in _TO_RGB:
        raise ValueError(f"{path}: expected colour in MJPG, NV12, YUY2 or BGRA, found {color.name} {color.pix_fmt}")
    if tracks["DEPTH"].codec_context.pix_fmt != "gray16be":
        found = tracks["DEPTH"].codec_context.pix_fmt
        raise ValueError(f"{path}: expected depth of 16 bits (b16g), found {found}")
    for stream in tracks.values():
        stream.thread_type = "NONE"  # an image a packet
    return tracks


def _mode(
    container: InputContainer, stream: VideoStream, tag: str, modes: dict[str, CameraMode], path: Path
) -> CameraMode:
    text = stream.metadata.get(tag, container.metadata.get(tag, "none"))
    name = text if text in modes else text.rpartition("_")[2]
    if name not in modes:
        raise ValueError(f"{path}: {tag}: expected one of {', '.join(modes)}, found {text}")
    size = (stream.codec_context.width, stream.codec_context.height)
    if size != modes[name].size:
        raise ValueError(
            f"{path}: expected images of {modes[name].size[0]}x{modes[name].size[1]} in mode {text}, "
            f"found {size[0]}x{size[1]}"
        )
    return modes[name]


def _calibration(container: InputContainer, path: Path) -> bytes:
    names = {stream.metadata.get("filename"): stream for stream in container.streams.attachments}
    if _CALIBRATION not in names:
        found = ", ".join(map(str, names)) or "none"
        raise ValueError(f"{path}: expected an attachment {_CALIBRATION}, found {found}")
    return names[_CALIBRATION].data


def _packets(
    container: InputContainer, tracks: dict[Track, VideoStream], path: Path
) -> Iterator[tuple[Track, int, av.Packet]]:
    """The images of the tracks, undecoded, with their times on the device's clock."""
    by_index: dict[int, Track] = {stream.index: track for track, stream in tracks.items()}
    offset = _start_offset(container, path)
    try:
        for packet in container.demux(*tracks.values()):
            if packet.pts is not None and packet.size > 0:
                base = packet.time_base
                time = round(1_000_000 * packet.pts * base.numerator / base.denominator)
                yield by_index[packet.stream.index], offset + time, packet
    except FFmpegError as error:
        raise ValueError(
            f"{path}: expected a whole recording, found one that cannot be read to its end ({error})"
        ) from None


def _start_offset(container: InputContainer, path: Path) -> int:
    """Microseconds."""
    text = container.metadata.get("K4A_START_OFFSET_NS", "0")
    if not text.isdecimal():
        raise ValueError(f"{path}: K4A_START_OFFSET_NS: expected whole nanoseconds, found {text!r}")
    return int(text) // 1000
