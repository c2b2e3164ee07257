"""The surface of a dynamic model at a time, as a triangle mesh."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import mcubes
import numpy as np
import torch
import torch.nn.functional as F
import trimesh
from jaxtyping import Float, Int
from torch import Tensor

from resfields_ns.functional.segments import TimeSegments
from resfields_ns.models.ray_model import DynamicRayModel


@dataclass(frozen=True)
class Surface:
    """A mesh in the scene's normalised units, its faces outward; without faces where the field has no surface."""

    vertices: Float[np.ndarray, "vertices 3"]
    faces: Int[np.ndarray, "faces 3"]
    colours: Float[np.ndarray, "vertices 3"]
    """RGB in [0, 1]."""

    def sample_points(self, count: int, seed: int) -> Float[np.ndarray, "count 3"]:
        """Random points, uniform over the area."""
        mesh = trimesh.Trimesh(self.vertices, self.faces, process=False)
        return trimesh.sample.sample_surface(mesh, count, seed=seed)[0].astype(np.float32)


@torch.no_grad()
def extract_surface(model: DynamicRayModel, time: float, resolution: int, chunk_size: int = 65_536) -> Surface:
    """Marching cubes (Lorensen & Cline 1987) on the level of the surface inside the scene box, with colours.

    Args:
        model: the trained model
        time: in [0, 1]
        resolution: cells along the longest side of the box; the cells are cubes
        chunk_size: points evaluated at once, which bounds the memory
    """
    box = model.sampler.box
    cell = float((box[1] - box[0]).max()) / resolution
    counts = [math.ceil(float(side) / cell - 1e-4) + 1 for side in box[1] - box[0]]
    values = torch.empty(counts[0] * counts[1] * counts[2])
    for start, points in _grid_chunks(box, cell, counts, chunk_size):
        values[start : start + len(points)] = _level_where_occupied(model, points, time, empty=cell).cpu()
    # mcubes orients faces towards smaller values, which are inside
    vertices, faces = mcubes.marching_cubes(values.view(*counts).numpy(), 0.0)
    vertices = (vertices * cell + box[0].cpu().numpy()).astype(np.float32)
    return Surface(vertices, faces[:, ::-1].astype(np.int64), _colours(model, vertices, time, chunk_size))


def _grid_chunks(
    box: Float[Tensor, "2 3"], cell: float, counts: list[int], chunk_size: int
) -> Iterator[tuple[int, Float[Tensor, "points 3"]]]:
    strides = torch.tensor([counts[1] * counts[2], counts[2], 1], device=box.device)
    extents = torch.tensor(counts, device=box.device)
    total = math.prod(counts)
    for start in range(0, total, chunk_size):
        index = torch.arange(start, min(start + chunk_size, total), device=box.device)
        yield start, box[0] + cell * (index[:, None] // strides % extents)


def _level_where_occupied(
    model: DynamicRayModel, points: Float[Tensor, "points 3"], time: float, empty: float
) -> Float[Tensor, "points"]:
    """The density's level at points that the sampler calls occupied, `empty` elsewhere."""
    times = torch.tensor([time], device=points.device)
    occupied = model.sampler.occupied(points[None], times)[0]
    values = torch.full_like(points[:, 0], empty)
    inside = points[occupied]
    raw, _ = model.field.raw_and_feature(inside, TimeSegments.single(times, len(inside)))
    values[occupied] = model.density.level(raw)
    return values


def _colours(
    model: DynamicRayModel, vertices: Float[np.ndarray, "vertices 3"], time: float, chunk_size: int
) -> Float[np.ndarray, "vertices 3"]:
    """RGB in [0, 1] of each vertex, seen along its normal."""
    times = torch.tensor([time], device=model.device)

    def colours(points: Float[Tensor, "points 3"]) -> Float[Tensor, "points 3"]:
        _, gradient, feature = model.field.raw_gradient_and_feature(points, TimeSegments.single(times, len(points)))
        return model.field.colour(feature, -model.density.outward * F.normalize(gradient, dim=-1))

    return _in_chunks(colours, torch.from_numpy(vertices).to(model.device), chunk_size).cpu().numpy()


def _in_chunks(function: Callable[[Tensor], Tensor], points: Tensor, chunk_size: int) -> Tensor:
    return torch.cat([function(part) for part in points.split(chunk_size)])
