"""What one camera sees of one frame, by casting rays."""

from dataclasses import dataclass

import numpy as np
import trimesh
from jaxtyping import Bool, Float64, UInt8

from resfields_ns.data.camera_views import pixel_centres, pixel_directions
from resfields_ns.data.projection import Pinhole
from resfields_ns.data.ray_casting import cast_rays
from resfields_ns.mesh_sequences.colours.surface_colours import SurfaceColours

_OPENCV_FROM_OPENGL = np.array([1.0, -1.0, -1.0])
_NEAREST = 1e-6


@dataclass(frozen=True)
class RenderedView:
    """Colours before black, which pixels the surface covers, and z-depth (0 for none) at their centres."""

    colours: UInt8[np.ndarray, "height width 3"]
    mask: Bool[np.ndarray, "height width"]
    depth: Float64[np.ndarray, "height width"]


def render_view(
    mesh: trimesh.Trimesh, colours: SurfaceColours, pinhole: Pinhole, size: tuple[int, int], samples: int
) -> RenderedView:
    """Render an image of `size` (width, height), through `samples` x `samples` places of each pixel.

    A pixel's colour is the mean over them, and it is in the mask if the surface is seen through half of them or more.
    Depth is in the mesh's units, of the pixels in the mask whose centre sees the surface. Colours are those of the
    surface, without lights.
    """
    rotation = pinhole.camera_to_world[:, :3] * _OPENCV_FROM_OPENGL
    origin = pinhole.camera_to_world[:, 3]
    intrinsics = np.array([[pinhole.fx, 0.0, pinhole.cx], [0.0, pinhole.fy, pinhole.cy], [0.0, 0.0, 1.0]])
    width, height = size
    window = _window((mesh.vertices - origin) @ rotation, intrinsics, size)
    inside = np.zeros((height, width), bool)
    inside[window] = True
    chosen = np.flatnonzero(inside)
    pixels = pixel_centres(size)[chosen]

    light, covered = np.zeros((height * width, 3)), np.zeros(height * width, int)
    for offset in pixel_centres((samples, samples)) / samples - 0.5:
        hits = cast_rays(mesh, origin, pixel_directions(pixels + offset, intrinsics) @ rotation.T)
        seen = chosen[hits.hit]
        light[seen] += colours.at(hits.triangles, hits.barycentric)
        covered[seen] += 1
    mask = 2 * covered >= samples**2
    mean = np.round(255.0 * np.clip(light / samples**2, 0.0, 1.0)).astype(np.uint8)
    hits = cast_rays(mesh, origin, pixel_directions(pixels, intrinsics) @ rotation.T)
    depth = np.zeros(height * width)
    depth[chosen[hits.hit]] = hits.distances
    depth[~mask] = 0.0
    return RenderedView(mean.reshape(height, width, 3), mask.reshape(height, width), depth.reshape(height, width))


def _window(
    vertices: Float64[np.ndarray, "vertices 3"], intrinsics: Float64[np.ndarray, "3 3"], size: tuple[int, int]
) -> tuple[slice, slice]:
    """Rows and columns of the image that the vertices, in the camera's axes, can lie in."""
    if (vertices[:, 2] < _NEAREST).any():
        return slice(None), slice(None)
    pixels = vertices @ intrinsics.T
    pixels = pixels[:, :2] / pixels[:, 2:]
    (left, top), (right, bottom) = np.floor(pixels.min(axis=0)), np.ceil(pixels.max(axis=0))
    columns = np.clip([left - 1, right + 1], 0, size[0]).astype(int)
    rows = np.clip([top - 1, bottom + 1], 0, size[1]).astype(int)
    return slice(*rows.tolist()), slice(*columns.tolist())
