"""Calibrations as nerfstudio's `transforms.json`: fixed cameras, each with one frame or with equal ones."""

from pathlib import Path

import numpy as np

from resfields_ns.captures.camera import Camera
from resfields_ns.captures.json_file import read_json, read_text
from resfields_ns.captures.transforms_file import read_frame_camera, read_frames
from resfields_ns.captures.videos.calibration import Calibration, Sizes, camera_names


def knows_transforms_file(path: Path) -> bool:
    """Whether a file is called so."""
    return path.suffix == ".json" and path.stem.startswith("transforms")


def read_transforms_calibration(path: Path, sizes: Sizes) -> Calibration:
    """Read the cameras of videos; a frame belongs to the camera `cam` if it is `cam.png` or lies in a folder `cam`."""
    content = read_json(path)
    files = [
        read_text(frame, "file_path", f"{path}: frame {index}")
        for index, frame in enumerate(read_frames(content, path))
    ]
    cameras = {}
    for name, size in sizes.items():
        found = [index for index, file in enumerate(files) if name in camera_names(file)]
        if not found:
            there = ", ".join(sorted(set(files))[:8])
            raise ValueError(f"{path}: expected a frame of camera {name!r}, named as its video, found {there}")
        cameras[name] = read_frame_camera(content, found[0], size, path)
        for index in found[1:]:
            if not _are_equal(read_frame_camera(content, index, size, path), cameras[name]):
                raise ValueError(
                    f"{path}: frame {index}: expected the camera {name!r} fixed as in frame {found[0]}, found another"
                )
    return Calibration(cameras=cameras)


def _are_equal(camera: Camera, other: Camera) -> bool:
    return (
        camera.lens == other.lens
        and np.array_equal(camera.matrix, other.matrix)
        and np.allclose(camera.pose, other.pose)
    )
