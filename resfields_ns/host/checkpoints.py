"""Checkpoints: written so that a kill or a full disk costs none, found intact, and with all that a run goes on from.

torch writes them as archives that hold a checksum of each tensor, which it does not look at itself.
"""

import atexit
import os
import random
import zipfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import torch
from nerfstudio.utils.rich_utils import CONSOLE

from resfields_ns.files import blame_full_disk, locked, write_aside

_KEPT = 2  # the older one in case that the newer is damaged


def capture_random_state() -> dict[str, Any]:
    """State of Python's, numpy's and torch's generators; loads with `torch.load(weights_only=True)`."""
    version, internal, gauss_next = random.getstate()
    _, keys, position, has_gauss, cached_gaussian = np.random.get_state()  # noqa: NPY002
    return {
        "python": (version, torch.tensor(internal, dtype=torch.int64), gauss_next),
        "numpy": (torch.from_numpy(np.asarray(keys, np.int64)), int(position), int(has_gauss), float(cached_gaussian)),
        "torch": torch.get_rng_state(),
        "cuda": [torch.cuda.get_rng_state()] if torch.cuda.is_available() else [],
    }


def restore_random_state(state: dict[str, Any]) -> None:
    """Continue from a captured state; the current GPU from that of the first."""
    version, internal, gauss_next = state["python"]
    random.setstate((version, tuple(internal.tolist()), gauss_next))
    keys, position, has_gauss, cached_gaussian = state["numpy"]
    np.random.set_state(("MT19937", keys.numpy().astype(np.uint32), position, has_gauss, cached_gaussian))  # noqa: NPY002
    torch.set_rng_state(state["torch"])
    if state["cuda"] and torch.cuda.is_available():
        torch.cuda.set_rng_state(state["cuda"][0])


_HELD: dict[Path, ExitStack] = {}


def hold_run(folder: Path) -> None:
    """Let no other process train in a run's folder until `release_run` or the end; ValueError if one does."""
    folder = folder.absolute()
    if folder not in _HELD:
        lock = ExitStack()
        try:
            lock.enter_context(locked(folder, folder))
        except ValueError:
            raise ValueError(
                f"{folder}: expected a run that no other process trains, found one: give another --timestamp"
            ) from None
        _HELD[folder] = lock
        atexit.register(release_run, folder)


def release_run(folder: Path) -> None:
    """Let others train in a folder that this process held, if it did."""
    if (lock := _HELD.pop(folder.absolute(), None)) is not None:
        lock.close()


def list_checkpoints(folder: Path) -> list[Path]:
    """Those of a run, by their steps."""
    return sorted(folder.glob("step-*.ckpt"))


def checkpoint_of(folder: Path, step: int) -> Path:
    """Where the checkpoint after a step lies."""
    return folder / f"step-{step:09d}.ckpt"


def step_of(path: Path) -> int:
    """The last step before a checkpoint, by its name."""
    return int(path.stem.removeprefix("step-"))


def write_checkpoint(state: dict[str, Any], path: Path, aside: Path, keeps_all: bool) -> None:
    """Write a checkpoint, which appears whole, and only then delete all but the last two unless a run `keeps_all`.

    Args:
        state: what `load_checkpoint` gives back
        path: of the file, in a folder that holds nothing but checkpoints, as the host wants it
        aside: folder in which it stands until it is whole

    Raises DiskFullError where the disk has no room for it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    older = [other for other in list_checkpoints(path.parent) if other != path]
    kept = f"{older[-1]} is kept" if older else "there is no other"
    with blame_full_disk(path, kept), write_aside(path, aside) as partial, partial.open("wb") as file:
        torch.save(state, file)
        file.flush()
        os.fsync(file.fileno())
    if not keeps_all:
        before = [other for other in older if step_of(other) < step_of(path)]
        for other in set(older) - set(before[len(before) - _KEPT + 1 :]):
            other.unlink()


def is_intact(path: Path) -> bool:
    """Whether a checkpoint is whole and agrees with its checksums."""
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.testzip() is None
    except (zipfile.BadZipFile, EOFError, NotImplementedError, OSError, ValueError):  # as damage would have it
        return False


def newest_intact(folder: Path, option: str) -> Path:
    """The last checkpoint that is not damaged; a line tells of those that are.

    Raises ValueError, naming `option`, if there is none.
    """
    checkpoints = list_checkpoints(folder)
    if not checkpoints:
        raise ValueError(f"{option}: expected step-*.ckpt files in {folder}, found none")
    for path in reversed(checkpoints):
        if is_intact(path):
            if path != checkpoints[-1]:
                damaged = ", ".join(other.name for other in checkpoints[checkpoints.index(path) + 1 :])
                CONSOLE.print(f"{folder}: {damaged} is damaged; {path.name} before it is taken", soft_wrap=True)
            return path
    raise ValueError(f"{option}: expected a checkpoint that is intact in {folder}, found {len(checkpoints)} damaged")


def load_checkpoint(path: Path) -> dict[str, Any]:
    """What a checkpoint holds, on the CPU; ValueError if there is none, or it is damaged."""
    if not path.is_file():
        raise ValueError(f"expected a checkpoint at {path}, found none")
    if not is_intact(path):
        raise ValueError(f"{path}: expected an intact checkpoint, found one that does not agree with its checksums")
    return torch.load(path, map_location="cpu", weights_only=True)
