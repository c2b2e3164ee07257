"""Files and folders: listed in the order of their numbers, and written so that they appear whole or not at all."""

import errno
import re
import shutil
import sys
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from shutil import rmtree

from filelock import FileLock, Timeout

_HIDDEN = {"__macosx", "thumbs.db", "ehthumbs.db", "desktop.ini", "$recycle.bin", "@eadir", "lost+found"}


def list_folder(folder: Path, suffixes: Collection[str] | None = None) -> list[Path]:
    """What lies in a folder, in natural order, without what systems hide in it; nothing where there is no folder.

    `suffixes`, in small letters, are those that count; None: all, folders too.
    """
    found = [path for path in (folder.iterdir() if folder.is_dir() else ()) if not is_hidden(path)]
    if suffixes is not None:
        found = [path for path in found if path.suffix.lower() in suffixes]
    return sorted(found, key=lambda path: natural_order(path.name))


def natural_order(name: str) -> tuple[list[str | Decimal], str]:
    """A key that orders names by the values of their numbers: 2.png, 10.png, 10_left.png.

    A name that is one number but for its suffix, such as a time in seconds, counts as a whole, with sign and decimals.
    Names that differ in zeros or in capitals alone are ordered as texts.
    """
    stem = re.sub(r"\.[A-Za-z]\w*$", "", name)
    whole = re.fullmatch(r"-?\d+(\.\d+)?", stem, re.ASCII)
    parts = ["", stem, ""] if whole else re.split(r"(\d+)", stem, flags=re.ASCII)
    return [Decimal(part) if index % 2 else part.casefold() for index, part in enumerate(parts)], name


def is_hidden(path: Path) -> bool:
    """Whether a name is one of those in which systems keep notes of their own, such as ._0.png or Thumbs.db."""
    return path.name.startswith(".") or path.name.casefold() in _HIDDEN


@contextmanager
def write_aside(path: Path, folder: Path | None = None) -> Iterator[Path]:
    """Yield a name to write a file or folder to, which becomes `path` once the block has ended without an error.

    Until then it stands in the hidden folder `.NAME.unfinished` in `folder`, or else beside `path`. An error takes it
    away; what a killed run left there makes room for the next. A file at `path` is replaced; a folder there must be
    empty. Raises ValueError if another process writes it, and DiskFullError where the disk has no room for it.
    """
    aside = (path.parent if folder is None else folder) / f".{path.name}.unfinished"
    kept = "nothing of it is left"
    with blame_full_disk(path, kept), locked(path, aside.parent):
        if aside.exists():
            rmtree(aside)
        aside.mkdir()
        try:
            with blame_full_disk(path, kept):  # while there is still no room
                yield aside / path.name
            if path.is_dir():
                path.rmdir()
            (aside / path.name).replace(path)
        finally:
            rmtree(aside)


@contextmanager
def locked(path: Path, folder: Path | None = None, waiting: str | None = None) -> Iterator[None]:
    """Let no other process write to `path` meanwhile: `.NAME.lock` in `folder`, or else beside it, is locked.

    The lock of a killed process does not count. Where another process has it, the line `waiting` is printed and it is
    waited for; without such a line, that is a ValueError.
    """
    folder = path.parent if folder is None else folder
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / f".{path.name}.lock", thread_local=False)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        if waiting is None:
            raise ValueError(f"{path}: expected to write it alone, found another run that is at it") from None
        print(waiting, file=sys.stderr)
        lock.acquire()
    try:
        yield
    finally:
        Path(lock.lock_file).unlink(missing_ok=True)  # while it is held: who waits for it takes a new one
        lock.release()


class DiskFullError(OSError):
    """There is no room on the disk; the message says for what, and what was kept."""


_FULL = (errno.ENOSPC, errno.EDQUOT)
_LEAST_ROOM = 2**16  # bytes; what is left of a disk on which something did not fit


@contextmanager
def blame_full_disk(path: Path, kept: str) -> Iterator[None]:
    """Raise DiskFullError where a full disk is what keeps the block from writing `path`, and say what is `kept`."""
    try:
        yield
    except Exception as error:
        writing = isinstance(error, OSError | RuntimeError)  # RuntimeError: of programs and libraries that write
        if not is_full_disk(error) and not (writing and _room(path) <= _LEAST_ROOM):
            raise
        raise DiskFullError(f"{path}: expected room for it on the disk, found none; {kept}") from error


@contextmanager
def one_line_errors() -> Iterator[None]:
    """End the program with exit status 1 and one line on stderr at a ValueError or a full disk; others pass."""
    try:
        yield
    except Exception as error:
        if not isinstance(error, ValueError) and not is_full_disk(error):
            raise
        print(f"Error: {' '.join(str(error).split())}", file=sys.stderr)
        raise SystemExit(1) from None


def is_full_disk(error: BaseException | None) -> bool:
    """Whether an error, or what it came from, is that of a disk without room, or of a quota that is used up."""
    while error is not None:
        if isinstance(error, DiskFullError) or (isinstance(error, OSError) and error.errno in _FULL):
            return True
        error = error.__cause__ or error.__context__
    return False


def _room(path: Path) -> int:
    """Bytes that are free where a path lies, or would lie."""
    return shutil.disk_usage(next(folder for folder in path.absolute().parents if folder.is_dir())).free
