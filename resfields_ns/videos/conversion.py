"""Videos into a capture in the Owlii / NeuS layout."""

from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import track

from resfields_ns.data.capture_writer import write_box, write_cameras, write_png
from resfields_ns.data.unfinished_capture import describe_arrays, describe_files, unfinished_capture
from resfields_ns.data.video_frames import Video, for_each_frame, frame_path
from resfields_ns.videos.calibrated_camera import CalibratedCamera
from resfields_ns.videos.calibration import Calibration
from resfields_ns.videos.foreground import Foreground
from resfields_ns.videos.resampling import Resampling
from resfields_ns.videos.scene_space import SceneSpace

_THRESHOLD = 127


def convert_videos(
    out: Path,
    videos: dict[str, Video],
    calibration: Calibration,
    frames: dict[str, list[int]],
    space: SceneSpace,
    size: tuple[int, int],
    foregrounds: dict[str, Foreground] | None,
    show_progress: bool = False,
) -> None:
    """Write the capture, going on with what a stopped run of the same request left; `out` appears once it is whole.

    Args:
        calibration: for the videos' sizes
        frames: of each video, equally many
        size: (width, height) of the capture's images
        foregrounds: by camera; None for a capture without masks
    """
    resamplings = {name: Resampling(camera, size, f"camera {name}") for name, camera in calibration.cameras.items()}
    request = {
        "size": size,
        "space": describe_arrays(space.normalised_to_world, space.lower, space.upper),
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
            world_matrices = np.repeat(resampling.camera.world_matrix[None], len(frames[name]), axis=0)
            write_cameras(capture / name, world_matrices, space.normalised_to_world)
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
        write_box(capture, space.lower, space.upper)


def _as_json(camera: CalibratedCamera) -> dict[str, Any]:
    return {**asdict(camera.intrinsics), "world_to_camera": camera.world_to_camera.tolist()}


def _write_frame(
    camera: Path,
    indices: dict[int, int],
    resampling: Resampling,
    foreground: Foreground | None,
    frame: int,
    decoded: Any,
) -> None:
    """Write a frame of a video, as PyAV decodes it: first its colours, then its mask."""
    picture = decoded.to_ndarray(format="rgb24")
    write_png(frame_path(camera / "rgb", indices[frame]), resampling(picture))
    if foreground is not None:
        mask = np.where(foreground(frame, picture), np.uint8(255), np.uint8(0))
        resampled = resampling(np.repeat(mask[..., None], 3, axis=-1))[..., 0] > _THRESHOLD
        write_png(frame_path(camera / "mask", indices[frame]), np.where(resampled, np.uint8(255), np.uint8(0)))
