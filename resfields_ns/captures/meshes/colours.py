"""Colours of surfaces: blended, textured, tinted, joined; sRGB and amounts of light (IEC 61966-2-1), both 0..1."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int, UInt8
from scipy.ndimage import map_coordinates

from resfields_ns.captures.image_files import open_image


def linear_from_srgb(colours: Float[np.ndarray, "*batch 3"]) -> Float[np.ndarray, "*batch 3"]:
    """Amounts of light of sRGB colours."""
    return np.where(colours <= 0.04045, colours / 12.92, ((colours + 0.055) / 1.055) ** 2.4)


def srgb_from_linear(light: Float[np.ndarray, "*batch 3"]) -> Float[np.ndarray, "*batch 3"]:
    """sRGB colours of amounts of light, which are clipped to 0..1."""
    light = np.clip(light, 0.0, 1.0)
    return np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1.0 / 2.4) - 0.055)


class SurfaceColours(ABC):
    """Colours (sRGB, 0..1) of the points of a surface made of triangles."""

    @abstractmethod
    def at(
        self,
        triangles: Int[np.ndarray, "points"],  # noqa: F821
        barycentric: Float[np.ndarray, "points 3"],
    ) -> Float[np.ndarray, "points 3"]:
        """Colours of points, each given by its triangle's index and its weights of the triangle's corners."""


def blend_corners(
    corner_values: Float[np.ndarray, "triangles 3 values"],
    triangles: Int[np.ndarray, "points"],  # noqa: F821
    barycentric: Float[np.ndarray, "points 3"],
) -> Float[np.ndarray, "points values"]:
    """Values of points, blended from those of their triangles' corners."""
    return np.einsum("pc,pcv->pv", barycentric, corner_values[triangles])


@dataclass(frozen=True)
class JoinedColours(SurfaceColours):
    """Parts with colours of their own; the triangles of part i follow those of the parts before it."""

    parts: list[SurfaceColours]
    counts: list[int]
    """Number of triangles of each part."""

    def at(
        self,
        triangles: Int[np.ndarray, "points"],  # noqa: F821
        barycentric: Float[np.ndarray, "points 3"],
    ) -> Float[np.ndarray, "points 3"]:
        ends = np.cumsum(self.counts)
        part_of_point = np.searchsorted(ends, triangles, side="right")
        colours = np.zeros((len(triangles), 3))
        for index, part in enumerate(self.parts):
            chosen = part_of_point == index
            colours[chosen] = part.at(triangles[chosen] - (ends[index] - self.counts[index]), barycentric[chosen])
        return colours


@dataclass(frozen=True)
class BlendedColours(SurfaceColours):
    """Each corner of each triangle has a colour; the points between them blend the three."""

    corners: Float[np.ndarray, "triangles 3 3"]

    def at(
        self,
        triangles: Int[np.ndarray, "points"],  # noqa: F821
        barycentric: Float[np.ndarray, "points 3"],
    ) -> Float[np.ndarray, "points 3"]:
        return np.clip(blend_corners(self.corners, triangles, barycentric), 0.0, 1.0)


def colours_by_normal(
    vertices: Float[np.ndarray, "vertices 3"], faces: Int[np.ndarray, "triangles 3"]
) -> BlendedColours:
    """Colours (1 + n) / 2 by the smooth normal n: for a surface that comes without colours."""
    corners = vertices[faces]
    normals = np.zeros(vertices.shape)
    weighted = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    for corner in range(3):
        np.add.at(normals, faces[:, corner], weighted)
    lengths = np.linalg.norm(normals, axis=1, keepdims=True)
    unit = normals / np.where(lengths > 0.0, lengths, 1.0)
    return BlendedColours((0.5 + 0.5 * unit)[faces])


def colours_by_position(
    vertices: Float[np.ndarray, "vertices 3"], faces: Int[np.ndarray, "triangles 3"]
) -> BlendedColours:
    """Colours by the place in the vertices' box, x red, y green, z blue: for a moving surface without colours."""
    lower, upper = vertices.min(axis=0), vertices.max(axis=0)
    return BlendedColours(((vertices - lower) / np.where(upper > lower, upper - lower, 1.0))[faces])


@dataclass(frozen=True)
class TexturedColours(SurfaceColours):
    """Each corner of each triangle has a place (u, v) in a picture, v measured from its top; the picture repeats."""

    corners: Float[np.ndarray, "triangles 3 2"]
    picture: UInt8[np.ndarray, "height width 3"]

    def at(
        self,
        triangles: Int[np.ndarray, "points"],  # noqa: F821
        barycentric: Float[np.ndarray, "points 3"],
    ) -> Float[np.ndarray, "points 3"]:
        height, width = self.picture.shape[:2]
        u, v = blend_corners(self.corners, triangles, barycentric).T
        places = np.stack([v * height - 0.5, u * width - 0.5])
        channels = [
            map_coordinates(self.picture[..., channel], places, np.float64, order=1, mode="grid-wrap")
            for channel in range(3)
        ]
        return np.stack(channels, axis=-1) / 255.0


@dataclass(frozen=True)
class TintedColours(SurfaceColours):
    """Colours multiplied, as amounts of light, by a factor (linear, 0..1) that the triangles' corners have."""

    colours: SurfaceColours
    corners: Float[np.ndarray, "triangles 3 3"]

    def at(
        self,
        triangles: Int[np.ndarray, "points"],  # noqa: F821
        barycentric: Float[np.ndarray, "points 3"],
    ) -> Float[np.ndarray, "points 3"]:
        tint = blend_corners(self.corners, triangles, barycentric)
        return srgb_from_linear(linear_from_srgb(self.colours.at(triangles, barycentric)) * tint)


SUFFIXES = (".png", ".jpg", ".jpeg")


def read_picture(source: Path | BytesIO, name: str) -> UInt8[np.ndarray, "height width 3"]:
    """Colours of an image; `name` says in errors which one it is. Transparency is dropped."""
    with open_image(source, name, "a texture image", "one that cannot be read") as image:
        return np.array(image.convert("RGB"))


def picture_beside(path: Path) -> Path | None:
    """The image of the same name in the same folder, if there is one."""
    candidates = (path.with_suffix(suffix) for suffix in SUFFIXES)
    return next((candidate for candidate in candidates if candidate.is_file()), None)
