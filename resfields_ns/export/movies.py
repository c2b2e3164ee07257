"""Movies of what a model renders.

Notation: outputs of H x W pixels; accumulation in [0, 1] tells how much of the scene a pixel holds.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from copy import deepcopy
from functools import partial
from itertools import chain
from pathlib import Path

import imageio_ffmpeg
import mediapy
import numpy as np
import torch
from jaxtyping import Float, UInt8
from nerfstudio.cameras.cameras import Cameras
from nerfstudio.data.datasets.base_dataset import InputDataset
from nerfstudio.utils.colormaps import ColormapOptions, apply_colormap, apply_depth_colormap
from PIL import Image
from rich.console import Console
from rich.progress import track
from torch import Tensor

from resfields_ns.captures.sequence import Clip
from resfields_ns.files import write_aside
from resfields_ns.functional.threads import side_by_side
from resfields_ns.host.trained_run import TrainedRun
from resfields_ns.models.dynamic_model import DynamicModel
from resfields_ns.models.surface_model import SurfaceModel
from resfields_ns.timeline import frames_from_times

Outputs = dict[str, Tensor]
Picture = UInt8[np.ndarray, "height width 3"]


def painter(output: str, cameras: Cameras, box: Float[Tensor, "2 3"]) -> Callable[[Outputs], Picture]:
    """A function that turns a model's outputs into a picture of `output`.

    Depth has one colour scale for all cameras, from the nearest to the farthest point of the box that they can see.
    Raises ValueError, when it is called, if the model does not render the output.
    """
    near, far = _depth_range(cameras, box)
    return partial(_paint, output, near, far)


def _paint(output: str, near: float, far: float, outputs: Outputs) -> Picture:
    if output not in outputs:
        raise ValueError(f"--output: expected one of the model's {', '.join(sorted(outputs))}, found {output!r}")
    values, accumulation = outputs[output], outputs["accumulation"]
    if output == "depth":
        colours = apply_depth_colormap(values, accumulation, near, far)
    elif output == "normals":
        colours = 0.5 * (values + accumulation) + (1.0 - accumulation)  # (n + 1) / 2 over white
    else:
        colours = apply_colormap(values.clamp(0.0, 1.0), ColormapOptions(colormap="gray"))
    return (colours.clamp(0.0, 1.0) * 255.0).round().to(torch.uint8).cpu().numpy()


def _depth_range(cameras: Cameras, box: Float[Tensor, "2 3"]) -> tuple[float, float]:
    distances = (cameras.camera_to_worlds[..., 3] - box.mean(dim=0)).norm(dim=-1)
    reach = (box[1] - box[0]).norm() / 2
    return float((distances.min() - reach).clamp_min(0.0)), float(distances.max() + reach)


AddPicture = Callable[[UInt8[np.ndarray, "height width 3"]], None]


def check_movie_path(path: Path, option: str = "--output-path") -> None:
    """Raise ValueError, naming `option`, if `path` cannot become a movie."""
    if path.suffix not in _WRITERS:
        raise ValueError(f"{option}: expected a name in .mp4 or .gif, or a folder's without suffix, found {path}")
    if path.suffix and path.is_dir():
        raise ValueError(f"{option}: expected a file, found the folder {path}")
    if not path.suffix and (path.is_file() or (path.is_dir() and any(path.iterdir()))):
        raise ValueError(f"{option}: expected a folder that is new or empty, found {path}, which is in use")


@contextmanager
def open_movie(path: Path, height: int, width: int, fps: float) -> Iterator[AddPicture]:
    """Yield a function that adds a picture of `height` x `width` pixels, shown for 1 / fps seconds.

    The suffix decides: .mp4 (H.264 that browsers play; an odd side grows by one pixel), .gif, or none for a folder of
    000000.png, 000001.png and so on. The movie appears at `path` only once the block has ended without an error.
    """
    check_movie_path(path)
    with write_aside(path) as partial, _WRITERS[path.suffix](partial, height, width, fps) as add_picture:
        yield add_picture


@contextmanager
def _mp4(path: Path, height: int, width: int, fps: float) -> Iterator[AddPicture]:
    mediapy.set_ffmpeg(imageio_ffmpeg.get_ffmpeg_exe())
    odd = ((0, height % 2), (0, width % 2), (0, 0))
    shape = (height + height % 2, width + width % 2)
    with mediapy.VideoWriter(path, shape, fps=fps, encoded_format="yuv420p") as writer:
        yield lambda picture: writer.add_image(np.pad(picture, odd, mode="edge"))


@contextmanager
def _gif(path: Path, height: int, width: int, fps: float) -> Iterator[AddPicture]:
    mediapy.set_ffmpeg(imageio_ffmpeg.get_ffmpeg_exe())
    with mediapy.VideoWriter(path, (height, width), fps=fps, codec="gif") as writer:
        yield writer.add_image


@contextmanager
def _folder(path: Path, height: int, width: int, fps: float) -> Iterator[AddPicture]:
    del height, width, fps
    path.mkdir()

    def add_picture(picture: UInt8[np.ndarray, "height width 3"]) -> None:
        Image.fromarray(picture).save(path / f"{len(list(path.iterdir())):06d}.png")

    yield add_picture


_WRITERS: dict[str, Callable[[Path, int, int, float], AbstractContextManager[AddPicture]]] = {
    ".mp4": _mp4,
    ".gif": _gif,
    "": _folder,
}


def render_movie(run: TrainedRun, cameras: Cameras, path: Path, fps: float, output: str, scale: float) -> None:
    """Render one picture a camera, at the camera's time, and write them as a movie.

    Args:
        run, cameras, scale: as in `film`
        path: of the movie; its suffix decides the format, as told in `open_movie`
        fps: pictures a second
        output: rgb, depth, normals or accumulation

    Raises ValueError as `film` does.
    """
    write_films([film(run, cameras, [output], scale)], path, fps)


Beside = Callable[[int, int, int], Picture]
"""What stands on the left of the picture of that index, at its height and width."""


def film(
    run: TrainedRun, cameras: Cameras, outputs: Sequence[str], scale: float, beside: Beside | None = None
) -> Iterator[Picture]:
    """Render one picture a camera, at the camera's time; all have one size.

    Args:
        run: what is rendered
        cameras: with times; pictures that are smaller than others stand at the upper left of white
        outputs: rgb, depth, normals, accumulation: side by side
        scale: factor on the pictures' size, above 0
        beside: what stands on the left, where something does

    Raises ValueError, with the first picture, if the model does not render an output, or no pixel is left.
    """
    cameras = _scaled(cameras, scale)
    height, width = int(cameras.height.max()), int(cameras.width.max())
    for index, panels in enumerate(_rendered(run, cameras, outputs)):
        if beside is not None:
            panels.insert(0, beside(index, *panels[0].shape[:2]))
        yield np.concatenate([_on_white(panel, height, width) for panel in panels], axis=1)


def _rendered(run: TrainedRun, cameras: Cameras, outputs: Sequence[str]) -> Iterator[list[Picture]]:
    painters = [painter(output, cameras, run.box) for output in outputs]
    if isinstance(run.model, SurfaceModel):
        run.model.with_normals = "normals" in outputs

    def pictures(index: int) -> list[Picture]:
        found = run.model.get_outputs_for_camera(cameras[index : index + 1].to(run.model.device))
        return [paint(found) for paint in painters]

    rendered = side_by_side(pictures, range(len(cameras)), run.model.device)
    yield from track(rendered, "Rendering", len(cameras), console=Console(stderr=True))


def original(run: TrainedRun, cameras: Cameras) -> Beside:
    """The frame of the run's video that is nearest in time; ValueError if the run is not on a video."""
    clip = run.eval_sequence
    if not isinstance(clip, Clip):
        raise ValueError("--load-config: expected a run on a video, found one on a scene in space")
    assert cameras.times is not None
    frames = frames_from_times(cameras.times[:, 0], run.num_frames).tolist()
    return lambda index, height, width: clip.pixels.resized(frames[index], height, width)


