"""Calibrations in LLFF's `poses_bounds.npy`, as Neural 3D Video's captures have them."""

from pathlib import Path

import numpy as np

from resfields_ns.data.intrinsics import Intrinsics
from resfields_ns.data.llff_poses import LLFFCamera, read_llff_poses
from resfields_ns.videos.calibrated_camera import CalibratedCamera
from resfields_ns.videos.calibration import Calibration


def read_llff_rows(path: Path, names: list[str]) -> Calibration:
    """Read the cameras; rows are in the order of the sorted names."""
    rows = read_llff_poses(path)
    if len(rows) != len(names):
        raise ValueError(f"{path}: expected one row for each of the {len(names)} videos, found {len(rows)} rows")
    by_name = dict(zip(sorted(names), rows, strict=True))
    return Calibration(
        cameras={name: _camera(row) for name, row in by_name.items()},
        depths={name: row.depths for name, row in by_name.items()},
    )


def _camera(row: LLFFCamera) -> CalibratedCamera:
    p = row.pinhole
    rotation = (p.camera_to_world[:, :3] * [1.0, -1.0, -1.0]).T
    pose = np.column_stack([rotation, -rotation @ p.camera_to_world[:, 3]])
    return CalibratedCamera(Intrinsics(*row.size, p.fx, p.fy, p.cx, p.cy), pose)
