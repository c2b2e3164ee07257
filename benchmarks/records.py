"""Records of runs: one JSON each, written whole and never again."""

import json
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

ROOT = Path(__file__).parents[1]
RESULTS = Path(__file__).parent / "results"


def write_record(path: Path, record: dict[str, Any]) -> None:
    """Write a record aside and link it to its place.

    Raises:
        FileExistsError: if there is one already
        ValueError: if a figure is not finite, or config or commit are missing
    """
    _check(path, record)
    text = json.dumps(record, indent=2, allow_nan=False) + "\n"
    path.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=f".{path.name}.", dir=path.parent) as folder:
        partial = Path(folder) / path.name
        partial.write_text(text, encoding="utf8")
        path.hardlink_to(partial)


def read_record(path: Path) -> dict[str, Any]:
    """A record; ValueError if it does not say which config and commit it is of."""
    record = json.loads(path.read_text(encoding="utf8"))
    _check(path, record)
    return record


def _check(path: Path, record: dict[str, Any]) -> None:
    if missing := [name for name in ("config", "commit") if name not in record]:
        raise ValueError(f"{path}: expected a record with config and commit, found no {' and no '.join(missing)}")


def read_records(folder: Path, row: str) -> list[dict[str, Any]]:
    """The records of a row, one a seed."""
    return [read_record(path) for path in sorted(folder.glob(f"{row}_seed*.json"))]


def figure(record: dict[str, Any], path: str) -> float | None:
    """The number at a dotted path of a record, None where it has none."""
    value: Any = record
    for name in path.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return value


def commit_facts() -> dict[str, Any]:
    """The commit of the repository, and whether files that results depend on differ from it; None without git."""
    commit = _git("rev-parse", "HEAD")
    changed = _git("status", "--porcelain", "--", ".", ":(exclude)docs", ":(exclude)benchmarks/results")
    return {"commit": commit, "dirty": None if changed is None else bool(changed)}


def _git(*arguments: str) -> str | None:
    try:
        run = subprocess.run(["git", *arguments], cwd=ROOT, check=True, capture_output=True, text=True)
    except (FileNotFoundError, subprocess.CalledProcessError):
        return None
    return run.stdout.strip()
