"""Camera files: our `camera.json` of RGB-D captures, LLFF's `poses_bounds.npy`, Nerfies' `camera/ID.json`."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float64

from resfields_ns.captures.array_files import map_array
from resfields_ns.captures.camera import LARGEST_SKEW, Camera, Lens, check_depths, check_rotation
from resfields_ns.captures.json_file import read_array, read_json, read_number
from resfields_ns.captures.lens import check_lens
from resfields_ns.captures.untrusted import check_file

CAMERA_FILE = "camera.json"


def read_camera_json(path: Path) -> Camera:
    """Read a `camera.json`, in metres of the world; a ValueError names what is missing or is not what it should be."""
    content, name = read_json(path), str(path)
    width, height = (_whole(content, key, name) for key in ("width", "height"))
    fx, fy, cx, cy = (read_number(content, key, name) for key in ("fx", "fy", "cx", "cy"))
    if min(fx, fy) <= 0.0:
        raise ValueError(f"{path}: expected fx and fy above 0, found {fx:g} and {fy:g}")
    lens = Lens.from_opencv(read_array(content, "distortion", (8,), name).tolist())
    return check_lens(Camera(width, height, fx, fy, cx, cy, lens, read_pose(content, name)[:3]).check(name), name)


def read_pose(content: dict, name: str) -> Float64[np.ndarray, "4 4"]:
    """Read `camera_to_world`, a rigid 4x4 matrix; `name` says in errors where it comes from."""
    pose = read_array(content, "camera_to_world", (4, 4), name)
    check_rotation(pose[:3, :3], f"{name}: camera_to_world")
    if pose[3].tolist() != [0.0, 0.0, 0.0, 1.0]:
        raise ValueError(f"{name}: camera_to_world: expected a last row of 0, 0, 0, 1, found {pose[3].tolist()}")
    return pose


def write_camera_json(path: Path, camera: Camera) -> None:
    """Write a `camera.json`."""
    content = {
        "width": camera.width,
        "height": camera.height,
        "fx": camera.fx,
        "fy": camera.fy,
        "cx": camera.cx,
        "cy": camera.cy,
        "distortion": camera.lens.opencv.tolist(),
        "camera_to_world": np.vstack([camera.pose, [0.0, 0.0, 0.0, 1.0]]).tolist(),
    }
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def _whole(content: dict, key: str, name: str) -> int:
    value = read_number(content, key, name)
    if value < 1 or value != int(value):
        raise ValueError(f"{name}: {key}: expected a whole number of pixels, found {value:g}")
    return int(value)


@dataclass(frozen=True)
class LLFFRow:
    """A camera in the capture's own space, and the near and far depth of what it sees."""

    camera: Camera
    depths: tuple[float, float]


def read_llff_poses(path: Path) -> list[LLFFRow]:
    """Read the cameras of a `poses_bounds.npy` (Mildenhall et al. 2019), one row of 17 numbers for each.

    A row is a 3x5 matrix and two numbers: the columns down, right and back (the camera's axes), position, and (height,
    width, focal length); then near and far depth. The principal point is the image's middle.

    Raises ValueError if the file is missing or holds anything but rows of such cameras.
    """
    check_file(path, "the cameras")
    rows = map_array(path, "a NumPy array")
    if rows.ndim != 2 or rows.shape[1] != 17 or rows.dtype.kind not in "iuf":
        raise ValueError(f"{path}: expected rows of 17 numbers, found shape {rows.shape} of {rows.dtype}")
    return [_llff_row(np.array(row, dtype=np.float64), f"{path}: row {index}") for index, row in enumerate(rows)]


def _llff_row(row: np.ndarray, name: str) -> LLFFRow:
    if not np.isfinite(row).all():
        raise ValueError(f"{name}: expected finite numbers, found {row[~np.isfinite(row)][0]}")
    (down, right, back, position, (height, width, focal)) = row[:15].reshape(3, 5).T
    if min(height, width, focal) <= 0:
        raise ValueError(
            f"{name}: expected height, width and focal length above 0, found {height:g}, {width:g} and {focal:g}"
        )
    pose = np.column_stack([right, down, -back, position])
    check_rotation(pose[:, :3], name)
    near, far = map(float, row[15:])
    check_depths(near, far, name)
    size = (round(width), round(height))
    camera = Camera(*size, float(focal), float(focal), float(width / 2), float(height / 2), pose=pose)
    return LLFFRow(camera.check(name), (near, far))


def read_nerfies_camera(path: Path) -> Camera:
    """Read a camera of Nerfies, in the capture's own space; its orientation is world to camera with OpenCV's axes.

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
    if abs(skew) > LARGEST_SKEW * focal:
        raise ValueError(f"{path}: expected a camera without skew, found a skew of {skew:g} pixels")
    cx, cy = read_array(content, "principal_point", (2,), name)
    k1, k2, k3 = read_array(content, "radial_distortion", (3,), name)
    tangential = "tangential" if "tangential" in content else "tangential_distortion"  # Nerfies; HyperNeRF, DyCheck
    p1, p2 = read_array(content, tangential, (2,), name)
    position = read_array(content, "position", (3,), name)
    camera = Camera(
        width=int(width),
        height=int(height),
        fx=focal,
        fy=focal * aspect,
        cx=float(cx),
        cy=float(cy),
        lens=Lens(k1=float(k1), k2=float(k2), k3=float(k3), p1=float(p1), p2=float(p2)),
        pose=np.column_stack([orientation.T, position]),
    )
    return check_lens(camera.check(name), name)
