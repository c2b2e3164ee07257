"""A made-up capture without masks: a ball that goes round before cameras that stand or swing in a painted room."""

from pathlib import Path

import numpy as np

from resfields_ns.captures.camera import Camera, Similarity
from resfields_ns.captures.capture_writer import PLATE_FILE, write_box, write_cameras, write_png
from resfields_ns.captures.poses import camera_around_origin

NUM_FRAMES = 8
CAMERAS = {"cam0": 35.0, "cam1": 0.0, "cam2": 90.0, "cam3": 180.0, "cam4": 270.0}
"""Azimuths in degrees; the first camera is kept for evaluation."""
RADIUS = 0.35
ORBIT = 0.45
ROCKING = 0.2
"""Radii of circles that the ball goes round; on the smaller one it never leaves its place."""
ROOM = 6.0
"""Radius of the room, a sphere around the world's origin."""
_SIZE = 40


def ball_at(frame: int, orbit: float = ORBIT) -> np.ndarray:
    """Centre of the ball."""
    angle = 2.0 * np.pi * frame / NUM_FRAMES
    return orbit * np.array([np.cos(angle), 0.0, np.sin(angle)])


def camera(name: str, frame: int | None = None, swing: float = 0.0) -> Camera:
    """A camera in normalised space, which is the world; it swings around the ball by an angle in degrees."""
    phase = 0.0 if frame is None else 2.0 * np.pi * frame / NUM_FRAMES + list(CAMERAS).index(name)
    return camera_around_origin(CAMERAS[name] + swing * np.sin(phase), 20.0, 3.2, (_SIZE, _SIZE), 1.5 * _SIZE)


def look(name: str, frame: int | None, orbit: float = ORBIT, swing: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Picture [h, w, 3] of 8 bits and mask [h, w] of a camera; without a frame, of the room alone."""
    seen = camera(name, frame, swing)
    directions = seen.directions(seen.pixel_grid())
    directions /= np.linalg.norm(directions, axis=-1, keepdims=True)
    walls = seen.centre + directions * _crossings(seen.centre, np.zeros(3), ROOM, directions)[1][..., None]
    picture = paint(walls)
    mask = np.zeros(directions.shape[:2], bool)
    if frame is not None:
        ball = ball_at(frame, orbit)
        near, _ = _crossings(seen.centre, ball, RADIUS, directions)
        mask = np.isfinite(near)
        normals = (seen.centre + directions * np.where(mask, near, 0.0)[..., None] - ball) / RADIUS
        picture = np.where(mask[..., None], [0.95, 0.75, 0.1] + 0.05 * normals, picture)
    return np.round(255.0 * picture.clip(0.0, 1.0)).astype(np.uint8), mask


def paint(walls: np.ndarray) -> np.ndarray:
    """Colours of points on the walls."""
    return 0.5 + 0.4 * np.sin(walls * [1.7, 2.3, 2.9] + walls[..., [1, 2, 0]])


def _crossings(
    origin: np.ndarray, centre: np.ndarray, radius: float, directions: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Distances at which rays enter and leave a sphere; NaN where they miss it."""
    along = directions @ (centre - origin)
    squared = along**2 - ((centre - origin) ** 2).sum() + radius**2
    half = np.sqrt(np.where(squared > 0.0, squared, np.nan))
    return along - half, along + half


def write_room_capture(folder: Path, plates: bool = False, orbit: float = ORBIT, swing: float = 0.0) -> None:
    """Write the capture, with masks of the first camera alone, to evaluate by, and with plates if asked for."""
    for name in CAMERAS:
        for kind in ("rgb", "mask") if name == "cam0" else ("rgb",):
            (folder / name / kind).mkdir(parents=True)
        write_cameras(
            folder / name, [camera(name, frame, swing) for frame in range(NUM_FRAMES)], Similarity.of(1.0, np.zeros(3))
        )
        for frame in range(NUM_FRAMES):
            picture, mask = look(name, frame, orbit, swing)
            write_png(folder / name / "rgb" / f"{frame:03d}.png", picture)
            if name == "cam0":
                write_png(folder / name / "mask" / f"{frame:03d}.png", mask.astype(np.uint8) * 255)
        if plates:
            write_png(folder / name / PLATE_FILE, look(name, None)[0])
    write_box(folder, np.array([-0.9, -0.6, -0.9]), np.array([0.9, 0.6, 0.9]))
