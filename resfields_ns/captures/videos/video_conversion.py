"""Videos into a capture in the Owlii / NeuS layout."""

from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from jaxtyping import Float64, UInt8
from rich.console import Console
from rich.progress import track

from resfields_ns.captures.camera import Camera, Similarity, check_depths
from resfields_ns.captures.capture_writer import (
    PLATE_FILE,
    describe_arrays,
    describe_files,
    unfinished_capture,
    write_box,
    write_cameras,
    write_png,
)
from resfields_ns.captures.lens import Undistortion, undistorted_view
from resfields_ns.captures.spaces import CUBE, cube_around_frusta
from resfields_ns.captures.time_stamps import TIME_STAMPS_FILE, write_time_stamps
from resfields_ns.captures.video_file import Video, for_each_frame, frame_path
from resfields_ns.captures.videos.alignment import Alignment
from resfields_ns.captures.videos.calibration import Calibration
from resfields_ns.captures.videos.masking import CleanPlate, Foreground

_PERCENTILES = (1.0, 99.0)
_POINTS_PADDING = 0.1  # of the box of the points that lie within the percentiles


@dataclass(frozen=True)
class SceneSpace:
    """A map from normalised space to the world, and the scene's box in normalised space."""

    to_world: Similarity
    box: Float64[np.ndarray, "2 3"]

    @classmethod
    def around_box(cls, lower: Float64[np.ndarray, "3"], upper: Float64[np.ndarray, "3"]) -> "SceneSpace":
        """A box in the world, whose longest side becomes -1 to 1."""
        half = (upper - lower) / 2
        corner = half / half.max()
        return cls(Similarity.of(half.max(), (lower + upper) / 2), np.stack([-corner, corner]))

    @classmethod
    def around_frusta(cls, calibration: Calibration, depths: dict[str, tuple[float, float]]) -> "SceneSpace":
        """What the cameras see between a near and a far depth."""
        cameras = calibration.cameras
        return cls(cube_around_frusta(list(cameras.values()), [depths[name] for name in cameras]), CUBE)

    @classmethod
    def around_points(cls, points: Float64[np.ndarray, "points 3"]) -> "SceneSpace":
        """Points in the world, but for outliers along each axis."""
        lower, upper = np.percentile(points, _PERCENTILES, axis=0)
        padding = _POINTS_PADDING * (upper - lower).max()
        return cls.around_box(lower - padding, upper + padding)


def choose_space(
    calibration: Calibration, box: tuple[float, ...] | None, depths: tuple[float, float] | None
) -> SceneSpace:
    """The space of a box or of depths that the user gives, or of what the calibration tells.

    Args:
        box: lower, then upper corner, in the world
        depths: near and far, of all cameras
    """
    if box is not None and depths is not None:
        raise ValueError("--box, --depths: expected one of them, found both")
    if box is not None:
        corners = np.array(box, dtype=np.float64).reshape(2, 3)
        if not np.isfinite(corners).all() or not (corners[0] < corners[1]).all():
            raise ValueError(f"--box: expected every lower bound below its upper bound, found {list(box)}")
        return SceneSpace.around_box(*corners)
    if depths is not None:
        check_depths(*depths, "--depths")
        return SceneSpace.around_frusta(calibration, dict.fromkeys(calibration.cameras, depths))
    if calibration.depths is not None:
        return SceneSpace.around_frusta(calibration, calibration.depths)
    if calibration.points is not None and np.ptp(calibration.points, axis=0).max() > 0.0:
        return SceneSpace.around_points(calibration.points)
    raise ValueError("--box: expected the scene's box, or --depths, as the calibration tells neither, found none")


