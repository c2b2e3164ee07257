"""The surface of a model at a time as a triangle mesh, and mesh files of a run, one a frame."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import mcubes
import numpy as np
import torch
import trimesh
from jaxtyping import Float, Int
from rich.console import Console
from rich.progress import Progress

from resfields_ns.captures.meshes.mesh_points import sample_surface
from resfields_ns.export.mesh_set import open_mesh_set
from resfields_ns.files import blame_full_disk, locked, write_aside
from resfields_ns.functional.threads import side_by_side
from resfields_ns.host.trained_run import TrainedRun
from resfields_ns.models.level_grid import in_chunks, level_grid
from resfields_ns.models.surface_model import SurfaceModel
from resfields_ns.timeline import times_from_frames


@dataclass(frozen=True)
class Shape:
    """A mesh in the scene's normalised units, its faces outward; without faces where the field has no surface."""

    vertices: Float[np.ndarray, "vertices 3"]
    faces: Int[np.ndarray, "faces 3"]

    def sample(self, count: int, seed: int) -> tuple[Float[np.ndarray, "count 3"], Float[np.ndarray, "count 3"]]:
        """Random points, uniform over the area, and their unit normals."""
        return sample_surface(self.vertices, self.faces, count, np.random.default_rng(seed))


@dataclass(frozen=True)
class Surface(Shape):
    """A mesh with colours."""

    colours: Float[np.ndarray, "vertices 3"]
    """RGB in [0, 1]."""


def surfaces_at_once(resolution: int) -> int:
    """How many grids of so many cells a side fit a few GB of memory together."""
    return max(1, 2**27 // resolution**3)


@torch.no_grad()
def extract_surface(model: SurfaceModel, time: float, resolution: int, chunk_size: int = 65_536) -> Surface:
    """The model's shape at a time, with colours; arguments are those of `extract_shape`."""
    shape = extract_shape(model, time, resolution, chunk_size)
    points = torch.from_numpy(shape.vertices).to(model.surface_box.device)
    colours = in_chunks(lambda points: model.surface_colours(points, time), chunk_size)(points)
    return Surface(shape.vertices, shape.faces, colours.cpu().numpy())


@torch.no_grad()
def extract_shape(model: SurfaceModel, time: float, resolution: int, chunk_size: int = 65_536) -> Shape:
    """Marching cubes (Lorensen & Cline 1987) on the level of the surface inside the model's box.

    Arguments are those of `level_grid`.
    """
    grid = level_grid(model, time, resolution, chunk_size)
    # mcubes orients faces towards smaller values, which are inside
    vertices, faces = mcubes.marching_cubes(grid.levels.cpu().numpy(), 0.0)
    vertices = (vertices * grid.cell + grid.origin.cpu().numpy()).astype(np.float32)
    return Shape(vertices, faces[:, ::-1].astype(np.int64))


def write_mesh(surface: Surface, path: Path, transform: Float[np.ndarray, "4 4"]) -> None:
    """Write a surface, its points moved by `transform`, to a ply, obj or glb file, as the suffix says.

    Faces look outward after the transform too. The file appears whole or not at all.
    """
    colours = np.round(255.0 * surface.colours).astype(np.uint8)
    mesh = trimesh.Trimesh(surface.vertices, surface.faces, vertex_colors=colours, process=False)
    mesh.apply_transform(transform)
    with write_aside(path) as partial:
        mesh.export(partial)


def export_meshes(
    run: TrainedRun,
    frames: list[int],
    folder: Path,
    resolution: int,
    file_format: Literal["ply", "obj", "glb"],
    units: Literal["normalised", "world"],
    chunk_size: int,
    shown: Mapping[str, Any] | None = None,
    finish: Callable[[Surface], Surface] | None = None,
) -> list[Path]:
    """Write the surface at each frame of the run (counted from 0) and return the files.

    Names hold the capture's own frame numbers: mesh_000010.ply. A frame without a surface is named on stderr and
    skipped. A list of the meshes (`MeshSet`) says what is missing while they are written; those that are there already,
    made alike, stay. `resolution` and `chunk_size` are those of `extract_surface`, and `finish` is applied to what it
    finds; `shown`, which the list keeps, says what else decides on the meshes. Raises ValueError where the model knows
    none, or the folder holds other meshes, and DiskFullError where the disk has no room.
    """
    if not isinstance(model := run.model, SurfaceModel):
        raise ValueError(f"--load-config: expected a model with a surface, found {type(model).__name__}")
    transform = np.eye(4) if units == "normalised" else run.sequence.to_world.matrix
    console = Console(stderr=True)
    numbers = {run.sequence.frames.numbers[frame]: frame for frame in frames}
    made_with = {"step": run.step, "format": file_format, "resolution": resolution, "units": units, **(shown or {})}
    with locked(folder), Progress(console=console) as progress:
        meshes = open_mesh_set(folder, run.name, made_with, list(numbers))
        missing = [number for number in numbers if number in meshes.missing]

        def extract(number: int) -> Surface:
            time = float(times_from_frames(torch.tensor(numbers[number]), run.num_frames))
            surface = extract_surface(model, time, resolution, chunk_size)
            return surface if finish is None else finish(surface)

        surfaces = side_by_side(extract, missing, run.model.device, surfaces_at_once(resolution))
        for number, surface in progress.track(
            zip(missing, surfaces, strict=True), total=len(missing), description="Exporting"
        ):
            path = folder / f"mesh_{number:06d}.{file_format}"
            if len(surface.faces) == 0:
                console.print(f"Frame {number} has no surface in the scene box: skipped")
                path.unlink(missing_ok=True)
                meshes.add(number, None)
                continue
            kept = f"{len(meshes.files)} meshes of the run are kept in {folder}, and the same command goes on"
            with blame_full_disk(path, kept):
                write_mesh(surface, path, transform)
                meshes.add(number, path.name)
        files = [meshes.files[number] for number in numbers]
    return [folder / file for file in files if file is not None]
