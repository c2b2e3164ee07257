"""The surface of a model at a time, as a triangle mesh."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import mcubes
import numpy as np
import torch
import trimesh
from jaxtyping import Float, Int

from resfields_ns.captures.meshes.colours import TexturedColours
from resfields_ns.captures.meshes.mesh_points import sample_surface
from resfields_ns.models.level_grid import in_chunks, level_grid
from resfields_ns.models.surface_model import SurfaceModel


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
    """RGB in [0, 1] (sRGB)."""
    attributes: Mapping[str, Float[np.ndarray, "vertices 3"]] = field(default_factory=dict)
    """More of each vertex in [0, 1], by names that glTF takes for an application's own: _NAME."""
    texture: TexturedColours | None = None
    """Stands in for the colours, where there is one."""

    @property
    def normals(self) -> Float[np.ndarray, "vertices 3"]:
        """Unit normals of the vertices, outward: the mean over their faces."""
        return np.array(trimesh.Trimesh(self.vertices, self.faces, process=False).vertex_normals)


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
