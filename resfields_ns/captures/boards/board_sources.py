"""Where pictures of a board come from: videos, folders of pictures, recordings of devices."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Int64, UInt8
from PIL import ImageOps
from rich.console import Console
from rich.progress import track

from resfields_ns.captures.boards.board import Board
from resfields_ns.captures.boards.board_detection import BoardDetector, Sighting
from resfields_ns.captures.camera import Camera, check_proportion
from resfields_ns.captures.image_files import check_size, image_size, list_frames, open_image
from resfields_ns.captures.kinect.recording import Recording
from resfields_ns.captures.video_file import Video, decode_frames
from resfields_ns.captures.videos.alignment import read_clocks, read_offsets
from resfields_ns.captures.videos.calibration import VIDEO_SUFFIXES, find_videos, read_calibration
from resfields_ns.captures.videos.opencv_files import knows_opencv_files, read_opencv_files
from resfields_ns.timeline import parse_frames

Gray = UInt8[np.ndarray, "height width"]


@dataclass(frozen=True)
class PictureSource(ABC):
    """The pictures of one camera.

    Args:
        path: file or folder
        names: of its pictures: numbers of frames, or names of files
        times: of the pictures, microseconds of the clock that all cameras share; None where names tell what belongs
            together
        camera: how it sees, where its device tells
    """

    path: Path
    names: list[str]
    times: Int64[np.ndarray, "pictures"] | None
    camera: Camera | None

    @property
    @abstractmethod
    def size(self) -> tuple[int, int]:
        """Width and height of its pictures."""

    @abstractmethod
    def pictures(self, chosen: list[int]) -> Iterator[tuple[int, Gray]]:
        """Some of its pictures by their number among `names`, ascending."""


@dataclass(frozen=True)
class VideoSource(PictureSource):
    """Frames of a video."""

    video: Video

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of its frames."""
        return self.video.size

    def pictures(self, chosen: list[int]) -> Iterator[tuple[int, Gray]]:
        """Decode frames."""
        for frame, picture in decode_frames(self.video, chosen):
            yield frame, cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)


@dataclass(frozen=True)
class FolderSource(PictureSource):
    """Files in a folder; those of one name, in the folders of several cameras, are of one moment."""

    files: list[Path]

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of its pictures, upright."""
        return image_size(self.files[0])

    def pictures(self, chosen: list[int]) -> Iterator[tuple[int, Gray]]:
        """Read files, each of the first one's size."""
        for number in chosen:
            check_size(self.files[number], image_size(self.files[number]), self.size, self.files[0].name)
            with open_image(self.files[number]) as image:
                yield number, np.array(ImageOps.exif_transpose(image).convert("L"))


