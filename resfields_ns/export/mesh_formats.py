"""Meshes of single frames in files, files that play them one after the other, and where they stand."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import trimesh
from jaxtyping import Float
from PIL import Image

from resfields_ns.captures.camera import Similarity
from resfields_ns.captures.meshes.colours import TexturedColours, srgb_from_linear
from resfields_ns.captures.meshes.mesh_frames import TURNED_UP
from resfields_ns.export.glb import glb_of, write_switched_glb
from resfields_ns.export.surface import Surface
from resfields_ns.files import write_aside

Units = Literal["normalised", "world"]
"""Those that a model is trained in, or those of the capture's cameras."""


def place_of(to_world: Similarity, units: Units, up: Literal["y", "z"]) -> Float[np.ndarray, "4 4"]:
    """From normalised space to that of files, whose y axis is what is `up` in these units."""
    matrix = np.eye(4) if units == "normalised" else to_world.matrix
    turn = np.eye(4)
    turn[:3, :3] = TURNED_UP[up]
    return turn @ matrix


def write_mesh(surface: Surface, path: Path, transform: Float[np.ndarray, "4 4"]) -> None:
    """Write a surface, its points moved by `transform`, to a ply, obj or glb file, as the suffix says.

    Faces look outward after the transform too. A texture, which ply does not have, lies in a glb; beside an obj lie a
    .png of it and the .mtl that names it. Each file appears whole or not at all, that of `path` last.
    """
    remove_mesh(path)
    surface = _moved(surface, transform)
    texture = surface.texture
    if texture is not None and path.suffix == ".obj":
        with write_aside(path.with_suffix(".png")) as partial:
            Image.fromarray(texture.picture).save(partial)
        with write_aside(path.with_suffix(".mtl")) as partial:
            partial.write_text(f"newmtl {path.stem}\nKd 1 1 1\nmap_Kd {path.stem}.png\n", encoding="utf-8")
    with write_aside(path) as partial:
        if path.suffix == ".glb":
            partial.write_bytes(glb_of(surface))
        elif texture is not None:
            _write_textured_obj(surface, texture, path.stem, partial)
        else:
            colours = np.round(255.0 * surface.colours).astype(np.uint8)
            trimesh.Trimesh(surface.vertices, surface.faces, vertex_colors=colours, process=False).export(partial)


def remove_mesh(path: Path) -> None:
    """Remove what `write_mesh` wrote."""
    for suffix in (path.suffix, ".mtl", ".png"):
        path.with_suffix(suffix).unlink(missing_ok=True)


def _moved(surface: Surface, transform: Float[np.ndarray, "4 4"]) -> Surface:
    vertices = trimesh.transform_points(surface.vertices, transform)
    if np.linalg.det(transform) > 0.0:
        return replace(surface, vertices=vertices)
    mirrored = surface.texture and TexturedColours(surface.texture.corners[:, ::-1], surface.texture.picture)
    return replace(surface, vertices=vertices, faces=surface.faces[:, ::-1], texture=mirrored)


def _write_textured_obj(surface: Surface, texture: TexturedColours, name: str, path: Path) -> None:
    """Triangles share vertices and normals, and have places of their own in the picture, v from its bottom."""
    places = texture.corners.reshape(-1, 2) * [1.0, -1.0] + [0.0, 1.0]
    ones = 1 + np.stack([surface.faces, np.arange(len(places)).reshape(-1, 3), surface.faces], axis=2)
    with path.open("w", encoding="utf-8") as file:
        file.write(f"mtllib {name}.mtl\nusemtl {name}\n")
        for key, rows in {"v": surface.vertices, "vn": surface.normals, "vt": places}.items():
            np.savetxt(file, rows, f"{key}" + " %.6g" * rows.shape[1])
        np.savetxt(file, ones.reshape(-1, 9), "f %d/%d/%d %d/%d/%d %d/%d/%d")


def read_mesh(path: Path) -> Surface:
    """A surface that `write_mesh` wrote; one with a texture is white beside it, and its triangles share no corners."""
    (mesh,) = trimesh.load_scene(path, process=False).geometry.values()
    vertices, faces = np.array(mesh.vertices), np.array(mesh.faces)
    visual, uv = mesh.visual, getattr(mesh.visual, "uv", None)
    if uv is not None:
        picture = getattr(visual.material, "baseColorTexture" if path.suffix == ".glb" else "image")
        corners = uv[faces] * [1.0, -1.0] + [0.0, 1.0]  # trimesh counts v from the bottom
        return Surface(vertices, faces, np.ones_like(vertices), texture=TexturedColours(corners, np.array(picture)))
    if path.suffix == ".glb":
        colours = srgb_from_linear(visual.vertex_attributes["color"][:, :3] / 65535.0)
    else:
        colours = visual.vertex_colors[:, :3] / 255.0
    return Surface(vertices, faces, colours)


def animate_meshes(
    frames: list[int],
    files: Mapping[int, Path],
    fps: float,
    path: Path,
    attributes: Mapping[int, Mapping[str, Float[np.ndarray, "vertices 3"]]] | None = None,
) -> float:
    """Write meshes that lie in files as an animation, and return its length in seconds.

    Args:
        frames: that are played, counted from 0, in order; the first is at 0 seconds
        files: mesh of each of these frames that has one
        fps: frames a second, those between the played ones counted
        path: of the file, .glb, or .usdc, which needs the extra `usd`
        attributes: more of the vertices of each mesh, see `Surface`, for .glb
    """
    first = np.array(frames) - frames[0]
    last = first[-1] - first[-2] if len(frames) > 1 else 1
    ends = np.append(first[1:], first[-1] + last)
    there = np.array([frame in files for frame in frames])
    shown = [files[frame] for frame in frames if frame in files]
    surfaces: Iterator[Surface] = map(read_mesh, shown)
    if attributes is not None:
        more = [attributes[frame] for frame in frames if frame in files]
        surfaces = (replace(surface, attributes=one) for surface, one in zip(surfaces, more, strict=True))
    if path.suffix == ".usdc":
        from resfields_ns.export.usd import write_usd

        write_usd(surfaces, first[there], ends[there], int(ends[-1]), fps, path)
    else:
        names = [file.stem for file in shown]
        write_switched_glb(surfaces, names, first[there] / fps, ends[there] / fps, float(ends[-1] / fps), path)
    return float(ends[-1] / fps)
