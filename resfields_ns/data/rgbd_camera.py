"""A camera of an RGB-D capture and its `camera.json`.

Notation: the world is in metres; camera axes are OpenCV's (x right, y down, z forward).
"""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float64, Integer

from resfields_ns.data.intrinsics import Intrinsics
from resfields_ns.data.json_file import read_array, read_json, read_number
from resfields_ns.data.projection import Pinhole
from resfields_ns.data.seen_space import check_rotation

CAMERA_FILE = "camera.json"
METRES_PER_DEPTH_UNIT = 1e-3


@dataclass(frozen=True)
class RGBDCamera:
    """Optics and pose of a fixed camera; depth images are in millimetres along z."""

    intrinsics: Intrinsics
    camera_to_world: Float64[np.ndarray, "4 4"]

    @property
    def pinhole(self) -> Pinhole:
        """The camera without its distortion, with OpenGL axes."""
        i = self.intrinsics
        pose = self.camera_to_world[:3] * [1.0, -1.0, -1.0, 1.0]
        return Pinhole(fx=i.fx, fy=i.fy, cx=i.cx, cy=i.cy, camera_to_world=pose)

    def to_camera(self, points: Float64[np.ndarray, "*batch 3"]) -> Float64[np.ndarray, "*batch 3"]:
        """World points in camera axes."""
        return (points - self.camera_to_world[:3, 3]) @ self.camera_to_world[:3, :3]

    def world_points(self, depth: Integer[np.ndarray, "height width"]) -> Float64[np.ndarray, "height width 3"]:
        """World points of a depth image of the camera, without distortion; those without a reading are meaningless."""
        z = depth[..., None] * METRES_PER_DEPTH_UNIT
        plane = self.intrinsics.plane_coordinates(self.intrinsics.pixel_grid())
        points = np.concatenate([plane * z, z], axis=-1)
        return points @ self.camera_to_world[:3, :3].T + self.camera_to_world[:3, 3]


def read_rgbd_camera(path: Path) -> RGBDCamera:
    """Read a `camera.json`; a ValueError names what is missing or is not what it should be."""
    content, name = read_json(path), str(path)
    width, height = (_whole(content, key, name) for key in ("width", "height"))
    fx, fy, cx, cy = (read_number(content, key, name) for key in ("fx", "fy", "cx", "cy"))
    if min(fx, fy) <= 0.0:
        raise ValueError(f"{path}: expected fx and fy above 0, found {fx:g} and {fy:g}")
    distortion = tuple(read_array(content, "distortion", (8,), name).tolist())
    pose = read_pose(content, name)
    return RGBDCamera(Intrinsics(width, height, fx, fy, cx, cy, distortion), pose)


def read_pose(content: dict, name: str) -> Float64[np.ndarray, "4 4"]:
    """Read `camera_to_world`, a rigid 4x4 matrix; `name` says in errors where it comes from."""
    pose = read_array(content, "camera_to_world", (4, 4), name)
    check_rotation(pose[:3, :3], f"{name}: camera_to_world")
    if pose[3].tolist() != [0.0, 0.0, 0.0, 1.0]:
        raise ValueError(f"{name}: camera_to_world: expected a last row of 0, 0, 0, 1, found {pose[3].tolist()}")
    return pose


def write_rgbd_camera(path: Path, camera: RGBDCamera) -> None:
    """Write a `camera.json`."""
    i = camera.intrinsics
    content = {
        "width": i.width,
        "height": i.height,
        "fx": i.fx,
        "fy": i.fy,
        "cx": i.cx,
        "cy": i.cy,
        "distortion": list(i.distortion),
        "camera_to_world": camera.camera_to_world.tolist(),
    }
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def _whole(content: dict, key: str, name: str) -> int:
    value = read_number(content, key, name)
    if value < 1 or value != int(value):
        raise ValueError(f"{name}: {key}: expected a whole number of pixels, found {value:g}")
    return int(value)
