"""Reading a camera file of Nerfies: `camera/ID.json`, whose orientation is world-to-camera with OpenCV's axes."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from resfields_ns.data.json_file import read_array, read_json, read_number
from resfields_ns.data.projection import Pinhole
from resfields_ns.data.seen_space import check_rotation

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
