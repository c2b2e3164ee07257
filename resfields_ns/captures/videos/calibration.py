"""Calibrations of video cameras, in whatever format."""

from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import TypeVar

import numpy as np
from jaxtyping import Float64
from nerfstudio.utils.rich_utils import CONSOLE

from resfields_ns.captures.camera import Camera, Fit, Similarity, check_proportion, describe_fit
from resfields_ns.captures.camera_files import read_llff_poses
from resfields_ns.captures.lens import check_lens
from resfields_ns.captures.video_file import Video, decode_frames, probe_video
from resfields_ns.files import list_folder, natural_order

Sizes = dict[str, tuple[int, int]]
"""Camera names -> (width, height) of their videos."""
Known = TypeVar("Known")


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

    def scaled(self, factor: float) -> "Calibration":
        """The same in a world whose lengths are `factor` times as large."""
        to_scaled = Similarity.of(factor, np.zeros(3))
        return Calibration(
            cameras={name: camera.moved(to_scaled) for name, camera in self.cameras.items()},
            depths=self.depths and {name: (factor * near, factor * far) for name, (near, far) in self.depths.items()},
            points=None if self.points is None else to_scaled(self.points),
        )


def named_as(video: str, cameras: dict[str, Known], where: str) -> Known:
    """What is known of the camera of a video, by its name; `where` says in errors where it is from."""
    if video not in cameras:
        raise ValueError(
            f"{where}: expected a camera named as the video {video!r}, found {', '.join(cameras) or 'no camera'}"
        )
    return cameras[video]


def camera_names(image: str) -> tuple[str, ...]:
    """What the camera of an image may be called: as its file `cam.png`, or as a folder `cam` that it lies in."""
    path = PurePosixPath(image)
    return path.stem, *path.parts[:-1]


def read_llff_rows(path: Path, sizes: Sizes) -> Calibration:
    """Read the cameras; rows are in the order of the names' numbers."""
    rows = read_llff_poses(path)
    if len(rows) != len(sizes):
        raise ValueError(f"{path}: expected one row for each of the {len(sizes)} videos, found {len(rows)} rows")
    by_name = dict(zip(sorted(sizes, key=natural_order), rows, strict=True))
    return Calibration(
        cameras={name: row.camera for name, row in by_name.items()},
        depths={name: row.depths for name, row in by_name.items()},
    )


_DARK = 16  # of 255; coding leaves bars a little brighter than black
VIDEO_SUFFIXES = (".mp4", ".mkv", ".mov", ".avi", ".webm")


def find_videos(folder: Path) -> dict[str, Video]:
    """The videos of a folder by camera name (file name without suffix), in natural order, but hidden files."""
    if not folder.is_dir():
        raise ValueError(f"{folder}: expected a folder of videos, found no such folder")
    paths: dict[str, Path] = {}
    for path in list_folder(folder, VIDEO_SUFFIXES):
        if path.stem in paths:
            raise ValueError(
                f"{folder}: expected one video for each camera, found {paths[path.stem].name}, {path.name}"
            )
        paths[path.stem] = path
    if not paths:
        raise ValueError(f"{folder}: expected videos ({', '.join(VIDEO_SUFFIXES)}), one for each camera, found none")
    return {name: probe_video(path) for name, path in paths.items()}


def read_calibration(path: Path, videos: dict[str, Video], fit: Fit = "automatic") -> Calibration:
    """Read the calibration of videos, for pictures of their size; what lies at `path` tells its format.

    `fit` says what was done to the pictures since, which is told where their proportion is another. Automatic: padded
    where a video's first picture has bars.
    """
    from resfields_ns.captures.videos.calibration_formats import read_any_format

    calibration = read_any_format(path, {name: video.size for name, video in videos.items()})
    cameras = {}
    for name, camera in calibration.cameras.items():
        video, video_fit = videos[name], fit
        if fit == "automatic":
            check_proportion(str(video.path), video.size, camera.size, str(path))
            video_fit = "padded" if _has_bars(video, camera.size) else fit
        if (line := describe_fit(str(video.path), video.size, camera.size, video_fit)) is not None:
            CONSOLE.print(line, soft_wrap=True)
        cameras[name] = check_lens(camera.fitted(video.size, video_fit), f"{path}: camera {name}")
    return replace(calibration, cameras=cameras)


def _has_bars(video: Video, calibrated: tuple[int, int]) -> bool:
    """Whether the first picture is dark where pictures of a calibration's size leave bars if they are made to fit."""
    scale = min(length / whole for length, whole in zip(video.size, calibrated, strict=True))
    columns, rows = (int((length - scale * whole) / 2) for length, whole in zip(video.size, calibrated, strict=True))
    thickness = max(columns, rows)
    if thickness < 1:
        return False
    ((_, picture),) = decode_frames(video, [0])
    lines = picture if rows else picture.swapaxes(0, 1)
    bars = [lines[:thickness], lines[-thickness:]]
    beside = [lines[thickness + 1 : 2 * thickness + 1], lines[-2 * thickness - 1 : -thickness - 1]]
    return bool(np.mean(bars) < _DARK and np.mean(beside) > 2 * _DARK)
