"""Rendering a trained run along cameras."""

from copy import deepcopy
from pathlib import Path

import torch
from nerfstudio.cameras.cameras import Cameras
from rich.console import Console
from rich.progress import track

from resfields_ns.export.pictures import painter
from resfields_ns.export.trained_run import TrainedRun
from resfields_ns.export.video import open_movie


@torch.no_grad()
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
    cameras = _scaled(cameras, scale)
    paint = painter(output, cameras, run.box)
    height, width = int(cameras.height[0]), int(cameras.width[0])
    with open_movie(path, height, width, fps) as add_picture:
        for index in track(range(len(cameras)), "Rendering", console=Console(stderr=True)):
            camera = cameras[index : index + 1].to(run.model.device)
            add_picture(paint(run.model.get_outputs_for_camera(camera)))


def _scaled(cameras: Cameras, scale: float) -> Cameras:
    scaled = deepcopy(cameras)
    scaled.rescale_output_resolution(scale)
    if min(int(scaled.height.min()), int(scaled.width.min())) < 1:
        size = f"{int(cameras.width[0])} x {int(cameras.height[0])}"
        raise ValueError(f"--scale: expected at least one pixel of {size} to be left, found {scale}")
    return scaled
