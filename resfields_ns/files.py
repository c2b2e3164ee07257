"""Files and folders that appear whole or not at all."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import rmtree


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
