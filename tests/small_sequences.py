"""Small mesh sequences for tests: a ball that wanders and grows over four frames."""

from pathlib import Path

import numpy as np
import trimesh


def _ball(frame: int, radius: float, subdivisions: int) -> trimesh.Trimesh:
    ball = trimesh.creation.icosphere(subdivisions=subdivisions, radius=radius * (1.0 + 0.1 * frame))
    ball.apply_translation([0.2 * radius * frame, 0.0, -0.1 * radius * frame])
    return ball


def write_anime(folder: Path, radius: float = 30.0) -> Path:
    """An `.anime` file of 42 vertices in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    balls = [_ball(frame, radius, subdivisions=1) for frame in range(4)]
    vertices = np.stack([np.array(ball.vertices, "<f4") for ball in balls])
    counts = np.array([4, len(vertices[0]), len(balls[0].faces)], "<i4")
    parts = (counts, vertices[0], np.array(balls[0].faces, "<i4"), vertices[1:] - vertices[0])
    path = folder / "ball.anime"
    path.write_bytes(b"".join(part.tobytes() for part in parts))
    return path


def write_ply_folder(folder: Path, radius: float = 0.5) -> Path:
    """A folder of PLY files, `meshes` in `folder`, whose frames differ in their triangles."""
    meshes = folder / "meshes"
    meshes.mkdir(parents=True)
    for frame in range(4):
        _ball(frame, radius, subdivisions=1 + frame % 2).export(meshes / f"mesh_{frame}.ply")
    return meshes
