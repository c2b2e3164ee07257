"""Masks that somebody else made."""

from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, UInt8
from PIL import Image

from resfields_ns.data.image_files import check_size, image_size, list_frames
from resfields_ns.data.unfinished_capture import describe_files
from resfields_ns.data.video_frames import Video
from resfields_ns.videos.foreground import Foreground

_THRESHOLD = 127


class MaskFolder(Foreground):
    """Masks from files, one for each frame of a video in sorted order; above 127 is foreground.

    Args:
        folder: of png or jpg files
        video: of the camera
        frames: of the video that are used
    """

    def __init__(self, folder: Path, video: Video, frames: list[int]) -> None:
        self._paths = list(list_frames(folder).values())
        if len(self._paths) != video.num_frames:
            raise ValueError(
                f"{folder}: expected {video.num_frames} masks, one for each frame of {video.path.name}, "
                f"found {len(self._paths)}"
            )
        for frame in frames:
            check_size(self._paths[frame], image_size(self._paths[frame]), video.size, f"video {video.path.name}")

    def __call__(self, frame: int, picture: UInt8[np.ndarray, "height width 3"]) -> Bool[np.ndarray, "height width"]:
        with Image.open(self._paths[frame]) as image:
            return np.array(image.convert("L")) > _THRESHOLD

    def as_json(self) -> dict[str, Any]:
        return {"masks": describe_files(self._paths)}
