"""Depth as another camera sees it (the method of Azure Kinect's SDK: triangles of neighbouring readings).

Notation: every four neighbouring readings span a quad of two triangles, unless a reading is missing or the quad
lies across a jump in depth; of the triangles that cover a pixel's centre, the nearest is seen.
"""

import numpy as np
from jaxtyping import Bool, Float64, Int, UInt16

from resfields_ns.captures.camera import Camera
from resfields_ns.captures.kinect.device import DeviceCalibration

LARGEST_JUMP = 0.0469  # of the nearest depth; a surface seen at 85 degrees from its normal
_MILLIMETRES = 1000.0
_TOLERANCE = 1e-9  # of barycentric coordinates, so that no pixel falls between two triangles


class DepthRegistration:
    """Takes depth images of a device to those of a view by its colour camera.

    Args:
        calibration: of the device
        view: of the colour camera, without its lens; its pose does not matter
    """

    def __init__(self, calibration: DeviceCalibration, view: Camera) -> None:
        plane = calibration.depth.plane_coordinates(calibration.depth.pixel_grid())
        rays = np.concatenate([plane, np.ones_like(plane[..., :1])], axis=-1)
        self._rays = rays @ calibration.rotation.T
        self._known = np.linalg.norm(plane, axis=-1) <= calibration.depth_radius
        self._translation = calibration.translation * _MILLIMETRES
        self._view = view

    def __call__(self, depth: UInt16[np.ndarray, "rows columns"]) -> UInt16[np.ndarray, "height width"]:
        """Millimetres along the view's axis, 0 where it sees no reading."""
        readings = depth.astype(np.float64)
        points = (readings[..., None] * self._rays + self._translation).reshape(-1, 3)
        before = points[:, 2] > 0.0
        known = (depth > 0) & self._known & before.reshape(depth.shape)
        triangles = depth_triangles(readings, known)
        pixels = np.zeros((len(points), 2))
        pixels[known.ravel()] = self._view.pixels_of(points[known.ravel()])
        nearest = rasterise_depth(pixels, points[:, 2], triangles, (self._view.height, self._view.width))
        nearest[~(nearest < np.iinfo(np.uint16).max)] = 0.0
        return nearest.round().astype(np.uint16)


def depth_triangles(
    depth: Float64[np.ndarray, "rows columns"], known: Bool[np.ndarray, "rows columns"]
) -> Int[np.ndarray, "triangles 3"]:
    """Triangles of an image's neighbouring readings, as indices of pixels row by row, none across a jump."""
    pixels = np.arange(depth.size).reshape(depth.shape)
    corners = np.stack([pixels[:-1, :-1], pixels[:-1, 1:], pixels[1:, 1:], pixels[1:, :-1]], axis=-1).reshape(-1, 4)
    triangles = np.concatenate([corners[:, [0, 1, 2]], corners[:, [0, 2, 3]]])
    triangles = triangles[known.ravel()[triangles].all(axis=1)]
    depths = depth.ravel()[triangles]
    nearest = depths.min(axis=1)
    return triangles[depths.max(axis=1) - nearest <= LARGEST_JUMP * nearest]


def rasterise_depth(
    pixels: Float64[np.ndarray, "vertices 2"],
    depths: Float64[np.ndarray, "vertices"],
    triangles: Int[np.ndarray, "triangles 3"],
    shape: tuple[int, int],
) -> Float64[np.ndarray, "height width"]:
    """Depth of the nearest triangle at every pixel's centre, infinite where there is none; all depths are above 0.

    1 / depth is linear over a plane's image. Triangles are small: all pixels at one place of the triangles' bounding
    boxes are looked at together.
    """
    corners = pixels[triangles]
    first = np.ceil(corners.min(axis=1) - 0.5).clip(min=0).astype(np.int64)
    last = np.floor(corners.max(axis=1) - 0.5).clip(max=[shape[1] - 1, shape[0] - 1]).astype(np.int64)
    origin, b, c = corners[:, 0], corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    area = b[:, 0] * c[:, 1] - b[:, 1] * c[:, 0]
    seen = (first <= last).all(axis=1) & (area != 0.0)
    first, last, origin, b, c = (values[seen] for values in (first, last, origin, b, c))
    b, c = b / area[seen, None], c / area[seen, None]
    inverse = 1.0 / depths[triangles[seen]]
    nearest = np.zeros(shape[0] * shape[1])
    extent = last - first
    for row in range(extent[:, 1].max(initial=-1) + 1):
        tall = np.flatnonzero(extent[:, 1] >= row)
        for column in range(extent[tall, 0].max(initial=-1) + 1):
            tall = tall[extent[tall, 0] >= column]
            pixel = first[tall] + [column, row]
            x, y = (pixel + 0.5 - origin[tall]).T
            towards_b = x * c[tall, 1] - y * c[tall, 0]
            towards_c = y * b[tall, 0] - x * b[tall, 1]
            from_origin = 1.0 - towards_b - towards_c
            inside = np.minimum(np.minimum(towards_b, towards_c), from_origin) >= -_TOLERANCE
            weights = np.stack([from_origin, towards_b, towards_c], axis=-1)[inside]
            covered = pixel[inside, 1] * shape[1] + pixel[inside, 0]
            np.maximum.at(nearest, covered, (weights * inverse[tall[inside]]).sum(axis=-1))
    with np.errstate(divide="ignore"):
        return (1.0 / nearest).reshape(shape)
