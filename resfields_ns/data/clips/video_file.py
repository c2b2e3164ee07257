"""A video file."""

from collections.abc import Iterator
from pathlib import Path

from PIL import Image

from resfields_ns.data.clips.clip import Clip, Picture, rgb_picture
from resfields_ns.data.video_frames import decode_frames, probe_video


class VideoFile(Clip):
    """A file that PyAV decodes: mp4, mkv, gif, webm and others. Frames are taken as evenly spaced in time.

    Raises:
        ValueError: if the file cannot be read or holds no video
    """

    def __init__(self, path: Path) -> None:
        self.video = probe_video(path)
        super().__init__(path, self.video.size, self.video.num_frames, self.video.mode, self.video.frame_rate)

    def pictures(self, frames: list[int]) -> Iterator[Picture]:
        """Read frames, given in ascending order."""
        for _, frame in decode_frames(self.video, frames):
            if self.mode == "RGBA":
                yield rgb_picture(Image.fromarray(frame.to_ndarray(format="rgba")))
            else:
                yield frame.to_ndarray(format="rgb24")