def ground_truth(run: TrainedRun, dataset: InputDataset, images: list[int]) -> Beside:
    """What a dataset's cameras saw, on the background that the run has."""

    def picture(index: int, height: int, width: int) -> Picture:
        batch = {name: value.to(run.model.device) for name, value in dataset[images[index]].items() if name in _SEEN}
        truth = run.model.ground_truth(batch) if isinstance(run.model, DynamicModel) else batch["image"]
        pixels = (truth.clamp(0.0, 1.0) * 255.0).round().to(torch.uint8).cpu().numpy()
        return np.array(Image.fromarray(pixels).resize((width, height), Image.Resampling.BOX))

    return picture


_SEEN = ("image", "mask")


def write_films(films: list[Iterator[Picture]], path: Path, fps: float, below: bool = False) -> None:
    """Write films of equal length as one movie, side by side or `below` one another, with white around smaller ones."""
    pictures = (_joined(parts, below) for parts in zip(*films, strict=True))
    first = next(pictures)
    with open_movie(path, first.shape[0], first.shape[1], fps) as add_picture:
        for picture in chain([first], pictures):
            add_picture(picture)


def _joined(parts: Sequence[UInt8[np.ndarray, "_ _ 3"]], below: bool) -> Picture:
    height, width = (max(part.shape[side] for part in parts) for side in (0, 1))
    sized = [_on_white(part, *((part.shape[0], width) if below else (height, part.shape[1]))) for part in parts]
    return np.concatenate(sized, axis=0 if below else 1)


def _on_white(picture: UInt8[np.ndarray, "_ _ 3"], height: int, width: int) -> Picture:
    missing = (height - picture.shape[0], width - picture.shape[1])
    return np.pad(picture, ((0, missing[0]), (0, missing[1]), (0, 0)), constant_values=255)


def _scaled(cameras: Cameras, scale: float) -> Cameras:
    scaled = deepcopy(cameras)
    scaled.rescale_output_resolution(scale)
    if min(int(scaled.height.min()), int(scaled.width.min())) < 1:
        size = f"{int(cameras.width[0])} x {int(cameras.height[0])}"
        raise ValueError(f"--scale: expected at least one pixel of {size} to be left, found {scale}")
    return scaled
