"""Which frames of videos show the same moments.

Notation: times are whole microseconds. A video's clock is its file's, or that of the stamps kept beside the videos; its
offset is what the clock shows at the moment from which all are counted. Half a frame is that of the slowest video.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int64

from resfields_ns.captures.json_file import read_json, read_number
from resfields_ns.captures.time_stamps import MatchedFrames, match_frames, nearest_times, read_recorded_times
from resfields_ns.captures.untrusted import check_numbers
from resfields_ns.captures.video_file import Video
from resfields_ns.timeline import parse_frames

Clocks = dict[str, Int64[np.ndarray, "frames"]]
"""Camera -> when each frame of its video was taken."""

RECORDED_TIMES_FILE = "timestamps.csv"
_MICROSECONDS = 1_000_000
_ROUNDING = 1  # microseconds
_SAME_DURATION = 0.99  # of a frame: less is a matter of rounding
_ALMOST_A_FRAME = 0.99


@dataclass(frozen=True)
class Alignment:
    """Frames of videos that show the same moments.

    Args:
        frames: camera -> indices into its video, equally many
        matched: the same, with the gaps between them
        reference: the camera whose frames the others are matched to
        limit: microseconds that pictures of a moment may lie apart
        left_out: camera -> how many of its frames, within the time of all videos, belong to none of the moments
    """

    frames: dict[str, list[int]]
    matched: MatchedFrames
    reference: str
    limit: int
    left_out: dict[str, int]

    def report(self) -> list[str]:
        """What was matched and left out, in lines for people."""
        camera, frame = self.matched.worst()
        gap = self.matched.largest_gaps[frame] / 1000
        lines = [f"Matched by time to {self.reference}; largest gap {gap:.3f} ms (camera {camera}, frame {frame})"]
        left_out = ", ".join(f"{count} of {name}" for name, count in self.left_out.items() if count)
        if left_out:
            lines.append(
                f"Left out {left_out}: without a partner of their own in each camera within {self.limit / 1000:.3f} ms"
            )
        return lines


def read_clocks(folder: Path, videos: dict[str, Video]) -> Clocks:
    """When frames were taken, by the stamps kept in the videos' folder, or else by those in the files."""
    stamps = folder / RECORDED_TIMES_FILE
    if stamps.is_file():
        return read_recorded_times(stamps, {name: video.num_frames for name, video in videos.items()})
    return {name: np.array(video.times) for name, video in videos.items()}


def read_offsets(path: Path, videos: dict[str, Video], clocks: Clocks) -> dict[str, int]:
    """Read when each video shows the moment that all share, on its clock; with their first frame for those not named.

    The file is {"camera": {"frames": 3}, ...} or {"camera": {"seconds": 0.1}, ...}, counted from the first frame.
    """
    content = read_json(path)
    for name in content:
        if name not in videos:
            raise ValueError(f"{path}: expected cameras that have videos ({', '.join(videos)}), found {name!r}")
    return {
        name: _offset(content[name], clock, f"{path}: {name}") if name in content else int(clock[0])
        for name, clock in clocks.items()
    }


def _offset(record: Any, clock: Int64[np.ndarray, "frames"], name: str) -> int:
    if not isinstance(record, dict) or list(record) not in (["frames"], ["seconds"]):
        raise ValueError(f'{name}: expected {{"frames": number}} or {{"seconds": number}}, found {repr(record)[:80]}')
    (unit,) = record
    number = read_number(record, unit, name)
    check_numbers(number, f"{name}: {unit}")
    if unit == "seconds":
        return int(clock[0]) + round(_MICROSECONDS * number)
    frames = number
    if frames != int(frames):
        raise ValueError(f"{name}: frames: expected a whole number, found {frames:g}")
    inside = int(np.clip(frames, 0, len(clock) - 1))
    return int(clock[inside]) + round((frames - inside) * frame_duration(clock))


def frame_duration(clock: Int64[np.ndarray, "frames"]) -> float:
    """Microseconds from a frame to the next, in most cases; 0 for a single frame."""
    return float(np.median(np.diff(clock))) if len(clock) > 1 else 0.0


