"""Small mesh sequences: a ball that wanders and grows over four frames, a thin bird that flaps its wings, and a family
of shapes that are told by six numbers."""

from pathlib import Path

import numpy as np
import trimesh


def _ball(frame: int, radius: float, subdivisions: int) -> trimesh.Trimesh:
    ball = trimesh.creation.icosphere(subdivisions=subdivisions, radius=radius * (1.0 + 0.1 * frame))
    ball.apply_translation([0.2 * radius * frame, 0.0, -0.1 * radius * frame])
    return ball


def write_anime(folder: Path, radius: float = 30.0) -> Path:
    """An `.anime` file of a ball of 42 vertices in `folder`."""
    balls = [_ball(frame, radius, subdivisions=1) for frame in range(4)]
    return _write_anime(folder / "ball.anime", np.stack([ball.vertices for ball in balls]), balls[0].faces)


def write_bird(folder: Path, frames: int = 40) -> Path:
    """An `.anime` file of `bird_vertices` over `frames` frames in `folder`."""
    vertices = np.stack([bird_vertices(frame / frames) for frame in range(frames)])
    return _write_anime(folder / "bird.anime", vertices, BIRD_FACES)


def _write_anime(path: Path, vertices: np.ndarray, faces: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    counts = np.array([*vertices.shape[:2], len(faces)], "<i4")
    moving = vertices.astype("<f4")
    parts = (counts, moving[0], faces.astype("<i4"), moving[1:] - moving[0])
    path.write_bytes(b"".join(part.tobytes() for part in parts))
    return path


BIRD_STATIONS = np.array(  # of a wing from the body to near its tip: place along the span, chord, thickness, sweep
    [[0.0, 1.2, 2.0 / 7.0, 0.0], [0.12, 0.6, 0.2, 0.0], [0.5, 0.42, 0.06, 0.04], [0.85, 0.26, 0.03, -0.06]]
)


def bird_vertices(time: float) -> np.ndarray:
    """A closed bird [30, 3] with a span of 2, seven times its thickness, y up; it flaps twice while time passes 0 to 1.

    Lozenges along the span, drawn to a point at both tips; the outer wing follows the inner one.
    """
    sides = np.concatenate((BIRD_STATIONS[:0:-1] * [-1, 1, 1, 1], BIRD_STATIONS))
    span, chord, thickness, sweep = sides.T[..., None]
    front, top = np.array([0.5, 0.0, -0.5, 0.0]), np.array([0.0, 0.5, 0.0, -0.5])
    rings = np.stack(np.broadcast_arrays(span, thickness * top, sweep + chord * front), axis=-1)
    tips = np.array([[-1.0, 0.0, -0.15], [1.0, 0.0, -0.15]])
    vertices = np.concatenate((rings.reshape(-1, 3), tips))
    out = np.abs(vertices[:, 0])
    vertices[:, 1] += out * np.sin(4.0 * np.pi * time - out)
    return 0.7 * vertices


def _bird_faces() -> np.ndarray:
    stations = 2 * len(BIRD_STATIONS) - 1
    left, right = 4 * stations, 4 * stations + 1
    faces = []
    for side in range(4):
        following = (side + 1) % 4
        faces += [[left, side, following], [right, right - 5 + following, right - 5 + side]]
        for ring in range(0, 4 * (stations - 1), 4):
            here, there = (ring + side, ring + following), (ring + 4 + side, ring + 4 + following)
            faces += [[here[0], there[0], here[1]], [there[0], there[1], here[1]]]
    return np.array(faces)


BIRD_FACES = _bird_faces()


def write_ply_folder(folder: Path, radius: float = 0.5) -> Path:
    """A folder of PLY files, `meshes` in `folder`, whose frames differ in their triangles."""
    meshes = folder / "meshes"
    meshes.mkdir(parents=True)
    for frame in range(4):
        _ball(frame, radius, subdivisions=1 + frame % 2).export(meshes / f"mesh_{frame}.ply")
    return meshes


def superquadric(numbers: np.ndarray, subdivisions: int = 4) -> trimesh.Trimesh:
    """A closed shape of six numbers in [0, 1]: three half axes, roundness, taper and twist, y up."""
    mesh = trimesh.creation.icosphere(subdivisions=subdivisions)
    axes, power = 0.3 + 0.45 * numbers[:3], 1.2 + 4.8 * numbers[3] ** 2
    points = mesh.vertices / (np.abs(mesh.vertices / axes) ** power).sum(axis=1, keepdims=True) ** (1.0 / power)
    height, angle = points[:, 1], (3.0 * numbers[5] - 1.5) * points[:, 1]
    wide = points[:, [0, 2]] * (1.0 + (1.4 * numbers[4] - 0.7) * height)[:, None]
    x = np.cos(angle) * wide[:, 0] - np.sin(angle) * wide[:, 1]
    z = np.sin(angle) * wide[:, 0] + np.cos(angle) * wide[:, 1]
    return trimesh.Trimesh(np.stack((x, height, z), axis=1), mesh.faces, process=False)


def write_shapes(folder: Path, count: int, seed: int = 0, subdivisions: int = 4) -> Path:
    """A folder of `count` superquadrics of random numbers, as PLY files."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(seed)
    for index in range(count):
        superquadric(rng.uniform(size=6), subdivisions).export(folder / f"shape_{index:03d}.ply")
    return folder
