"""A ball that bobs over a floor with marks, as RGB-D cameras see it: made-up captures and recordings of devices.

`python -m tests.kinect_scene FOLDER` writes three recordings and a rig for docs/kinect.md.

Notation: the world is in metres, +y is up; camera axes are OpenCV's; pixels have their centres at +0.5.
"""

import io
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from resfields_ns.captures.camera import Camera
from resfields_ns.captures.camera_files import CAMERA_FILE, write_camera_json
from resfields_ns.captures.poses import camera_around_origin
from resfields_ns.captures.time_stamps import TIME_STAMPS_FILE, write_time_stamps
from tests.mkv_writer import TrackData, write_mkv

PERIOD = 33_333  # microseconds between frames
BALL_RADIUS = 0.3
BALL_BOX = np.array([[-0.35, 0.15, -0.35], [0.35, 0.95, 0.35]])
MARKS = np.array([[x, 0.0, z] for x in (-0.6, 0.0, 0.6) for z in (-0.5, 0.0, 0.5)])
_MARK_RADIUS = 0.012
_LOOKED_AT = np.array([0.0, 0.4, 0.0])
_FLOOR_EXTENT = 1.5

DEPTH_LENS = [0.51, 0.502, 0.4935, 0.4937, 0.43, 0.07, 0.004, 0.77, 0.15, 0.02, 0.0, 0.0, 6e-5, -9e-5]
COLOR_LENS = [0.506, 0.501, 0.4732, 0.6306, 0.669, -2.747, 1.532, 0.545, -2.578, 1.464, 0.0, 0.0, -9e-5, 8e-4]
"""Model parameters as in a device's calibration: cx, cy, fx, fy, k1 to k6, codx, cody, p2, p1."""


def ball_centre(seconds: float) -> np.ndarray:
    return np.array([0.0, 0.55 + 0.08 * np.sin(2.0 * np.pi * seconds), 0.0])


def pose(azimuth: float, elevation: float = 25.0, distance: float = 1.9) -> np.ndarray:
    """Camera to world, looking at the ball."""
    matrix = np.eye(4)
    matrix[:3] = camera_around_origin(azimuth, elevation, distance, (1, 1), 1.0).pose
    matrix[:3, 3] += _LOOKED_AT
    return matrix


