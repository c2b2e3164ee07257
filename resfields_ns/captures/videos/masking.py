"""What tells the foreground of a camera's pictures: masks of others, or a clean plate."""

import re
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from jaxtyping import Bool, UInt8

from resfields_ns.captures.capture_writer import describe_arrays, describe_files
from resfields_ns.captures.image_files import check_size, image_size, list_frames, mask_size, read_mask, read_picture
from resfields_ns.captures.video_file import Video, decode_frames, probe_video
from resfields_ns.captures.videos.calibration import VIDEO_SUFFIXES


class Foreground(ABC):
    """Tells the foreground of a camera's pictures."""

    @abstractmethod
    def __call__(self, frame: int, picture: UInt8[np.ndarray, "height width 3"]) -> Bool[np.ndarray, "height width"]:
        """The mask of a frame of the video, given as decoded."""

    @abstractmethod
    def as_json(self) -> dict[str, Any]:
        """All that decides the masks, beside the video."""


_THRESHOLD = 127


class MaskFolder(Foreground):
    """Masks from files; above 127 is foreground.

    As many as the video has frames are those of all, in the order of their numbers. Fewer are told apart by the last
    number in each name, which is the frame's, counted from 0.

    Args:
        folder: of png or jpg files
        video: of the camera
        frames: of the video that are used
    """

    def __init__(self, folder: Path, video: Video, frames: list[int]) -> None:
        masks = _masks_by_frame(folder, video)
        missing = [frame for frame in frames if frame not in masks]
        if missing:
            raise ValueError(
                f"{folder}: expected a mask of each of the {len(frames)} frames of {video.path.name} that are used, "
                f"found {len(masks)} masks, none of frame {missing[0]}: use --frames for those that have one"
            )
        self._paths = {frame: masks[frame] for frame in frames}
        for path in self._paths.values():
            check_size(path, mask_size(path), video.size, f"video {video.path.name}")

    def __call__(self, frame: int, picture: UInt8[np.ndarray, "height width 3"]) -> Bool[np.ndarray, "height width"]:
        return read_mask(self._paths[frame]) > _THRESHOLD

    def as_json(self) -> dict[str, Any]:
        return {"masks": describe_files(list(self._paths.values()))}


def _masks_by_frame(folder: Path, video: Video) -> dict[int, Path]:
    paths = list(list_frames(folder).values())
    if len(paths) == video.num_frames:
        return dict(enumerate(paths))
    of_frames = f"{folder}: expected {video.num_frames} masks, one for each frame of {video.path.name}, or fewer"
    if len(paths) > video.num_frames:
        raise ValueError(f"{of_frames}, found {len(paths)}")
    masks: dict[int, Path] = {}
    for path in paths:
        numbers = re.findall(r"\d+", path.stem)
        if not numbers:
            raise ValueError(f"{of_frames} whose names end in the number of a frame, found {path.name}")
        other = masks.setdefault(int(numbers[-1]), path)
        if other is not path:
            raise ValueError(f"{of_frames}, each of another frame, found {other.name} and {path.name}")
    return masks


_IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg")
_SMOOTHING = (3, 3)  # pixels, against noise
_SPECKS = np.ones((3, 3), np.uint8)
_HOLES = np.ones((5, 5), np.uint8)
_MOST_FRAMES = 15  # of a plate that is a video


class CleanPlate(Foreground):
    """Foreground is what differs from the plate in a colour channel by more than a threshold.

    Args:
        plate: the scene without its foreground
        threshold: of 255
    """

    def __init__(self, plate: UInt8[np.ndarray, "height width 3"], threshold: int) -> None:
        self.plate = plate
        self._smooth_plate = cv2.GaussianBlur(plate, _SMOOTHING, 0)
        self._threshold = threshold

    def __call__(self, frame: int, picture: UInt8[np.ndarray, "height width 3"]) -> Bool[np.ndarray, "height width"]:
        """The mask, without specks and small holes."""
        difference = cv2.absdiff(cv2.GaussianBlur(picture, _SMOOTHING, 0), self._smooth_plate).max(axis=-1)
        mask = (difference > self._threshold).astype(np.uint8)
        mask = cv2.morphologyEx(mask, cv2.MORPH_OPEN, _SPECKS)
        return cv2.morphologyEx(mask, cv2.MORPH_CLOSE, _HOLES).astype(bool)

    def as_json(self) -> dict[str, Any]:
        return {"plate": describe_arrays(self._smooth_plate), "threshold": self._threshold}


def find_plate(folder: Path, name: str, video: Video) -> Path:
    """The plate of a camera, an image or a video of the size of its video."""
    found = [path for suffix in (*_IMAGE_SUFFIXES, *VIDEO_SUFFIXES) if (path := folder / f"{name}{suffix}").is_file()]
    if len(found) != 1:
        there = ", ".join(path.name for path in found) or "none"
        raise ValueError(f"{folder}: expected one image or video {name}, the clean plate of the camera, found {there}")
    (path,) = found
    size = image_size(path) if path.suffix in _IMAGE_SUFFIXES else probe_video(path).size
    check_size(path, size, video.size, f"video {video.path.name}")
    return path


def read_plate(path: Path) -> UInt8[np.ndarray, "height width 3"]:
    """The image, or the median of frames of the video."""
    if path.suffix in _IMAGE_SUFFIXES:
        return read_picture(path)
    video = probe_video(path)
    frames = np.unique(np.linspace(0, video.num_frames - 1, _MOST_FRAMES).round().astype(int)).tolist()
    pictures = [picture for _, picture in decode_frames(video, frames)]
    return np.median(pictures, axis=0).round().astype(np.uint8)
