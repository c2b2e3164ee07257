"""Which frames of videos show the same moments.

Notation: frame i of the capture is frame i + o of a camera's video, its offset, with i counted from the first moment
that all videos show.
"""

from pathlib import Path
from typing import Any

from resfields_ns.captures.json_file import read_json, read_number
from resfields_ns.captures.video_file import Video
from resfields_ns.timeline import parse_frames


def read_offsets(path: Path, videos: dict[str, Video]) -> dict[str, int]:
    """Read how many frames after its start each video shows the moment that all share; 0 for those not named.

    The file is {"camera": {"frames": 3}, ...} or {"camera": {"seconds": 0.1}, ...}; seconds become the nearest frame.
    """
    content = read_json(path)
    for name in content:
        if name not in videos:
            raise ValueError(f"{path}: expected cameras that have videos ({', '.join(videos)}), found {name!r}")
    return {
        name: _offset(content[name], video, f"{path}: {name}") if name in content else 0
        for name, video in videos.items()
    }


def align_videos(videos: dict[str, Video], frames: str) -> dict[str, list[int]]:
    """The frames of videos that start together, as chosen by `frames`; ValueError if one ends before the last."""
    longest = max(videos.values(), key=lambda video: video.num_frames)
    fewest = min(video.num_frames for video in videos.values())
    chosen = parse_frames(frames, longest.num_frames)
    for video in videos.values():
        if video.num_frames <= chosen[-1]:
            raise ValueError(
                f"{video.path}: expected {longest.num_frames} frames as {longest.path.name} has, found "
                f"{video.num_frames}; --frames 0:{fewest} uses those that all have"
            )
    return dict.fromkeys(videos, chosen)


def align_videos_by_offsets(videos: dict[str, Video], offsets: dict[str, int], frames: str) -> dict[str, list[int]]:
    """The frames of each video for those that `frames` chooses of the moments that all videos show."""
    start = -min(offsets.values())
    first = {name: start + offset for name, offset in offsets.items()}
    common = min(video.num_frames - first[name] for name, video in videos.items())
    if common < 1:
        worst = min(videos, key=lambda name: videos[name].num_frames - first[name])
        raise ValueError(
            f"--offsets: expected videos that overlap, found {videos[worst].path} with {videos[worst].num_frames} "
            f"frames, to be used from frame {first[worst]} on"
        )
    chosen = parse_frames(frames, common)
    return {name: [first[name] + frame for frame in chosen] for name in videos}


def _offset(record: Any, video: Video, name: str) -> int:
    if not isinstance(record, dict) or list(record) not in (["frames"], ["seconds"]):
        raise ValueError(f'{name}: expected {{"frames": number}} or {{"seconds": number}}, found {repr(record)[:80]}')
    if "seconds" in record:
        if video.frame_rate == 0.0:
            raise ValueError(f"{video.path}: expected a frame rate, to turn seconds into frames, found none")
        return round(read_number(record, "seconds", name) * video.frame_rate)
    frames = read_number(record, "frames", name)
    if frames != int(frames):
        raise ValueError(f"{name}: frames: expected a whole number, found {frames:g}")
    return int(frames)