def see(origin: np.ndarray, directions: np.ndarray, seconds: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Distances along rays in units of their directions (infinite for none), what is hit being ball, and colours."""
    along_ball = _meet_ball(origin, directions, ball_centre(seconds))
    with np.errstate(divide="ignore", invalid="ignore"):
        along_floor = -origin[1] / directions[:, 1]
    floor = origin + along_floor[:, None] * directions
    on_floor = (along_floor > 0.0) & (np.abs(floor[:, [0, 2]]) < _FLOOR_EXTENT).all(axis=-1)
    along_floor = np.where(on_floor, along_floor, np.inf)
    ball = along_ball < along_floor
    along = np.minimum(along_ball, along_floor)
    points = origin + np.where(np.isfinite(along), along, 0.0)[:, None] * directions
    return along, ball, _colours(points, ball, np.isfinite(along), ball_centre(seconds))


def _meet_ball(origin: np.ndarray, directions: np.ndarray, centre: np.ndarray) -> np.ndarray:
    a = (directions**2).sum(axis=-1)
    b = directions @ (origin - centre)
    root = b**2 - a * (((origin - centre) ** 2).sum() - BALL_RADIUS**2)
    return np.where(root >= 0.0, (-b - np.sqrt(np.abs(root))) / a, np.inf)


def _colours(points: np.ndarray, ball: np.ndarray, hit: np.ndarray, centre: np.ndarray) -> np.ndarray:
    squares = sum(np.min([(points[:, axis] - at) ** 2 for at in set(MARKS[:, axis])], axis=0) for axis in (0, 2))
    floor = 40.0 + 200.0 * np.exp(-squares / (2.0 * _MARK_RADIUS**2))
    on_ball = 128.0 + 100.0 * np.sin(12.0 * (points - centre))
    colours = np.where(ball[:, None], on_ball, floor[:, None])
    return np.where(hit[:, None], colours, [90.0, 120.0, 150.0]).round().astype(np.uint8)


def view(directions: np.ndarray, camera_to_world: np.ndarray, seconds: float) -> dict[str, np.ndarray]:
    """Images of a camera whose pixels look in `directions` with z = 1: rgb, depth in millimetres along z, mask."""
    shape = directions.shape[:2]
    along, ball, colours = see(camera_to_world[:3, 3], directions.reshape(-1, 3) @ camera_to_world[:3, :3].T, seconds)
    depth = np.where(np.isfinite(along), 1000.0 * along, 0.0).round().astype(np.uint16)
    mask = 255 * ball.astype(np.uint8)
    return {"rgb": colours.reshape(*shape, 3), "depth": depth.reshape(shape), "mask": mask.reshape(shape)}


def write_capture(folder: Path, num_frames: int = 4, size: tuple[int, int] = (48, 32)) -> None:
    """A capture for the kinect-rgbd dataparser: cameras left, middle and right without distortion."""
    width, height = size
    optics = Camera(width, height, 0.95 * width, 0.97 * width, 0.51 * width, 0.49 * height)
    for name, azimuth in (("left", -50.0), ("middle", 0.0), ("right", 55.0)):
        camera = replace(optics, pose=pose(azimuth)[:3])
        directions = optics.directions(optics.pixel_grid())
        (folder / name).mkdir(parents=True)
        write_camera_json(folder / name / CAMERA_FILE, camera)
        times = {f"{frame:04d}": 1_000_000 + PERIOD * frame for frame in range(num_frames)}
        write_time_stamps(folder / name / TIME_STAMPS_FILE, times)
        for frame, time in times.items():
            for kind, image in view(directions, camera.pose, time / 1e6).items():
                (folder / name / kind).mkdir(exist_ok=True)
                Image.fromarray(image).save(folder / name / kind / f"{frame}.png")


def change_json(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change what a JSON file holds."""
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


@dataclass
class Device:
    """A made-up device and its recording.

    Args:
        azimuth: where it stands
        shift: microseconds by which its images are later than the first device's
        start_offset: microseconds of its clock at the recording's time 0
        color_format: of the recording
        depth_mode, depth_sensor, depth_offset, depth_size: of the depth camera
        depth_lens, color_lens: model parameters
        num_frames: frames recorded
        sync_mode: how it is wired
    """

    azimuth: float
    shift: int = 0
    start_offset: int = 1_000_000
    color_format: str = "BGRA"
    depth_mode: str = "NFOV_2X2BINNED"
    depth_sensor: tuple[int, int] = (512, 512)
    depth_offset: tuple[int, int] = (96, 90)
    depth_size: tuple[int, int] = (320, 288)
    depth_lens: list[float] = field(default_factory=lambda: list(DEPTH_LENS))
    color_lens: list[float] = field(default_factory=lambda: list(COLOR_LENS))
    num_frames: int = 2
    sync_mode: str = "SUBORDINATE"

    color_size = (1280, 720)
    rotation = np.array([[1.0, 0.004, 0.0], [-0.004, 0.9945, 0.105], [0.0, -0.105, 0.9945]])
    translation = np.array([-0.032, -0.002, 0.004])

    def __post_init__(self) -> None:
        left, _, right = np.linalg.svd(self.rotation)
        self.rotation = left @ right
        self.pose = pose(self.azimuth)
        depth_to_color = np.eye(4)
        depth_to_color[:3, :3], depth_to_color[:3, 3] = self.rotation, self.translation
        self.depth_pose = self.pose @ depth_to_color

    @property
    def times(self) -> list[int]:
        """Of the images, on the device's clock."""
        return [self.start_offset + self.shift + PERIOD * frame for frame in range(self.num_frames)]

    def calibration(self) -> dict[str, Any]:
        """What the attachment holds."""
        identity = {"Rotation": np.eye(3).ravel().tolist(), "Translation": [0.0, 0.0, 0.0]}
        to_color = {"Rotation": self.rotation.ravel().tolist(), "Translation": self.translation.tolist()}
        cameras = [
            _camera("CALIBRATION_CameraLocationD0", (1024, 1024), self.depth_lens, identity, 1.7389),
            _camera("CALIBRATION_CameraLocationPV0", (4096, 3072), self.color_lens, to_color, 0.0),
        ]
        return {"CalibrationInformation": {"Cameras": cameras}}

    def images(self, time: int) -> tuple[np.ndarray, np.ndarray]:
        """Colour and depth, through the lenses."""
        depth = (tuple(self.depth_lens), self.depth_sensor, self.depth_offset, self.depth_size)
        color = (tuple(self.color_lens), (1280, 960), (0, 120), self.color_size)
        color_pose, depth_pose = (tuple(pose.ravel().tolist()) for pose in (self.pose, self.depth_pose))
        return _image("rgb", color, color_pose, time), _image("depth", depth, depth_pose, time)

    def tracks(self) -> list[TrackData]:
        """The tracks of the recording; the infrared images are empty."""
        color_images, depth_images, infrared_images = [], [], []
        for time in self.times:
            color, depth = self.images(time)
            color_images.append((time - self.start_offset, _ENCODERS[self.color_format](color)))
            depth_images.append((time - self.start_offset, depth.astype(">u2").tobytes()))
            infrared_images.append((time - self.start_offset, np.zeros(depth.shape, ">u2").tobytes()))
        depth_tags = {"K4A_DEPTH_TRACK": "3", "K4A_DEPTH_MODE": self.depth_mode}
        color_tags = {"K4A_COLOR_TRACK": "2", "K4A_COLOR_MODE": f"{self.color_format}_720P"}
        bits = {"BGRA": 32, "MJPG": 24}[self.color_format]
        return [
            TrackData("IR", b"b16g", self.depth_size, 16, infrared_images, {"K4A_IR_TRACK": "1"}),
            TrackData("COLOR", self.color_format.encode(), self.color_size, bits, color_images, color_tags),
            TrackData("DEPTH", b"b16g", self.depth_size, 16, depth_images, depth_tags),
        ]

    def tags(self) -> dict[str, str]:
        """The tags of the recording."""
        return {
            "K4A_START_OFFSET_NS": str(1000 * self.start_offset),
            "K4A_WIRED_SYNC_MODE": self.sync_mode,
            "K4A_SUBORDINATE_DELAY_NS": str(1000 * self.shift),
            "K4A_DEPTH_DELAY_NS": "0",
        }

    def write(self, path: Path) -> None:
        """Write the recording."""
        write_mkv(path, self.tracks(), self.tags(), {"calibration.json": json.dumps(self.calibration()).encode()})


DEVICES = {
    "left": Device(-50.0, shift=160),
    "middle": Device(0.0, start_offset=1_000_000 - PERIOD, num_frames=3, sync_mode="MASTER"),
    "right": Device(55.0, shift=320, color_format="MJPG"),
}
"""The middle one starts a frame before the others."""


def write_recordings(folder: Path, devices: dict[str, Device]) -> tuple[dict[str, Path], Path]:
    """Write a recording of each device and the rig; returns their files."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = {name: folder / f"{name}.mkv" for name in devices}
    for name, device in devices.items():
        device.write(paths[name])
    rig = {name: {"camera_to_world": device.pose.tolist()} for name, device in devices.items()}
    (folder / "rig.json").write_text(json.dumps(rig))
    return paths, folder / "rig.json"


def distort(plane: np.ndarray, lens: tuple[float, ...]) -> np.ndarray:
    """Plane coordinates through a lens, by the formula of the vendor's SDK."""
    k1, k2, k3, k4, k5, k6, _, _, p2, p1 = lens[4:]
    x, y = plane[..., 0], plane[..., 1]
    r = x * x + y * y
    radial = (1.0 + r * (k1 + r * (k2 + r * k3))) / (1.0 + r * (k4 + r * (k5 + r * k6)))
    return np.stack(
        [
            x * radial + (r + 2.0 * x * x) * p2 + 2.0 * x * y * p1,
            y * radial + (r + 2.0 * y * y) * p1 + 2.0 * x * y * p2,
        ],
        axis=-1,
    )


_Lens = tuple[tuple[float, ...], tuple[int, int], tuple[int, int], tuple[int, int]]


@lru_cache
def _image(kind: str, lens: _Lens, pose: tuple[float, ...], time: int) -> np.ndarray:
    image = view(ray_directions(*lens), np.array(pose).reshape(4, 4), time / 1e6)[kind]
    image.flags.writeable = False
    return image


@lru_cache
def ray_directions(
    lens: tuple[float, ...], sensor: tuple[int, int], offset: tuple[int, int], size: tuple[int, int]
) -> np.ndarray:
    """Where the pixels of an image look, with z = 1: the distortion undone by Newton's method."""
    x, y = np.meshgrid(np.arange(size[0]) + 0.5 + offset[0], np.arange(size[1]) + 0.5 + offset[1])
    seen = (np.stack([x, y], axis=-1) / sensor - lens[:2]) / lens[2:4]
    plane, step = seen, 1e-6
    while np.abs((value := distort(plane, lens)) - seen).max() > 1e-10:
        a, b = np.moveaxis((distort(plane + [step, 0.0], lens) - value) / step, -1, 0)
        c, d = np.moveaxis((distort(plane + [0.0, step], lens) - value) / step, -1, 0)
        u, v = np.moveaxis(seen - value, -1, 0)
        plane = plane + np.stack([d * u - c * v, a * v - b * u], axis=-1) / (a * d - b * c)[..., None]
    return np.concatenate([plane, np.ones_like(plane[..., :1])], axis=-1)


def _camera(
    location: str, sensor: tuple[int, int], lens: list[float], pose: dict[str, Any], radius: float
) -> dict[str, Any]:
    return {
        "Intrinsics": {
            "ModelParameterCount": len(lens),
            "ModelParameters": lens,
            "ModelType": "CALIBRATION_LensDistortionModelBrownConrady",
        },
        "Location": location,
        "MetricRadius": radius,
        "Rt": pose,
        "SensorWidth": sensor[0],
        "SensorHeight": sensor[1],
    }


def _bgra(image: np.ndarray) -> bytes:
    return np.concatenate([image[..., ::-1], np.full_like(image[..., :1], 255)], axis=-1).tobytes()


def _jpeg(image: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=95, subsampling="4:2:2")
    return buffer.getvalue()


_ENCODERS = {"BGRA": _bgra, "MJPG": _jpeg}


if __name__ == "__main__":
    devices = {"front": 0.0, "left": -50.0, "right": 55.0}
    write_recordings(
        Path(sys.argv[1]),
        {
            name: Device(
                azimuth, 160 * i, color_format="MJPG", num_frames=12, sync_mode="SUBORDINATE" if i else "MASTER"
            )
            for i, (name, azimuth) in enumerate(devices.items())
        },
    )
