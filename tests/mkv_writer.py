"""Writes Matroska files as Azure Kinect's recorder does: tracks in VFW mode, tags, an attachment, microseconds.

An element is an id, a length and content (RFC 8794, RFC 9559).
"""

import struct
from dataclasses import dataclass, field
from pathlib import Path

_NANOSECONDS_PER_TICK = 1000
_CLUSTER_TICKS = 32_000  # a block's time is 16 bits, from its cluster's


@dataclass
class TrackData:
    """A track: (microseconds, bytes) of every image."""

    title: str
    fourcc: bytes
    size: tuple[int, int]
    bits: int
    images: list[tuple[int, bytes]]
    tags: dict[str, str] = field(default_factory=dict)


def write_mkv(path: Path, tracks: list[TrackData], tags: dict[str, str], attachments: dict[str, bytes]) -> None:
    """Write a recording."""
    info = _uint("2AD7B1", _NANOSECONDS_PER_TICK) + _text("4D80", "tests") + _text("5741", "tests")
    entries = b"".join(_track(number, track) for number, track in enumerate(tracks, start=1))
    files = b"".join(_attachment(uid, *item) for uid, item in enumerate(attachments.items(), start=1))
    all_tags = b"".join(_tag(name, value) for name, value in tags.items())
    for number, track in enumerate(tracks, start=1):
        all_tags += b"".join(_tag(name, value, number) for name, value in track.tags.items())
    blocks = sorted((time, number, data) for number, track in enumerate(tracks, 1) for time, data in track.images)
    content = _element("1549A966", info) + _element("1654AE6B", entries)
    content += _element("1941A469", files) if files else b""
    content += _element("1254C367", all_tags) + _clusters(blocks)
    path.write_bytes(_ebml_header() + _element("18538067", content))


def _clusters(blocks: list[tuple[int, int, bytes]]) -> bytes:
    clusters: dict[int, list[bytes]] = {}
    for time, number, data in blocks:
        start = time - time % _CLUSTER_TICKS
        block = bytes([0x80 | number]) + struct.pack(">hB", time - start, 0x80) + data
        clusters.setdefault(start, []).append(_element("A3", block))
    return b"".join(_element("1F43B675", _uint("E7", start) + b"".join(group)) for start, group in clusters.items())


def _track(number: int, track: TrackData) -> bytes:
    width, height = track.size
    bitmap = struct.pack(
        "<IiiHH4sIiiII", 40, width, height, 1, track.bits, track.fourcc, width * height * track.bits // 8, 0, 0, 0, 0
    )
    content = _uint("D7", number) + _uint("73C5", number) + _uint("83", 1) + _text("536E", track.title)
    content += _text("86", "V_MS/VFW/FOURCC") + _element("63A2", bitmap)
    return _element("AE", content + _element("E0", _uint("B0", width) + _uint("BA", height)))


def _attachment(uid: int, name: str, data: bytes) -> bytes:
    content = _text("466E", name) + _text("4660", "application/octet-stream") + _element("465C", data)
    return _element("61A7", content + _uint("46AE", uid))


def _tag(name: str, value: str, track: int | None = None) -> bytes:
    targets = _uint("68CA", 50) if track is None else _uint("68CA", 30) + _uint("63C5", track)
    return _element("7373", _element("63C0", targets) + _element("67C8", _text("45A3", name) + _text("4487", value)))


def _ebml_header() -> bytes:
    versions = _uint("4286", 1) + _uint("42F7", 1) + _uint("42F2", 4) + _uint("42F3", 8)
    return _element("1A45DFA3", versions + _text("4282", "matroska") + _uint("4287", 4) + _uint("4285", 2))


def _element(identifier: str, content: bytes) -> bytes:
    return bytes.fromhex(identifier) + (len(content) | 1 << 56).to_bytes(8, "big") + content


def _uint(identifier: str, value: int) -> bytes:
    return _element(identifier, value.to_bytes(8, "big"))


def _text(identifier: str, value: str) -> bytes:
    return _element(identifier, value.encode())
