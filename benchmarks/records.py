"""Records of runs: one file of JSON lines a table, a line a run, written whole and never again."""

import json
import subprocess
from pathlib import Path
from typing import Any

from resfields_ns.files import locked, write_aside

ROOT = Path(__file__).parents[1]
RESULTS = Path(__file__).parent / "results"

Record = dict[str, Any]
NEEDED = ("row", "seed", "config", "commit")


def write_record(path: Path, record: Record) -> None:
    """Add a record to a file; two processes may do so at once.

    Raises:
        ValueError: if the file has one of this row and seed, a figure is not finite, or the record does not say what it
            is of
    """
    _check(path, record)
    line = json.dumps(record, allow_nan=False) + "\n"
    with locked(path.with_suffix(""), waiting=f"{path}: waits for another run, which writes its record"):
        if (record["row"], record["seed"]) in read_records(path):
            raise ValueError(f"{path}: expected no record of {record['row']}, seed {record['seed']}, found one")
        before = path.read_text(encoding="utf8") if path.exists() else ""
        with write_aside(path) as aside:
            aside.write_text(before + line, encoding="utf8")


def read_records(path: Path) -> dict[tuple[str, int], Record]:
    """The records of a file by row and seed, none where there is no file.

    Raises:
        ValueError: if one does not say what it is of, or there are two of one row and seed
    """
    records: dict[tuple[str, int], Record] = {}
    for line in path.read_text(encoding="utf8").splitlines() if path.exists() else ():
        record = json.loads(line)
        _check(path, record)
        if (key := (record["row"], record["seed"])) in records:
            raise ValueError(f"{path}: expected one record of {key[0]}, seed {key[1]}, found two")
        records[key] = record
    return records


def _check(path: Path, record: Record) -> None:
    if missing := [name for name in NEEDED if name not in record]:
        raise ValueError(f"{path}: expected a record with {', '.join(NEEDED)}, found no {' and no '.join(missing)}")


def figure(record: Record, paths: str) -> float | None:
    """The number at a dotted path of a record, or at the first of several, divided by |, where there is one."""
    found = (_at(record, path) for path in paths.split("|"))
    return next((value for value in found if value is not None), None)


def _at(record: Record, path: str) -> float | None:
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
