"""What one camera sees of a mesh, by casting rays.

What a structured-light depth camera makes of exact depth. Notation: z is depth in metres, 0 for no reading. The camera
measures disparity d = 1 / (q z) in whole steps, so that neighbouring readings lie q z^2 apart. Source: Handa et al., "A
Benchmark for RGB-D Visual Odometry, 3D Reconstruction and SLAM", ICRA 2014, after Barron and Malik, CVPR 2013; there 1
/ q is 351.3 m.
"""

import itertools
from dataclasses import dataclass

import numpy as np
import trimesh
from jaxtyping import Bool, Float, Float64, Int, UInt8
from scipy.ndimage import maximum_filter, minimum_filter

from resfields_ns.captures.camera import Camera
from resfields_ns.captures.meshes.colours import SurfaceColours


@dataclass(frozen=True)
class RayHits:
    """Nearest hits: of the rays marked in `hit`, the triangles, barycentric coordinates and ray parameters."""

    hit: Bool[np.ndarray, "rays"]  # noqa: F821
    triangles: Int[np.ndarray, "hits"]  # noqa: F821
    barycentric: Float[np.ndarray, "hits 3"]
    distances: Float[np.ndarray, "hits"]  # noqa: F821

    def interpolate(
        self, vertex_values: Float[np.ndarray, "vertices 3"], faces: Int[np.ndarray, "faces 3"]
    ) -> Float[np.ndarray, "hits 3"]:
        """The values of the vertices, at the points hit."""
        return np.einsum("hc,hcv->hv", self.barycentric, vertex_values[faces[self.triangles]])


def cast_rays(
    mesh: trimesh.Trimesh, origin: Float[np.ndarray, "3"], directions: Float[np.ndarray, "rays 3"]
) -> RayHits:
    """Nearest hit of each ray origin + distance * direction; distances are in units of the direction's length."""
    first = mesh.ray.intersects_first(np.broadcast_to(origin, directions.shape), directions)
    hit = first >= 0
    triangles, rays = first[hit], directions[hit]
    corners = mesh.triangles[triangles]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    distances = np.einsum("hi,hi->h", corners[:, 0] - origin, normals) / np.einsum("hi,hi->h", rays, normals)
    barycentric = trimesh.triangles.points_to_barycentric(corners, origin + distances[:, None] * rays)
    return RayHits(hit, triangles, barycentric, distances)


_NEAREST = 1e-6


@dataclass(frozen=True)
class RenderedView:
    """Colours before black, which pixels the surface covers, and z-depth (0 for none) at their centres."""

    colours: UInt8[np.ndarray, "height width 3"]
    mask: Bool[np.ndarray, "height width"]
    depth: Float64[np.ndarray, "height width"]


def render_view(mesh: trimesh.Trimesh, colours: SurfaceColours, camera: Camera, samples: int) -> RenderedView:
    """Render an image, through `samples` x `samples` places of each pixel.

    A pixel's colour is the mean over them, and it is in the mask if the surface is seen through half of them or more.
    Depth is in the mesh's units, of the pixels in the mask whose centre sees the surface. Colours are those of the
    surface, without lights.
    """
    width, height = camera.size
    inside = np.zeros((height, width), bool)
    inside[_window(mesh, camera)] = True
    chosen = np.flatnonzero(inside)
    pixels = camera.pixel_grid().reshape(-1, 2)[chosen]
    offsets = (np.arange(samples) + 0.5) / samples - 0.5

    light, covered = np.zeros((height * width, 3)), np.zeros(height * width, int)
    for y, x in itertools.product(offsets, offsets):
        hits = cast_rays(mesh, camera.centre, camera.directions(pixels + [x, y]))
        seen = chosen[hits.hit]
        light[seen] += colours.at(hits.triangles, hits.barycentric)
        covered[seen] += 1
    mask = 2 * covered >= samples**2
    mean = np.round(255.0 * np.clip(light / samples**2, 0.0, 1.0)).astype(np.uint8)
    hits = cast_rays(mesh, camera.centre, camera.directions(pixels))
    depth = np.zeros(height * width)
    depth[chosen[hits.hit]] = hits.distances
    depth[~mask] = 0.0
    return RenderedView(mean.reshape(height, width, 3), mask.reshape(height, width), depth.reshape(height, width))


def _window(mesh: trimesh.Trimesh, camera: Camera) -> tuple[slice, slice]:
    """Rows and columns of the image that the mesh can lie in."""
    vertices = camera.to_camera(mesh.vertices)
    if (vertices[:, 2] < _NEAREST).any():
        return slice(None), slice(None)
    pixels = camera.pixels_of(vertices)
    (left, top), (right, bottom) = np.floor(pixels.min(axis=0)), np.ceil(pixels.max(axis=0))
    columns = np.clip([left - 1, right + 1], 0, camera.width).astype(int)
    rows = np.clip([top - 1, bottom + 1], 0, camera.height).astype(int)
    return slice(*rows.tolist()), slice(*columns.tolist())


_SHIFT = 0.5  # pixels, standard deviation of where a reading is taken
_DISPARITY_NOISE = 1.0 / 6.0  # steps, standard deviation
_LARGEST_RATIO = 1.05  # of depths of neighbours on one surface
_EDGE_LOSS = 0.5  # share of the readings beside an edge that are lost


def add_depth_noise(
    depth: Float64[np.ndarray, "height width"], q: float, random: np.random.Generator
) -> Float64[np.ndarray, "height width"]:
    """Depth with the noise, the steps and the lost edges of a camera whose readings lie q (in 1 / m) apart at 1 m."""
    shifted = _shifted(depth, random)
    steps = 1.0 / (q * np.where(shifted > 0.0, shifted, np.inf))
    steps = np.round(steps + random.normal(0.0, _DISPARITY_NOISE, depth.shape))
    lost = _edges(depth) & (random.random(depth.shape) < _EDGE_LOSS)
    seen = (shifted > 0.0) & (depth > 0.0) & (steps >= 1.0) & ~lost
    return np.where(seen, 1.0 / (q * np.where(seen, steps, 1.0)), 0.0)


def _shifted(depth: Float64[np.ndarray, "height width"], random: np.random.Generator) -> np.ndarray:
    """The depth at a place near each pixel; beyond the image, at its border."""
    shifts = np.round(random.normal(0.0, _SHIFT, (2, *depth.shape))).astype(int)
    rows, columns = np.indices(depth.shape) + shifts
    return depth[rows.clip(0, depth.shape[0] - 1), columns.clip(0, depth.shape[1] - 1)]


def _edges(depth: Float64[np.ndarray, "height width"]) -> Bool[np.ndarray, "height width"]:
    """Pixels beside a jump in depth, or beside a pixel without a reading."""
    nearest, farthest = minimum_filter(depth, 3, mode="nearest"), maximum_filter(depth, 3, mode="nearest")
    return farthest > _LARGEST_RATIO * nearest
