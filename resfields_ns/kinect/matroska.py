"""What PyAV does not tell about Matroska files: whether one was cut short.

A file is an EBML header and one segment, each an id, a length and content; numbers begin with as many zero bits as
bytes follow the first one (RFC 8794). A recorder that is still running, or died, leaves the segment's length unknown.
"""

from pathlib import Path

_HEADER, _SEGMENT = bytes.fromhex("1A45DFA3"), bytes.fromhex("18538067")
_LARGEST_HEADER = 4096  # bytes


def check_whole(path: Path) -> None:
    """Raise ValueError if a file is missing, is not Matroska, or is shorter than its segment says."""
    if not path.is_file():
        raise ValueError(f"{path}: expected a recording (.mkv), found no such file")
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
