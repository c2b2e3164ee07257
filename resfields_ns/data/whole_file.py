"""Files that appear whole or not at all."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Yield a name to write a file to, which becomes `path` once the block has ended without an error.

    The name is always the same one, so that what a stopped run left is written over by the next, and ends in
    `.unfinished`, so that nobody takes it for the file.
    """
    unfinished = path.with_name(f"{path.name}.unfinished")
    yield unfinished
    unfinished.replace(path)
