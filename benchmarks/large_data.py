"""Made-up data that are large: a capture as Neural 3D Video's, balls that move before 18 cameras on an arc, and a clip.

Lengths are those of a world whose cameras stand 4 units from its middle.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

import av
import numpy as np
from jaxtyping import Float64, UInt8
from rich.progress import track

from resfields_ns.captures.camera import Camera
from resfields_ns.captures.poses import camera_around_origin

SIZE = (1352, 1014)
CLIP_SIZE = (512, 288)
NUM_CAMERAS = 18
FOCAL = 1350.0
DISTANCE = 4.0
FRAME_RATE = 30
NUM_BALLS = 6
RADIUS = 0.3
WALL = 9.0  # radius of the sphere around all that shows behind the balls
LIGHT = np.array([2.0, 6.0, 3.0]) / 7.0

Picture = UInt8[np.ndarray, "height width 3"]


def cameras() -> dict[str, Camera]:
    """By the names of Neural 3D Video; the first one, which is held out, stands in the middle of the others."""
    azimuths = np.linspace(-60.0, 60.0, NUM_CAMERAS)
    azimuths = [azimuths[NUM_CAMERAS // 2], *np.delete(azimuths, NUM_CAMERAS // 2)]
    return {
        f"cam{index:02d}": camera_around_origin(azimuth, 10.0 + 12.0 * (index % 3), DISTANCE, SIZE, FOCAL)
        for index, azimuth in enumerate(azimuths)
    }


def balls(time: float) -> Float64[np.ndarray, "balls 3"]:
    """Where their centres are at a time in 0..1."""
    phases = 2.0 * np.pi * (time * np.array([1, -1, 2, -2, 1, 3]) + np.arange(NUM_BALLS) / NUM_BALLS)
    radii = np.linspace(0.15, 0.7, NUM_BALLS)
    return np.stack([radii * np.cos(phases), 0.5 * np.sin(phases), radii * np.sin(phases)], axis=-1)


def pictures(camera: Camera, num_frames: int) -> Iterator[Picture]:
    """What a camera sees at each frame."""
    centre, directions = camera.rays(camera.pixel_grid())
    along = directions @ centre
    wall = centre + (np.sqrt(along**2 - centre @ centre + WALL**2) - along)[..., None] * directions
    background = _colours(wall, 110.0, 15.0)
    for frame in range(num_frames):
        picture = background.copy()
        of_balls = balls(frame / num_frames)
        for place in np.argsort(-np.linalg.norm(of_balls - centre, axis=-1)):  # the farthest first
            _draw_ball(picture, camera, centre, directions, of_balls[place], 30.0 * place)
        yield picture


def _draw_ball(
    picture: Picture,
    camera: Camera,
    eye: Float64[np.ndarray, "3"],
    directions: Float64[np.ndarray, "height width 3"],
    centre: Float64[np.ndarray, "3"],
    hue: float,
) -> None:
    pixel, reach = camera.project(centre[None])[0][0], 1.2 * FOCAL * RADIUS / (np.linalg.norm(centre - eye) - RADIUS)
    (left, top), (right, bottom) = ((pixel + side * reach).astype(int).clip(0, SIZE) for side in (-1, 1))
    rays = directions[top:bottom, left:right]
    to_centre = centre - eye
    along = rays @ to_centre
    inside = along**2 - to_centre @ to_centre + RADIUS**2
    hit = inside > 0.0
    normals = ((along - np.sqrt(inside.clip(0.0)))[..., None] * rays - to_centre)[hit] / RADIUS
    shade = 0.5 + 0.5 * (normals @ LIGHT).clip(0.0)
    picture[top:bottom, left:right][hit] = _colours(normals + hue, 160.0, 60.0) * shade[:, None]


def _colours(points: Float64[np.ndarray, "*batch 3"], middle: float, swing: float) -> UInt8[np.ndarray, "*batch 3"]:
    """A texture in space."""
    waves = (
        np.sin(3.0 * points) + 0.5 * np.sin(11.0 * points[..., [1, 2, 0]]) + 0.5 * np.sin(23.0 * points[..., [2, 0, 1]])
    )
    return np.round(middle + swing * waves).clip(0, 255).astype(np.uint8)


def write_n3v(folder: Path, num_frames: int) -> None:
    """Write the capture in Neural 3D Video's layout: `cam00.mp4`, ... and `poses_bounds.npy`."""
    folder.mkdir(parents=True)
    rows = []
    for name, camera in track(cameras().items(), "Writing videos", NUM_CAMERAS):
        write_video(folder / f"{name}.mp4", SIZE, pictures(camera, num_frames))
        right, down, forward, position = camera.pose.T
        matrix = np.column_stack([down, right, -forward, position, [SIZE[1], SIZE[0], FOCAL]])
        rows.append([*matrix.flatten(), DISTANCE - 1.5, DISTANCE + 1.5])
    np.save(folder / "poses_bounds.npy", np.array(rows))


def write_clip(path: Path, num_frames: int) -> None:
    """Write a video of noise that moves, with some detail everywhere."""
    width, height = CLIP_SIZE
    noise = np.random.default_rng(0).integers(0, 256, (height // 8, width // 8 + num_frames, 3), dtype=np.uint8)
    moving = (noise[:, frame : frame + width // 8].repeat(8, axis=0).repeat(8, axis=1) for frame in range(num_frames))
    write_video(path, CLIP_SIZE, track(moving, "Writing a clip", num_frames))


def write_video(path: Path, size: tuple[int, int], of_frames: Iterable[Picture]) -> None:
    """Write an mp4 file."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=FRAME_RATE, options={"preset": "ultrafast", "threads": "1"})
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"  # pyright: ignore
        for picture in of_frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))  # pyright: ignore
        container.mux(stream.encode(None))  # pyright: ignore
