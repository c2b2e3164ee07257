"""Camera files of other layouts: LLFF's, Nerfies', and ours of RGB-D cameras.

A camera of an RGB-D capture and its `camera.json`.

Notation: the world is in metres; camera axes are OpenCV's (x right, y down, z forward).

Reading LLFF's `poses_bounds.npy` (Mildenhall et al. 2019), one row of 17 numbers for each camera.

A row is a 3x5 matrix and two numbers: the columns down, right and back (the camera's axes), position, and (height,
width, focal length); then the near and far depth of what the camera sees. The principal point is the image's middle.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float64, Integer

from resfields_ns.captures.camera import Intrinsics, Pinhole, check_depths, check_rotation
from resfields_ns.captures.json_file import read_array, read_json, read_number

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


@dataclass(frozen=True)
class LLFFCamera:
    """A camera in the capture's own space.

    Args:
        pinhole: pose and intrinsics
        size: (width, height) of its images in the pixels of the intrinsics
        depths: near and far
    """

    pinhole: Pinhole
    size: tuple[int, int]
    depths: tuple[float, float]


def read_llff_poses(path: Path) -> list[LLFFCamera]:
    """Read all cameras.

    Raises ValueError if the file is missing or holds anything but rows of such cameras.
    """
    if not path.is_file():
        raise ValueError(f"{path}: expected the cameras, found no such file")
    try:
        rows = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise ValueError(f"{path}: expected a NumPy array, found a file that cannot be read ({error})") from None
    if not isinstance(rows, np.ndarray) or rows.ndim != 2 or rows.shape[1] != 17 or rows.dtype.kind not in "iuf":
        found = f"shape {rows.shape} of {rows.dtype}" if isinstance(rows, np.ndarray) else "an archive"
        raise ValueError(f"{path}: expected rows of 17 numbers, found {found}")
    return [_camera(np.array(row, dtype=np.float64), f"{path}: row {index}") for index, row in enumerate(rows)]


def _camera(row: np.ndarray, name: str) -> LLFFCamera:
    if not np.isfinite(row).all():
        raise ValueError(f"{name}: expected finite numbers, found {row[~np.isfinite(row)][0]}")
    (down, right, back, position, (height, width, focal)) = row[:15].reshape(3, 5).T
    if min(height, width, focal) <= 0:
        raise ValueError(
            f"{name}: expected height, width and focal length above 0, found {height:g}, {width:g} and {focal:g}"
        )
    camera_to_world = np.column_stack([right, -down, back, position])
    check_rotation(camera_to_world[:, :3], name)
    near, far = map(float, row[15:])
    check_depths(near, far, name)
    return LLFFCamera(
        pinhole=Pinhole(float(focal), float(focal), float(width / 2), float(height / 2), camera_to_world),
        size=(round(width), round(height)),
        depths=(near, far),
    )


_LARGEST_SKEW = 1e-4  # of the focal length


@dataclass(frozen=True)
class NerfiesCamera:
    """A camera in the capture's own space.

    Args:
        pinhole: pose and intrinsics
        size: (width, height) of its images at full size, in the pixels of the intrinsics
        distortion: k1, k2, k3, k4 = 0, p1, p2 of OpenCV's model
    """

    pinhole: Pinhole
    size: tuple[int, int]
    distortion: tuple[float, ...]


def read_nerfies_camera(path: Path) -> NerfiesCamera:
    """Read a camera.

    Raises ValueError if a key is missing or not what it should be, or the camera has skew, which nerfstudio's cameras
    cannot hold.
    """
    name, content = str(path), read_json(path)
    orientation = read_array(content, "orientation", (3, 3), name)
    check_rotation(orientation, f"{path}: orientation")
    focal = read_number(content, "focal_length", name)
    aspect = read_number(content, "pixel_aspect_ratio", name)
    width, height = read_array(content, "image_size", (2,), name)
    if min(focal, aspect, width, height) <= 0:
        raise ValueError(
            f"{path}: expected focal_length, pixel_aspect_ratio and image_size above 0, "
            f"found {focal:g}, {aspect:g} and {width:g}x{height:g}"
        )
    skew = read_number(content, "skew", name)
    if abs(skew) > _LARGEST_SKEW * focal:
        raise ValueError(f"{path}: expected a camera without skew, found a skew of {skew:g} pixels")
    cx, cy = read_array(content, "principal_point", (2,), name)
    k1, k2, k3 = read_array(content, "radial_distortion", (3,), name)
    tangential = "tangential" if "tangential" in content else "tangential_distortion"  # Nerfies; HyperNeRF, DyCheck
    p1, p2 = read_array(content, tangential, (2,), name)
    position = read_array(content, "position", (3,), name)
    return NerfiesCamera(
        pinhole=Pinhole(
            fx=focal,
            fy=focal * aspect,
            cx=float(cx),
            cy=float(cy),
            camera_to_world=np.column_stack([orientation.T * [1.0, -1.0, -1.0], position]),
        ),
        size=(int(width), int(height)),
        distortion=(float(k1), float(k2), float(k3), 0.0, float(p1), float(p2)),
    )
