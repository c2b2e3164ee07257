"""Colours of a surface as a picture: finer than its triangles, so that few of these are enough."""

import math
from dataclasses import replace

import numpy as np
import torch

from resfields_ns.captures.meshes.colours import TexturedColours
from resfields_ns.export.surface import Surface
from resfields_ns.host.trained_run import TrainedRun
from resfields_ns.models.level_grid import in_chunks
from resfields_ns.models.surface_model import SurfaceModel

_MOST_PIXELS = 8192  # a side, which any program shows


@torch.no_grad()
def add_texture(surface: Surface, run: TrainedRun, frame: int, texels: int, chunk_size: int = 65_536) -> Surface:
    """Let the surface of a frame (counted from 0) have a picture of its colours, `texels` along a side of a triangle.

    Triangles lie in pairs in squares of the picture, as the host's exporter lays them out. Raises ValueError where the
    picture would have more than 8192 pixels a side; `chunk_size` points are evaluated at once.
    """
    from nerfstudio.exporter.texture_utils import unwrap_mesh_per_uv_triangle  # seconds to import

    if len(surface.faces) == 0:
        return surface
    model, time = run.model, run.time_of(frame)
    assert isinstance(model, SurfaceModel)
    side = math.ceil(math.sqrt(math.ceil(len(surface.faces) / 2))) * (texels + 3)
    if side > _MOST_PIXELS:
        raise ValueError(
            f"--texels: expected pictures of at most {_MOST_PIXELS} pixels a side, found {side} for "
            f"{len(surface.faces)} triangles: ask for fewer of these with --triangles"
        )
    vertices, normals = (torch.from_numpy(np.array(array)).float() for array in (surface.vertices, surface.normals))
    corners, points, _ = unwrap_mesh_per_uv_triangle(vertices, torch.from_numpy(surface.faces), normals, texels)
    height, width, _ = points.shape
    points = points.view(-1, 3).to(model.surface_box)
    colours = in_chunks(lambda points: model.surface_colours(points, time), chunk_size)(points)
    picture = (255.0 * colours).round().byte().view(height, width, 3).cpu().numpy()
    return replace(surface, texture=TexturedColours(corners.double().numpy(), picture))