def align_videos(
    videos: dict[str, Video],
    clocks: Clocks,
    offsets: dict[str, int] | None,
    frames: str,
    where: str,
    largest_gap: int | None = None,
) -> Alignment:
    """Match the frames of videos by time, and choose some of the moments that all show.

    Args:
        offsets: of the clocks; None if all show the same, as the videos were started and stopped together
        frames: as start:stop:step, counted from the first moment
        where: says in errors what tells the times
        largest_gap: microseconds that pictures of a moment may lie apart; by default half a frame

    Raises ValueError if videos do not overlap, no frame is near enough in all of them, or, without offsets, a video
    ends before a chosen frame.
    """
    times = {name: clock - (offsets or {}).get(name, 0) for name, clock in clocks.items()}
    durations = {name: frame_duration(clock) for name, clock in clocks.items()}
    slowest = max(durations.values())
    reference = next(name for name, duration in durations.items() if duration >= _SAME_DURATION * slowest)
    limit = round(slowest / 2) if largest_gap is None else largest_gap
    _check_overlap(videos, times, limit, where)
    matched = match_frames(times, reference, limit, where)
    common = _together(times, matched, reference, limit)
    if len(common) == 0:
        raise ValueError(
            f"{where}: expected moments of which all videos have pictures within {limit / 1000:.3f} ms, found none: "
            f"the nearest lie {matched.spreads.min() / 1000:.3f} ms apart; rf-videos --largest-gap-ms allows more"
        )
    surplus = _surplus(times, slowest) if offsets is None else 0
    chosen = parse_frames(frames, len(common) + surplus)
    if chosen[-1] >= len(common):
        longest, shortest = (videos[pick(times, key=lambda name: times[name][-1])].path for pick in (max, min))
        raise ValueError(
            f"{shortest}: expected {len(common) + surplus} frames as {longest.name} has, found {len(common)}; "
            f"--frames 0:{len(common)} uses those that all have"
        )
    return Alignment(
        frames={name: images[common[chosen]].tolist() for name, images in matched.images.items()},
        matched=matched.chosen(common[chosen]),
        reference=reference,
        limit=limit,
        left_out={name: count - len(common) for name, count in _num_shared(times, limit).items()},
    )


def _check_overlap(videos: dict[str, Video], times: Clocks, limit: int, where: str) -> None:
    first = min(times, key=lambda name: times[name][-1])
    last = max(times, key=lambda name: times[name][0])
    if times[last][0] - times[first][-1] > limit:
        raise ValueError(
            f"{where}: expected videos that overlap, found {videos[first].path} with {videos[first].num_frames} frames "
            f"up to {times[first][-1] / _MICROSECONDS:.3f} s, and {videos[last].path} from "
            f"{times[last][0] / _MICROSECONDS:.3f} s on"
        )


def _together(times: Clocks, matched: MatchedFrames, reference: str, limit: int) -> Int64[np.ndarray, "common"]:
    """Places of the matched frames whose images lie together, each belonging to one frame, the nearest."""
    together = matched.spreads <= limit + _ROUNDING
    for name, images in matched.images.items():
        together &= nearest_times(times[reference], times[name][images]) == matched.images[reference]
    places = np.flatnonzero(together)
    return places[np.unique(matched.images[reference][places], return_index=True)[1]]


def _surplus(times: Clocks, duration: float) -> int:
    """How many frames the longest video has after the end of the shortest; 0 if it is a matter of their rates."""
    end = min(clock[-1] for clock in times.values())
    longest = max(times.values(), key=lambda clock: clock[-1])
    if longest[-1] - end < _ALMOST_A_FRAME * duration:
        return 0
    return int((longest > end + duration / 2).sum())


def _num_shared(times: Clocks, limit: int) -> dict[str, int]:
    """How many frames of each video lie within the time of all."""
    start = max(clock[0] for clock in times.values()) - limit
    end = min(clock[-1] for clock in times.values()) + limit
    return {name: int(((clock >= start) & (clock <= end)).sum()) for name, clock in times.items()}
