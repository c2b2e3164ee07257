"""Files and folders: listed in the order of their numbers, and written so that they appear whole or not at all."""

import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from shutil import rmtree

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
def write_aside(path: Path) -> Iterator[Path]:
    """Yield a name to write a file or folder to, which becomes `path` once the block has ended without an error.

    Until then it stands in the hidden folder `.NAME.unfinished` beside `path`, which an error takes away; what a killed
    run left there makes room for the next. A file at `path` is replaced; a folder there must be empty.
    """
    aside = path.with_name(f".{path.name}.unfinished")
    if aside.exists():
        rmtree(aside)
    aside.mkdir(parents=True)
    try:
        yield aside / path.name
        if path.is_dir():
            path.rmdir()
        (aside / path.name).replace(path)
    finally:
        rmtree(aside)