class Resampling:
    """Takes distorted pictures to those of `camera`.

    Args:
        distorted: the camera as calibrated
        size: (width, height) of what comes out
        name: says in errors where the camera comes from
    """

    def __init__(self, distorted: Camera, size: tuple[int, int], name: str) -> None:
        bent = not distorted.lens.is_straight
        view = undistorted_view(distorted, name) if bent else distorted
        self.camera = view.resized(size)
        self._undistort = Undistortion.between(distorted, view) if bent else None

    def __call__(self, picture: UInt8[np.ndarray, "_ _ 3"]) -> UInt8[np.ndarray, "height width 3"]:
        """Undistort, then average over the pixels that become one."""
        if self._undistort is not None:
            picture = self._undistort(picture)
        if (picture.shape[1], picture.shape[0]) == self.camera.size:
            return picture
        return cv2.resize(picture, self.camera.size, interpolation=cv2.INTER_AREA)


_THRESHOLD = 127


def convert_videos(
    out: Path,
    videos: dict[str, Video],
    calibration: Calibration,
    aligned: Alignment,
    space: SceneSpace,
    sizes: dict[str, tuple[int, int]],
    foregrounds: dict[str, Foreground] | None,
    show_progress: bool = False,
) -> None:
    """Write the capture, going on with what a stopped run of the same request left; `out` appears once it is whole.

    Args:
        calibration: for the videos' sizes
        aligned: the videos' frames
        sizes: (width, height) of each camera's images
        foregrounds: by camera; None for a capture without masks
    """
    frames = aligned.frames
    resamplings = {
        name: Resampling(camera, sizes[name], f"camera {name}") for name, camera in calibration.cameras.items()
    }
    request = {
        "sizes": sizes,
        "space": describe_arrays(space.to_world.matrix, space.box),
        "cameras": {name: _as_json(camera) for name, camera in calibration.cameras.items()},
        "videos": {name: describe_files([video.path]) for name, video in videos.items()},
        "frames": frames,
        "masks": foregrounds and {name: foreground.as_json() for name, foreground in foregrounds.items()},
    }
    with unfinished_capture(out, request) as capture:
        for name, video in videos.items():
            foreground = None if foregrounds is None else foregrounds[name]
            for kind in ("rgb",) if foreground is None else ("rgb", "mask"):
                (capture / name / kind).mkdir(parents=True, exist_ok=True)
            resampling = resamplings[name]
            write_cameras(capture / name, [resampling.camera] * len(frames[name]), space.to_world)
            times = (aligned.matched.times + aligned.matched.gaps[name]).tolist()
            stamps = {frame_path(Path(), index).stem: time for index, time in enumerate(times)}
            write_time_stamps(capture / name / TIME_STAMPS_FILE, stamps)
            if isinstance(foreground, CleanPlate):
                write_png(capture / name / PLATE_FILE, resampling(foreground.plate))
            last_kind = capture / name / ("rgb" if foreground is None else "mask")
            indices = {frame: index for index, frame in enumerate(frames[name])}
            missing = [frame for frame, index in indices.items() if not frame_path(last_kind, index).is_file()]
            write = partial(_write_frame, capture / name, indices, resampling, foreground)
            written = track(
                for_each_frame(video, missing, write),
                f"Converting {name}",
                total=len(missing),
                console=Console(stderr=True),
                disable=not show_progress,
            )
            for _ in written:
                pass
        write_box(capture, *space.box)


def _as_json(camera: Camera) -> dict[str, Any]:
    return {**asdict(camera), "pose": camera.pose.tolist()}


def _write_frame(
    camera: Path,
    indices: dict[int, int],
    resampling: Resampling,
    foreground: Foreground | None,
    frame: int,
    picture: UInt8[np.ndarray, "_ _ 3"],
) -> None:
    """Write a frame of a video: first its colours, then its mask."""
    write_png(frame_path(camera / "rgb", indices[frame]), resampling(picture))
    if foreground is not None:
        mask = np.where(foreground(frame, picture), np.uint8(255), np.uint8(0))
        resampled = resampling(np.repeat(mask[..., None], 3, axis=-1))[..., 0] > _THRESHOLD
        write_png(frame_path(camera / "mask", indices[frame]), np.where(resampled, np.uint8(255), np.uint8(0)))
