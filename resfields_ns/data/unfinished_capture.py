"""Captures that are written over several runs, and appear whole.

Until it is whole, a capture stands beside its place under a name that ends in `.partial`, with a mark in it. Its files
appear whole or not at all (`whole_file`), so that a second run goes on where a first one was stopped.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Shaped

from resfields_ns.data.json_file import read_json
from resfields_ns.data.whole_file import whole_file

_MARK = "unfinished.json"
_RECORD = "conversion.json"  # what the mark becomes


def check_unused(out: Path) -> None:
    """Raise ValueError if a folder to write to is in use."""
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ValueError(f"{out}: expected a folder that is new or empty, found one that is in use")


def check_finished(capture: Path) -> None:
    """Raise ValueError if a capture is one that a converter has not finished."""
    if (capture / _MARK).is_file():
        raise ValueError(
            f"{capture}: expected a whole capture, found one whose conversion was stopped ({_MARK}): run it again"
        )


@contextmanager
def unfinished_capture(out: Path, request: dict[str, Any]) -> Iterator[Path]:
    """Yield the folder to write a capture to, which becomes `out` once the block has ended without an error.

    It is new, or what a stopped run of the same request left.

    Args:
        request: all that decides what is written, as JSON can hold it; kept in the capture

    Raises ValueError if `out` is in use, or another request's rest is in the way.
    """
    check_unused(out)
    partial = out.with_name(f"{out.name}.partial")
    _open(partial, json.loads(json.dumps(request)))
    yield partial
    (partial / _MARK).replace(partial / _RECORD)
    if out.exists():
        out.rmdir()
    partial.rename(out)


def describe_files(paths: Iterable[Path]) -> str:
    """A digest of files' names, sizes and times of change, by which a request tells them from others."""
    facts = [(path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in paths]
    return hashlib.sha256(repr(facts).encode()).hexdigest()


def describe_arrays(*arrays: Shaped[np.ndarray, "..."]) -> str:
    """A digest of arrays, by which a request tells them from others."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(f"{array.dtype} {array.shape} ".encode() + array.tobytes())
    return digest.hexdigest()


def _open(partial: Path, request: dict[str, Any]) -> None:
    """Make the folder, or check that it is the request's own."""
    mark = partial / _MARK
    if (partial / _RECORD).is_file():  # stopped at the very end
        (partial / _RECORD).replace(mark)
    if mark.is_file():
        found = read_json(mark)
        changed = sorted(key for key in request.keys() | found.keys() if request.get(key) != found.get(key))
        if changed:
            raise ValueError(
                f"{partial}: expected the rest of a run with the same input and options, found another's "
                f"({', '.join(changed)}): delete it, or choose another folder"
            )
        return
    with whole_file(mark) as file:
        partial.mkdir(parents=True, exist_ok=True)
        if any(path != file for path in partial.iterdir()):
            raise ValueError(f"{partial}: expected no such folder, found one that this command did not make")
        file.write_text(json.dumps(request, indent=2) + "\n", encoding="utf-8")
