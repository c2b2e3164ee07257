"""Files that others made: what they may be and hold, and errors that name them.

A reader takes a file's content from here, or opens it after `check_file`, and runs parsers of libraries within
`blamed`. What a file counts is held against its bytes before anything is allocated or looped over.
"""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import numpy.typing as npt

LARGEST_TEXT = 2**25  # bytes; what JSON and its like become in memory is twenty times as large
LARGEST_COORDINATE = 1e9  # a thousand kilometres in millimetres
_LONGEST_LINE = 2**26  # bytes
_SCHEME = re.compile(r"[A-Za-z][\w+.-]*:")  # file:, http: or a drive of Windows


def check_file(path: Path, expected: str) -> None:
    """Raise ValueError if a path is not a regular file: one waits for ever for a pipe, and a device does not end."""
    try:
        is_file = path.is_file()
    except OSError as error:  # a name that is too long, or a folder that may not be entered
        raise ValueError(
            f"{str(path)[:400]}: expected {expected}, found none that can be reached ({error.strerror})"
        ) from None
    if not is_file:
        found = "something that is no file" if path.exists() else "no such file"
        raise ValueError(f"{path}: expected {expected}, found {found}")


def read_bytes(path: Path, expected: str, largest: int = LARGEST_TEXT) -> bytes:
    """The content of a file; ValueError if it is none, cannot be read, or has more bytes than `largest`."""
    check_file(path, expected)
    size = path.stat().st_size
    if size > largest:
        raise ValueError(f"{path}: expected {expected}, found a file of {size} bytes, above {largest}")
    with blamed(path, expected):
        return path.read_bytes()


def read_lines(path: Path, expected: str) -> Iterator[str]:
    """The lines of a file of any length, without blanks at both ends; ValueError as `read_bytes`."""
    check_file(path, expected)
    with blamed(path, expected), path.open("rb") as file:
        while line := file.readline(_LONGEST_LINE):
            if len(line) == _LONGEST_LINE or b"\0" in line:
                raise ValueError("it is not text")
            yield line.decode().strip()


@contextmanager
def blamed(name: Path | str, expected: str, found: str = "a file that cannot be read") -> Iterator[None]:
    """Make one ValueError, which names a file, of whatever a library's parser raises in the block.

    What names it already, or an option, stays as it is. A broken file can raise any exception, MemoryError and
    SyntaxError among them.
    """
    try:
        yield
    except Exception as error:
        if isinstance(error, ValueError) and str(error).startswith((str(name), "--")):
            raise
        said = str(error) if isinstance(error, ValueError | OSError) else repr(error)
        raise ValueError(f"{name}: expected {expected}, found {found} ({' '.join(said.split())[:200]})") from None


def check_numbers(values: npt.ArrayLike, name: str, largest: float = LARGEST_COORDINATE) -> None:
    """Raise ValueError if one of some numbers is not finite, or is farther from zero than any capture's could be."""
    array = np.asarray(values, dtype=np.float64)
    wild = ~(np.abs(array) <= largest)  # true of NaN as well
    if wild.any():
        expected = f"numbers from {-largest:g} to {largest:g}" if np.isfinite(array[wild][0]) else "finite numbers"
        raise ValueError(f"{name}: expected {expected}, found {array[wild][0]:g}")


def path_beside(path: Path, named: str, name: str) -> Path:
    """The file that another one names, in its folder or below; ValueError, which begins with `name`, for any other."""
    inside = Path(os.path.normpath(named))  # which takes `..` away where it leads no farther than the folder
    if inside.is_absolute() or inside.parts[:1] == ("..",) or _SCHEME.match(named) or "\0" in named:
        raise ValueError(f"{name}: expected the name of a file in the folder {path.parent}, found {named[:80]!r}")
    return path.parent / inside


def check_count(count: int, bytes_each: int, available: int, name: str) -> None:
    """Raise ValueError if `count` entries of so many bytes each, at least, are more than the bytes that are left."""
    if count < 0 or count * bytes_each > available:
        raise ValueError(
            f"{name}: expected at most {available // bytes_each} entries in {available} bytes, found {count}"
        )
