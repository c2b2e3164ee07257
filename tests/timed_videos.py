"""Videos whose pictures tell when they were taken, and what FFmpeg makes of them."""

import subprocess
from fractions import Fraction
from pathlib import Path

import av
import imageio_ffmpeg
import numpy as np

SIZE = (64, 48)
_TIME_BASE = Fraction(1, 90000)


def ffmpeg(*options: object) -> None:
    """Run FFmpeg as one would in a shell."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-y", "-loglevel", "error", *map(str, options)]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)


def gray(level: int) -> np.ndarray:
    """A picture of one brightness."""
    return np.full((SIZE[1], SIZE[0], 3), level, np.uint8)


def write_timed_video(
    path: Path,
    pictures: list[np.ndarray],
    seconds: np.ndarray,
    sound: np.ndarray | None = None,
    sound_rate: int = 48000,
) -> None:
    """Write pictures that are shown at given times, and a sound that starts at 0, where there is one."""
    height, width = pictures[0].shape[:2]
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=30, options={"crf": "10", "threads": "1"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.codec_context.time_base = _TIME_BASE
        track = None if sound is None else container.add_stream("aac", rate=sound_rate, layout="mono")
        for picture, time in zip(pictures, seconds, strict=True):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = round(float(time) / _TIME_BASE), _TIME_BASE
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if track is not None and sound is not None:
            frame = av.AudioFrame.from_ndarray(sound[None].astype(np.float32), format="fltp", layout="mono")
            frame.sample_rate, frame.pts = sound_rate, 0
            container.mux(track.encode(frame))
            container.mux(track.encode(None))


def write_gray_video(path: Path, frames: range, *options: object) -> None:
    """Thirty frames a second, frame i of brightness 4 i, one key frame; `options` are FFmpeg's, for what comes out."""
    source = path.with_name(f"{path.stem}_source.mp4")
    write_timed_video(source, [gray(4 * frame) for frame in frames], np.arange(len(frames)) / 30)
    ffmpeg("-i", source, "-g", 60, *options, path)
    source.unlink()
