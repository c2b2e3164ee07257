"""Pictures as a movie: an mp4 or gif file, or a folder of png files."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import imageio_ffmpeg
import mediapy
import numpy as np
from jaxtyping import UInt8
from PIL import Image

from resfields_ns.export.write_aside import write_aside

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
