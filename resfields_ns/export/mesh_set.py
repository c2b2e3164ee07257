"""Meshes of one run in a folder, with a list of those that are there and of those that are missing."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from resfields_ns.captures.json_file import read_json
from resfields_ns.files import write_aside

LIST = "meshes.json"


@dataclass
class MeshSet:
    """The meshes of a folder.

    Args:
        folder: where they lie
        run: its name
        made_with: all else that decides what they look like, as JSON can hold it
        files: name of the file of each frame that was looked at, by the frame's number; None where it has no surface
        missing: numbers of frames that are still to be looked at
    """

    folder: Path
    run: str
    made_with: Mapping[str, Any]
    files: dict[int, str | None] = field(default_factory=dict)
    missing: list[int] = field(default_factory=list)

    def write(self) -> None:
        """Write the list."""
        content = {
            "run": self.run,
            **self.made_with,
            "missing": self.missing,
            "files": {str(number): self.files[number] for number in sorted(self.files)},
        }
        with write_aside(self.folder / LIST) as partial:
            partial.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")

    def add(self, number: int, file: str | None) -> None:
        """Note that a frame was looked at, and the name of its file, if it has one."""
        self.missing.remove(number)
        self.files[number] = file
        self.write()


def open_mesh_set(folder: Path, run: str, made_with: Mapping[str, Any], frames: Sequence[int]) -> MeshSet:
    """The set to write meshes of frames (by number) to: new, or what a stopped export of the same left.

    Meshes that were made otherwise are replaced, if all of them are asked for anew. Raises ValueError if a folder has
    meshes of another run, or some that would stay beside others that were made otherwise.
    """
    found = _read(folder / LIST, made_with)
    if found is None:
        known: dict[int, str | None] = {}
        if others := sorted(path.name for path in folder.glob(f"mesh_*.{made_with['format']}")):
            raise ValueError(f"{folder}: expected meshes that {LIST} names, found {others[0]}: choose another folder")
    elif found.run != run:
        raise ValueError(f"{folder}: expected meshes of {run}, found those of {found.run}: choose another folder")
    elif found.made_with == made_with:
        known = {number: file for number, file in found.files.items() if file is None or (folder / file).is_file()}
    elif others := sorted(set(found.files) - set(frames)):
        changed = ", ".join(name for name, value in made_with.items() if found.made_with.get(name) != value)
        raise ValueError(
            f"{folder}: expected meshes made alike, found that of frame {others[0]} with another {changed}: "
            "choose another folder, or all of its frames"
        )
    else:
        known = {}
    left = found.missing if found is not None and found.made_with == made_with else []
    mesh_set = MeshSet(folder, run, made_with, known, sorted({*frames, *left} - set(known)))
    mesh_set.write()
    return mesh_set


def _read(path: Path, made_with: Mapping[str, Any]) -> MeshSet | None:
    if not path.is_file():
        return None
    content = read_json(path)
    try:
        files = {int(number): file for number, file in content["files"].items()}
        made = {name: content.get(name) for name in made_with}
        return MeshSet(path.parent, content["run"], made, files, list(content["missing"]))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path}: expected a list of meshes, found one that is broken ({error!r})") from None
