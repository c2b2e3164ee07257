"""A calibration board that is carried through the view of cameras: rendered pictures, and corners by formulas.

`python -m tests.board_scene FOLDER` writes what docs/calibrate.md tries: four cameras' pictures.

Notation: the world is in metres, y down; boards' and cameras' axes as in `resfields_ns.captures.boards`. Poses are 4x4.
"""

import sys
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from resfields_ns.captures.boards.board import Board
from resfields_ns.captures.camera import Camera, Lens
from tests.kinect_scene import Device, ray_directions

BOARD = Board("charuco", 7, 5, 0.12, 0.072, "4x4_50")
CHECKERBOARD = Board("checkerboard", 6, 5, 0.1, 0.075, "4x4_50")
NUM_MOMENTS = 20
_RESOLUTION = 40  # texture's pixels a square
_MARGIN = 0.5  # squares around the board
_FINER = 2  # rays a pixel, along each side
_BACKGROUND = 110
_DISTANCE = 1.3


def pose_of(rotation_vector: np.ndarray, position: np.ndarray) -> np.ndarray:
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = cv2.Rodrigues(np.asarray(rotation_vector, float))[0], position
    return matrix


def make_cameras(azimuths: tuple[float, ...] = (-30.0, -10.0, 10.0, 30.0)) -> dict[str, Camera]:
    """Cameras that look at the origin; from azimuths beyond 90 degrees they see the board from behind."""
    cameras = {}
    for index, azimuth in enumerate(np.radians(azimuths)):
        turn = pose_of(np.array([0.0, -azimuth, 0.0]), np.zeros(3))
        tilt = pose_of(np.array([-0.1 - 0.05 * index, 0.0, 0.0]), np.zeros(3))
        pose = turn @ tilt @ pose_of(np.array([0.0, 0.0, 0.06 * index]), np.array([0.0, 0.0, -_DISTANCE]))
        lens = Lens(k1=-0.12 + 0.03 * index, k2=0.02, p1=0.001, p2=-0.0015)
        optics = Camera(480, 360, 430.0 + 12 * index, 431.0 + 12 * index, 244.0 - 3 * index, 176.0 + 2 * index, lens)
        cameras[f"cam{index}"] = replace(optics, pose=pose[:3])
    return cameras


def carried(moment: int, board: Board = BOARD) -> np.ndarray:
    """Board to world, somewhere else at every moment, tilted up to 35 degrees."""
    random = np.random.default_rng(moment)
    return pose_of(random.uniform(-0.6, 0.6, 3), random.uniform(-0.3, 0.3, 3)) @ _centred(board)


def swung(seconds: float) -> np.ndarray:
    """Board to world, in a smooth motion of about half a metre a second."""
    angles = 2.0 * np.pi * seconds * np.array([0.31, 0.47, 0.23])
    return pose_of(0.5 * np.sin(angles), 0.25 * np.cos(angles[::-1] + 0.3)) @ _centred(BOARD)


def _centred(board: Board) -> np.ndarray:
    return pose_of(np.zeros(3), -board.middle)


def render(
    directions: np.ndarray, pose: np.ndarray, board_pose: np.ndarray, board: Board, inverted: bool
) -> np.ndarray:
    """Gray picture of a camera whose rays have the given directions in its axes, from both sides of the board."""
    towards = np.linalg.inv(board_pose) @ pose
    origin, rays = towards[:3, 3], directions @ towards[:3, :3].T
    along = -origin[2] / rays[..., 2]
    plane = (origin[:2] + along[..., None] * rays[..., :2]) / board.square
    texture = np.pad(255 * board.bits(_RESOLUTION).astype(np.uint8), round(_MARGIN * _RESOLUTION), constant_values=255)
    where = ((plane + _MARGIN) * _RESOLUTION - 0.5).astype(np.float32)
    where[along <= 0.0] = -1e4
    texture = 255 - texture if inverted else texture
    return cv2.remap(
        texture,
        where,
        np.empty(0),
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=(_BACKGROUND,),  # pyright: ignore[reportCallIssue, reportArgumentType]
    )


@lru_cache
def _directions(camera: Camera) -> np.ndarray:
    """Of the rays through parts of its pixels, in its axes."""
    finer = camera.resized((_FINER * camera.width, _FINER * camera.height))
    return replace(finer, pose=np.eye(3, 4)).directions(finer.pixel_grid())


def take_picture(camera: Camera, board_pose: np.ndarray, board: Board = BOARD, inverted: bool = False) -> np.ndarray:
    """What a camera sees, averaged over the rays of each pixel."""
    picture = render(_directions(camera), np.vstack([camera.pose, [0.0, 0.0, 0.0, 1.0]]), board_pose, board, inverted)
    return cv2.resize(picture, camera.size, interpolation=cv2.INTER_AREA)


def write_pictures(
    folder: Path, cameras: dict[str, Camera], board: Board = BOARD, inverted: bool = False, moments: int = NUM_MOMENTS
) -> Path:
    """A folder of png files for each camera."""
    for name, camera in cameras.items():
        (folder / name).mkdir(parents=True)
        for moment in range(moments):
            picture = take_picture(camera, carried(moment, board), board, inverted)
            Image.fromarray(picture).save(folder / name / f"{moment:03d}.png")
    return folder


class BoardDevice(Device):
    """A device that looks at the swinging board, five pictures a second."""

    def __post_init__(self) -> None:
        super().__post_init__()
        (camera,) = make_cameras((self.azimuth,)).values()
        self.pose = np.vstack([camera.pose, [0.0, 0.0, 0.0, 1.0]])

    @property
    def times(self) -> list[int]:
        return [self.start_offset + self.shift + 200_000 * frame for frame in range(self.num_frames)]

    def images(self, time: int) -> tuple[np.ndarray, np.ndarray]:
        rays = ray_directions(tuple(self.color_lens), (1280, 960), (0, 120), self.color_size)
        gray = render(rays, self.pose, swung(time / 1e6), BOARD, inverted=False)
        return np.repeat(gray[..., None], 3, axis=-1), np.zeros(self.depth_size[::-1], np.uint16)


if __name__ == "__main__":
    write_pictures(Path(sys.argv[1]), make_cameras())
