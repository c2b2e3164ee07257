"""Videos into a capture in the Owlii / NeuS layout."""

import os
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from PIL import Image
from rich.console import Console
from rich.progress import track

from resfields_ns.data.capture_writer import write_box, write_cameras
from resfields_ns.data.video_frames import Video, extract_frames, frame_path
from resfields_ns.export.write_aside import write_aside
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
    """Write the capture to the folder `out`, which appears only once it is whole.

    Args:
        calibration: for the videos' sizes
        frames: of each video, equally many
        size: (width, height) of the capture's images
        foregrounds: by camera; None for a capture without masks
    """
    resamplings = {name: Resampling(camera, size, f"camera {name}") for name, camera in calibration.cameras.items()}
    with write_aside(out) as capture:
        for name, video in videos.items():
            camera = capture / name
            resampling = resamplings[name]
            foreground = None if foregrounds is None else foregrounds[name]
            for kind in ("rgb",) if foreground is None else ("rgb", "mask"):
                (camera / kind).mkdir(parents=True)
            world_matrices = np.repeat(resampling.camera.world_matrix[None], len(frames[name]), axis=0)
            write_cameras(camera, world_matrices, space.normalised_to_world)
            with TemporaryDirectory(dir=capture) as folder, ThreadPoolExecutor(os.cpu_count()) as pool:
                extract_frames({Path(folder): video}, frames[name], video.size)
                write = partial(_write_frame, camera, Path(folder), resampling, foreground)
                track_frames = track(
                    pool.map(write, range(len(frames[name])), frames[name]),
                    f"Converting {name}",
                    total=len(frames[name]),
                    console=Console(stderr=True),
                    disable=not show_progress,
                )
                for _ in track_frames:
                    pass
        write_box(capture, space.lower, space.upper)


def _write_frame(
    camera: Path, decoded: Path, resampling: Resampling, foreground: Foreground | None, index: int, frame: int
) -> None:
    """Write frame `index` of a camera of the capture, which is `frame` of its video."""
    path = frame_path(decoded, frame)
    with Image.open(path) as image:
        picture = np.array(image.convert("RGB"))
    path.unlink()
    Image.fromarray(resampling(picture)).save(frame_path(camera / "rgb", index))
    if foreground is not None:
        mask = np.where(foreground(frame, picture), np.uint8(255), np.uint8(0))
        resampled = resampling(np.repeat(mask[..., None], 3, axis=-1))[..., 0] > _THRESHOLD
        Image.fromarray(np.where(resampled, np.uint8(255), np.uint8(0))).save(frame_path(camera / "mask", index))
