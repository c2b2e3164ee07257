"""Masks of a whole capture in the Owlii / NeuS layout, frame by frame, resumed where a run was stopped.

What was found by a segmenter, or by the user's own means, is kept in each camera's `mask_found`; `mask` is made of it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Bool, Float64, UInt8
from rich.console import Console
from rich.progress import track

from resfields_ns.captures.camera import Camera
from resfields_ns.captures.camera_folder import (
    CameraFrames,
    camera_names,
    common_frame_names,
    read_aabb,
    read_cameras,
    read_normalisation,
)
from resfields_ns.captures.capture_writer import write_png
from resfields_ns.captures.image_files import (
    check_same_frames,
    check_size,
    image_size,
    list_frames,
    mask_size,
    read_mask,
    read_picture,
)
from resfields_ns.captures.masks.mending import View, follow_edges, mend_over_views

Segmenter = Callable[[UInt8[np.ndarray, "height width 3"]], Bool[np.ndarray, "height width"]]
_FOUND, _MASK = "mask_found", "mask"
_THRESHOLD = 127


@dataclass(frozen=True)
class MaskedCamera:
    """One camera of the capture: its frames by name, and a `Camera` for each."""

    folder: Path
    pictures: dict[str, Path]
    cameras: dict[str, Camera]

    def path(self, kind: str, frame: str) -> Path:
        """Of the mask that is made of a frame."""
        return self.folder / kind / f"{frame}.png"


@dataclass(frozen=True)
class MaskedCapture:
    """A capture that masks are made for.

    Args:
        box: of the scene, in the cameras' space
    """

    folder: Path
    cameras: list[MaskedCamera]
    frames: list[str]
    box: Float64[np.ndarray, "2 3"]

    @classmethod
    def open(cls, folder: Path) -> "MaskedCapture":
        """Read cameras and frames; ValueError for what the `owlii` dataparser would refuse of them."""
        names = camera_names(folder)
        if not names:
            raise ValueError(f"{folder}: expected folders of cameras, each with rgb or image, found none")
        frames = common_frame_names([folder / name for name in names])
        to_world = read_normalisation(folder / names[0], 0)
        cameras = []
        for name in names:
            kind = "image" if (folder / name / "image").is_dir() else "rgb"
            pictures = list_frames(folder / name / kind)
            images = [pictures[frame] for frame in frames]
            size = image_size(images[0])
            for path in images:
                check_size(path, image_size(path), size, f"the camera's first image {images[0].name}")
            of = CameraFrames(folder / name, size, images, None, None)
            read = read_cameras(of, list(range(len(frames))), to_world)
            cameras.append(MaskedCamera(folder / name, pictures, dict(zip(frames, read, strict=True))))
        box = read_aabb(folder / "aabb.txt") if (folder / "aabb.txt").is_file() else [[-1.0] * 3, [1.0] * 3]
        return cls(folder, cameras, frames, np.array(box))

    @property
    def has_own_masks(self) -> bool:
        """Whether a camera has masks that did not come from here."""
        return any((c.folder / _MASK).is_dir() and not (c.folder / _FOUND).is_dir() for c in self.cameras)

    def adopt_masks(self) -> None:
        """Take the masks that each camera has for those found; ValueError if some camera lacks one."""
        for camera in self.cameras:
            folder = camera.folder / (_FOUND if (camera.folder / _FOUND).is_dir() else _MASK)
            masks = list_frames(folder)
            check_same_frames(masks, folder, self.frames)
            for path in masks.values():
                check_size(path, mask_size(path), next(iter(camera.cameras.values())).size, "the camera's images")
        for camera in self.cameras:
            if not (camera.folder / _FOUND).is_dir():
                (camera.folder / _MASK).rename(camera.folder / _FOUND)

    def find(self, make_segmenter: Callable[[], Segmenter]) -> None:
        """Segment pictures that have no mask found; the segmenter is made only if there are any."""
        wanted = [
            (camera, frame)
            for camera in self.cameras
            for frame in self.frames
            if frame not in _frames_in(camera.folder / _FOUND)
        ]
        if not wanted:
            return
        segment = make_segmenter()
        for camera, frame in track(wanted, "segmenting", console=Console(stderr=True)):
            mask = segment(read_picture(camera.pictures[frame]))
            write_png(camera.path(_FOUND, frame), _as_image(mask))

    def mend(self, tolerance: float) -> None:
        """Write the masks of frames that lack some, mended over views and along the pictures' edges."""
        wanted = [f for f in self.frames if not all(camera.path(_MASK, f).is_file() for camera in self.cameras)]
        found = [list_frames(camera.folder / _FOUND) for camera in self.cameras]
        for frame in track(wanted, "mending", console=Console(stderr=True), disable=not wanted):
            views = [
                View(camera.cameras[frame], read_mask(paths[frame]) > _THRESHOLD)
                for camera, paths in zip(self.cameras, found, strict=True)
            ]
            for camera, mask in zip(self.cameras, mend_over_views(views, self.box, tolerance), strict=True):
                followed = follow_edges(mask, read_picture(camera.pictures[frame]))
                write_png(camera.path(_MASK, frame), _as_image(followed))

    def draw_contact_sheet(self) -> Path:
        """Write `masks.png`: a row a camera, frames over time, what was taken away in red and added in green."""
        chosen = np.linspace(0, len(self.frames) - 1, min(_COLUMNS, len(self.frames))).round().astype(int)
        rows = [
            np.concatenate([_tile(camera, self.frames[index]) for index in chosen], axis=1) for camera in self.cameras
        ]
        width = max(row.shape[1] for row in rows)
        sheet = [np.pad(row, ((0, 0), (0, width - row.shape[1]), (0, 0))) for row in rows]
        path = self.folder / "masks.png"
        write_png(path, np.concatenate(sheet))
        return path


_COLUMNS = 6
_TILE_HEIGHT = 320
_DIMMED = 0.3


def _tile(camera: MaskedCamera, frame: str) -> UInt8[np.ndarray, "height width 3"]:
    picture = read_picture(camera.pictures[frame])
    found = read_mask(list_frames(camera.folder / _FOUND)[frame]) > _THRESHOLD
    mask = read_mask(camera.path(_MASK, frame)) > _THRESHOLD
    shown = np.where(mask[..., None], picture, _DIMMED * picture).astype(np.uint8)
    shown[found & ~mask, 0] = 255
    shown[mask & ~found, 1] = 255
    width = max(1, round(_TILE_HEIGHT * shown.shape[1] / shown.shape[0]))
    return cv2.resize(shown, (width, _TILE_HEIGHT), interpolation=cv2.INTER_AREA)


def _frames_in(folder: Path) -> set[str]:
    return {path.stem for path in folder.glob("*.png")}


def _as_image(mask: Bool[np.ndarray, "height width"]) -> UInt8[np.ndarray, "height width"]:
    return np.where(mask, np.uint8(255), np.uint8(0))