@dataclass(frozen=True)
class DeviceSource(PictureSource):
    """Colour images of a device's recording."""

    recording: Recording

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of its images."""
        return self.recording.calibration.color.size

    def pictures(self, chosen: list[int]) -> Iterator[tuple[int, Gray]]:
        """Decode colour images."""
        number_at = {int(self.recording.color_times[number]): number for number in chosen}
        for _, time, image in self.recording.images(set(number_at), set()):
            yield number_at[time], cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)


def find_sources(folder: Path, offsets: Path | None) -> dict[str, PictureSource]:
    """The cameras of a folder by name: its videos, its folders of pictures, or the folder itself as a single camera.

    Args:
        offsets: file of time offsets of videos, as `rf-videos --offsets` reads it

    Raises ValueError if there is nothing, or both videos and folders of pictures.
    """
    if not folder.is_dir():
        raise ValueError(f"{folder}: expected a folder of videos or of pictures, found no such folder")
    entries = [path for path in sorted(folder.iterdir()) if not path.name.startswith(".")]
    folders = [path for path in entries if path.is_dir()]
    if any(path.suffix.lower() in VIDEO_SUFFIXES for path in entries):
        if folders:
            raise ValueError(f"{folder}: expected videos or folders of pictures, found both ({folders[0].name})")
        return _video_sources(folder, offsets)
    if offsets is not None:
        raise ValueError(
            f"--offsets: expected videos, found none in {folder}: names tell which pictures belong together"
        )
    return {path.resolve().name: _folder_source(path) for path in folders or [folder]}


def _video_sources(folder: Path, offsets: Path | None) -> dict[str, PictureSource]:
    videos = find_videos(folder)
    clocks = read_clocks(folder, videos)
    starts = dict.fromkeys(videos, 0) if offsets is None else read_offsets(offsets, videos, clocks)
    return {
        name: VideoSource(video.path, list(map(str, range(video.num_frames))), clocks[name] - starts[name], None, video)
        for name, video in videos.items()
    }


def _folder_source(folder: Path) -> FolderSource:
    frames = list_frames(folder)
    return FolderSource(folder, list(frames), None, None, list(frames.values()))


def open_recordings(paths: dict[str, Path], offsets: Path | None) -> tuple[dict[str, DeviceSource], dict[str, int]]:
    """Recordings of devices, seen as the factory calibrated their colour cameras, and what is added to their times.

    Args:
        offsets: file of time offsets, as `rf-videos --offsets` reads it; without, devices' clocks are taken to agree
    """
    recordings = {name: Recording.open(path) for name, path in paths.items()}
    clocks = {name: of.color_times for name, of in recordings.items()}
    added = dict.fromkeys(recordings, 0)
    if offsets is not None:
        videos = {
            name: Video(of.path, of.calibration.color.size, len(of.color_times), 0.0) for name, of in recordings.items()
        }
        added = {name: -start for name, start in read_offsets(offsets, videos, clocks).items()}
    sources = {
        name: DeviceSource(
            of.path, list(map(str, range(len(of.color_times)))), clocks[name] + added[name], of.calibration.color, of
        )
        for name, of in recordings.items()
    }
    return sources, added


def with_intrinsics(sources: dict[str, PictureSource], path: Path) -> dict[str, PictureSource]:
    """The cameras, seeing as a calibration says, which `rf-videos --calibration` or `rf-calibrate intrinsics` knows."""
    if knows_opencv_files(path, list(sources)):
        sizes = {name: source.size for name, source in sources.items()}
        cameras = read_opencv_files(path, sizes, with_poses=False).cameras
    else:
        videos = {name: Video(of.path, of.size, len(of.names), 0.0) for name, of in sources.items()}
        cameras = read_calibration(path, videos).cameras
    for name, source in sources.items():
        check_proportion(str(source.path), source.size, cameras[name].size, str(path))
    return {name: replace(source, camera=cameras[name].resized(source.size)) for name, source in sources.items()}


@dataclass(frozen=True)
class Views:
    """Where a camera saw the board.

    Args:
        source: of its pictures
        num_pictures: looked at
        sightings: by the picture's number
    """

    source: PictureSource
    num_pictures: int
    sightings: dict[int, Sighting]

    @property
    def num_corners(self) -> int:
        """Over all sightings."""
        return sum(len(sighting.corners) for sighting in self.sightings.values())


def find_boards(
    sources: dict[str, PictureSource], board: Board, frames: str, show_progress: bool = False
) -> dict[str, Views]:
    """Look for the board in the pictures that `frames` chooses of each camera.

    Raises ValueError if a camera never saw it.
    """
    detector, console = BoardDetector(board), Console(stderr=True)
    views = {}
    for name, source in sources.items():
        chosen = parse_frames(frames, len(source.names))
        pictures = track(
            source.pictures(chosen), f"Looking at {name}", len(chosen), console=console, disable=not show_progress
        )
        found = {number: sighting for number, picture in pictures if (sighting := detector(picture)) is not None}
        views[name] = Views(source, len(chosen), found)
    printed = detector.printed
    for name, found in views.items():
        alike = {number: seen for number, seen in found.sightings.items() if seen.printed == printed}
        views[name] = replace(found, sightings=alike)
        if not alike:
            raise ValueError(
                f"{found.source.path}: expected the board ({board.describe()}) in some of {found.num_pictures} "
                "pictures, found it in none: compare the options with the board (squares are counted, not corners)"
            )
    return views
