"""Files and folders that appear whole or not at all."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Yield a name to write a file to, which becomes `path` once the block has ended without an error.

    The name is always the same one, so that what a stopped run left is written over by the next, and ends in
    `.unfinished`, so that nobody takes it for the file.
    """
    unfinished = path.with_name(f"{path.name}.unfinished")
    yield unfinished
    unfinished.replace(path)


@contextmanager
def write_aside(path: Path) -> Iterator[Path]:
    """Yield a name to write a file or folder to, which becomes `path` once the block has ended without an error.

    Until then it stands in a hidden folder beside `path`, which an error takes away. A file at `path` is replaced; a
    folder there must be empty.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=f".{path.name}.", dir=path.parent) as folder:
        partial = Path(folder) / path.name
        yield partial
        if path.is_dir():
            path.rmdir()
        partial.replace(path)
