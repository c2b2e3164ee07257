"""Calibrations of video cameras, in whatever format."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Float64

from resfields_ns.captures.camera import Camera, check_proportion
from resfields_ns.captures.camera_files import read_llff_poses
from resfields_ns.captures.video_file import Video, probe_video


@dataclass(frozen=True)
class Calibration:
    """Cameras, and what else a calibration tells about the scene.

    Args:
        cameras: by the names of their videos
        depths: near and far depth of what each camera sees
        points: of the scene, in the world
    """

    cameras: dict[str, Camera]
    depths: dict[str, tuple[float, float]] | None = None
    points: Float64[np.ndarray, "points 3"] | None = None


def read_llff_rows(path: Path, names: list[str]) -> Calibration:
    """Read the cameras; rows are in the order of the sorted names."""
    rows = read_llff_poses(path)
    if len(rows) != len(names):
        raise ValueError(f"{path}: expected one row for each of the {len(names)} videos, found {len(rows)} rows")
    by_name = dict(zip(sorted(names), rows, strict=True))
    return Calibration(
        cameras={name: row.camera for name, row in by_name.items()},
        depths={name: row.depths for name, row in by_name.items()},
    )


VIDEO_SUFFIXES = (".mp4", ".mkv", ".mov", ".avi", ".webm")


def find_videos(folder: Path) -> dict[str, Video]:
    """The videos of a folder by camera name (file name without suffix), sorted; hidden files are passed over."""
    if not folder.is_dir():
        raise ValueError(f"{folder}: expected a folder of videos, found no such folder")
    paths: dict[str, Path] = {}
    files = (path for path in folder.iterdir() if not path.name.startswith("."))
    for path in sorted(path for path in files if path.suffix.lower() in VIDEO_SUFFIXES):
        if path.stem in paths:
            raise ValueError(
                f"{folder}: expected one video for each camera, found {paths[path.stem].name}, {path.name}"
            )
        paths[path.stem] = path
    if not paths:
        raise ValueError(f"{folder}: expected videos ({', '.join(VIDEO_SUFFIXES)}), one for each camera, found none")
    return {name: probe_video(paths[name]) for name in sorted(paths)}


def read_calibration(path: Path, videos: dict[str, Video]) -> Calibration:
    """Read the calibration of videos, for pictures of their size; what lies at `path` tells its format."""
    calibration = _read(path, videos)
    for name, camera in calibration.cameras.items():
        check_proportion(str(videos[name].path), videos[name].size, camera.size, str(path))
    cameras = {name: camera.resized(videos[name].size) for name, camera in calibration.cameras.items()}
    return replace(calibration, cameras=cameras)


def _read(path: Path, videos: dict[str, Video]) -> Calibration:
    from resfields_ns.captures.videos.colmap_model import read_colmap_model
    from resfields_ns.captures.videos.opencv_files import SUFFIXES, read_opencv_files

    if path.suffix == ".npy":
        return read_llff_rows(path, list(videos))
    if (path / "cameras.bin").is_file() or (path / "cameras.txt").is_file():
        return read_colmap_model(path, list(videos))
    if path.is_dir() and any(file.suffix in SUFFIXES for file in path.iterdir()):
        return read_opencv_files(path, {name: video.size for name, video in videos.items()})
    found = "something else" if path.exists() else "nothing there"
    raise ValueError(
        f"{path}: expected poses_bounds.npy, a folder with cameras.bin or cameras.txt of COLMAP, or a folder with a "
        f"YAML or JSON file of OpenCV for each camera, found {found}"
    )
