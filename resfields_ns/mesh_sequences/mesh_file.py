"""One mesh of a PLY or OBJ file, as trimesh reads it."""

import re
from pathlib import Path

import numpy as np
import trimesh
from trimesh.visual import ColorVisuals, TextureVisuals

from resfields_ns.mesh_sequences.colours.blended_colours import BlendedColours, colours_by_normal
from resfields_ns.mesh_sequences.colours.surface_colours import SurfaceColours
from resfields_ns.mesh_sequences.colours.textured_colours import TexturedColours
from resfields_ns.mesh_sequences.mesh_frame import MeshFrame, check_triangles, join_frames
from resfields_ns.mesh_sequences.pictures import picture_beside, picture_pixels, read_picture


def read_mesh_file(path: Path, texture: Path | None = None) -> MeshFrame:
    """Read a mesh with a texture, colours of vertices or faces, or none: then it is coloured by its normals.

    A texture is the image `texture`, or the one that the material names, or the one of the same name beside the file.
    Raises ValueError if the file is broken or its texture is missing.
    """
    try:
        loaded = trimesh.load(path, process=False)
    except Exception as error:  # a broken file can raise any
        raise ValueError(f"{path}: expected a mesh, found a file that cannot be read ({error!r})") from error
    parts = list(loaded.geometry.values()) if isinstance(loaded, trimesh.Scene) else [loaded]
    meshes = [part for part in parts if isinstance(part, trimesh.Trimesh)]
    if not meshes or len(meshes) < len(parts):
        raise ValueError(f"{path}: expected triangles, found none")
    return join_frames([_read_part(part, path, texture) for part in meshes])


def _read_part(part: trimesh.Trimesh, path: Path, texture: Path | None) -> MeshFrame:
    vertices, faces = np.array(part.vertices, np.float64), np.array(part.faces, np.int64)
    check_triangles(vertices, faces, str(path))
    return MeshFrame(vertices, faces, _colours(part.visual, vertices, faces, path, texture))


def _colours(
    visual: ColorVisuals | TextureVisuals | None,
    vertices: np.ndarray,
    faces: np.ndarray,
    path: Path,
    texture: Path | None,
) -> SurfaceColours:
    if isinstance(visual, TextureVisuals) and visual.uv is not None:
        return _textured(visual, faces, path, texture)
    if path.suffix.lower() == ".obj" and re.search(rb"^vt\s", path.read_bytes(), re.MULTILINE):
        raise ValueError(f"{path}: expected texture coordinates at every corner of its faces, found corners without")
    if texture is not None:
        raise ValueError(f"--texture: expected none, as {path} has no texture coordinates, found {texture}")
    if isinstance(visual, TextureVisuals):
        return BlendedColours(np.broadcast_to(visual.material.main_color[:3] / 255.0, (len(faces), 3, 3)))
    if isinstance(visual, ColorVisuals) and visual.kind == "vertex":
        return BlendedColours(np.array(visual.vertex_colors)[:, :3][faces] / 255.0)
    if isinstance(visual, ColorVisuals) and visual.kind == "face":
        return BlendedColours(np.repeat(np.array(visual.face_colors)[:, None, :3], 3, axis=1) / 255.0)
    return colours_by_normal(vertices, faces)


def _textured(visual: TextureVisuals, faces: np.ndarray, path: Path, texture: Path | None) -> TexturedColours:
    of_material = getattr(visual.material, "image", None)
    beside = picture_beside(path)
    if texture is not None:
        picture = read_picture(texture, str(texture))
    elif of_material is not None and "file_path" in of_material.info:  # trimesh has a stand-in, which lacks this
        picture = picture_pixels(of_material, f"{path}: texture {of_material.info['file_path']}")
    elif beside is not None:
        picture = read_picture(beside, str(beside))
    else:
        raise ValueError(
            f"{path}: expected its texture: an image that its material names, or {path.stem}.png or .jpg beside it, "
            "found none"
        )
    corners = np.array(visual.uv, np.float64)[faces]
    if not np.isfinite(corners).all():
        raise ValueError(f"{path}: expected finite texture coordinates, found {corners[~np.isfinite(corners)][0]}")
    return TexturedColours(corners * [1.0, -1.0] + [0.0, 1.0], picture)
