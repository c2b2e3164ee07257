"""Reading LLFF's `poses_bounds.npy` (Mildenhall et al. 2019), one row of 17 numbers for each camera.

A row is a 3x5 matrix and two numbers: the columns down, right and back (the camera's axes), position, and (height,
width, focal length); then the near and far depth of what the camera sees. The principal point is the image's middle.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from resfields_ns.data.projection import Pinhole
from resfields_ns.data.seen_space import check_depths, check_rotation


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
