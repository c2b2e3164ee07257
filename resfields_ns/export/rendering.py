"""Rendering a trained run along cameras."""

from collections.abc import Iterator
from copy import deepcopy
from itertools import chain
from pathlib import Path

import numpy as np
import torch
from nerfstudio.cameras.cameras import Cameras
from rich.console import Console
from rich.progress import track

from resfields_ns.data.clips.pixels import ClipPixels
from resfields_ns.export.pictures import Picture, painter
from resfields_ns.export.trained_run import TrainedRun
from resfields_ns.export.video import open_movie
from resfields_ns.timeline import frames_from_times


def render_movie(run: TrainedRun, cameras: Cameras, path: Path, fps: float, output: str, scale: float) -> None:
    """Render one picture a camera, at the camera's time, and write them as a movie.

    Args:
        run: what is rendered
        cameras: of one size, with times
        path: of the movie; its suffix decides the format, as told in `open_movie`
        fps: pictures a second
        output: rgb, depth, normals or accumulation
        scale: factor on the pictures' size, above 0

    Raises ValueError if the model does not render the output, or no pixel is left of the pictures.
    """
    _write(_rendered(run, cameras, output, scale), path, fps)


def render_beside_original(
    run: TrainedRun, cameras: Cameras, path: Path, fps: float, output: str, scale: float
) -> None:
    """As `render_movie`, for cameras before a video's picture: on the left, the original's frame nearest in time.

    Raises ValueError also if the run is not on a video.
    """
    pixels = run.eval_dataset.metadata.get("pixels")
    if not isinstance(pixels, ClipPixels):
        raise ValueError("--load-config: expected a run on a video, found one on a scene in space")
    assert cameras.times is not None
    frames = frames_from_times(cameras.times[:, 0], run.num_frames).tolist()
    pairs = zip(frames, _rendered(run, cameras, output, scale), strict=True)
    beside = (
        np.concatenate((pixels.resized(frame, picture.shape[0], picture.shape[1]), picture), axis=1)
        for frame, picture in pairs
    )
    _write(beside, path, fps)


@torch.no_grad()
def _rendered(run: TrainedRun, cameras: Cameras, output: str, scale: float) -> Iterator[Picture]:
    cameras = _scaled(cameras, scale)
    paint = painter(output, cameras, run.box)
    for index in track(range(len(cameras)), "Rendering", console=Console(stderr=True)):
        camera = cameras[index : index + 1].to(run.model.device)
        yield paint(run.model.get_outputs_for_camera(camera))


def _write(pictures: Iterator[Picture], path: Path, fps: float) -> None:
    first = next(pictures)
    with open_movie(path, first.shape[0], first.shape[1], fps) as add_picture:
        for picture in chain([first], pictures):
            add_picture(picture)


def _scaled(cameras: Cameras, scale: float) -> Cameras:
    scaled = deepcopy(cameras)
    scaled.rescale_output_resolution(scale)
    if min(int(scaled.height.min()), int(scaled.width.min())) < 1:
        size = f"{int(cameras.width[0])} x {int(cameras.height[0])}"
        raise ValueError(f"--scale: expected at least one pixel of {size} to be left, found {scale}")
    return scaled
