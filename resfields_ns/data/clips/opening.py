"""A video of whatever format."""

from pathlib import Path

from resfields_ns.data.clips.array_file import ArrayFile
from resfields_ns.data.clips.clip import Clip
from resfields_ns.data.clips.frame_folder import FrameFolder
from resfields_ns.data.clips.video_file import VideoFile


def open_clip(path: Path) -> Clip:
    """Open a video file (mp4, mkv, gif, webm and others), a folder of frames, or a npy file.

    Raises ValueError if it is none of these, or holds no frames.
    """
    if path.is_dir():
        return FrameFolder(path)
    return ArrayFile(path) if path.suffix == ".npy" else VideoFile(path)
