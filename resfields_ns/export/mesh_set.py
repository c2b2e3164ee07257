"""Meshes of one run in a folder, one a frame, with a list of those that are there and of those that are missing."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from rich.console import Console
from rich.progress import Progress

from resfields_ns.captures.json_file import read_json
from resfields_ns.export.mesh_formats import Units, place_of, remove_mesh, write_mesh
from resfields_ns.export.surface import Surface, extract_surface, surfaces_at_once
from resfields_ns.files import blame_full_disk, locked, write_aside
from resfields_ns.functional.threads import side_by_side
from resfields_ns.host.trained_run import TrainedRun
from resfields_ns.models.surface_model import SurfaceModel

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


def export_meshes(
    run: TrainedRun,
    frames: list[int],
    folder: Path,
    resolution: int,
    file_format: Literal["ply", "obj", "glb"],
    units: Units,
    chunk_size: int,
    shown: Mapping[str, Any] | None = None,
    finish: Callable[[Surface, int], Surface] | None = None,
    up: Literal["y", "z"] = "y",
) -> list[Path]:
    """Write the surface at each frame of the run (counted from 0) and return the files.

    Names hold the capture's own frame numbers: mesh_000010.ply. A frame without a surface is named on stderr and
    skipped. A list of the meshes (`MeshSet`) says what is missing while they are written; those that are there already,
    made alike, stay. `resolution` and `chunk_size` are those of `extract_surface`, and `finish` is applied to what it
    finds and its frame; `up` is that of `place_of`; `shown`, which the list keeps, says what else decides on the
    meshes. Raises ValueError where the model knows none or the folder holds others, and DiskFullError where the disk
    has no room.
    """
    if not isinstance(model := run.model, SurfaceModel):
        raise ValueError(f"--load-config: expected a model with a surface, found {type(model).__name__}")
    transform = place_of(run.sequence.to_world, units, up)
    console = Console(stderr=True)
    numbers = {run.sequence.frames.numbers[frame]: frame for frame in frames}
    asked = {"format": file_format, "resolution": resolution, "units": units, "up": up}
    made_with = {"step": run.step, **asked, **(shown or {})}
    with locked(folder), Progress(console=console) as progress:
        meshes = open_mesh_set(folder, run.name, made_with, list(numbers))
        missing = [number for number in numbers if number in meshes.missing]

        def extract(number: int) -> Surface:
            surface = extract_surface(model, run.time_of(numbers[number]), resolution, chunk_size)
            return surface if finish is None or len(surface.faces) == 0 else finish(surface, numbers[number])

        surfaces = side_by_side(extract, missing, run.model.device, surfaces_at_once(resolution))
        for number, surface in progress.track(
            zip(missing, surfaces, strict=True), total=len(missing), description="Exporting"
        ):
            path = folder / f"mesh_{number:06d}.{file_format}"
            if len(surface.faces) == 0:
                console.print(f"Frame {number} has no surface in the scene box: skipped")
                remove_mesh(path)
                meshes.add(number, None)
                continue
            kept = f"{len(meshes.files)} meshes of the run are kept in {folder}, and the same command goes on"
            with blame_full_disk(path, kept):
                write_mesh(surface, path, transform)
                meshes.add(number, path.name)
        files = [meshes.files[number] for number in numbers]
    return [folder / file for file in files if file is not None]


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
