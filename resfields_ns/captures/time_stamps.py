"""When images were taken: time stamps read and matched over cameras, and moments as frames.

Notation: times are whole microseconds of one clock that all cameras share. The M moments of a capture whose images tell
when they were taken, most often one image at a time, are the distinct times of its training images, in order; place m
is that of moment m, and places run evenly from one moment to the next. N of the moments are chosen as frames, every
s-th from a first on.
"""

import csv
import json
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float64, Int64

from resfields_ns.captures.json_file import read_json, read_number
from resfields_ns.captures.untrusted import blamed, check_numbers, read_bytes
from resfields_ns.timeline import parse_frames

TIME_STAMPS_FILE = "timestamps.json"
_LARGEST_TIME = 2.0**53  # microseconds: floats are whole beyond it


@dataclass(frozen=True)
class MatchedFrames:
    """For each frame of a reference camera, the image of every camera that was taken nearest to it in time.

    Args:
        images: camera -> index of its image
        gaps: camera -> its time less the reference's, in microseconds
        times: of the reference's images
    """

    images: dict[str, Int64[np.ndarray, "frames"]]
    gaps: dict[str, Int64[np.ndarray, "frames"]]
    times: Int64[np.ndarray, "frames"]

    @property
    def largest_gaps(self) -> Int64[np.ndarray, "frames"]:
        """Of each frame, over the cameras, without sign."""
        return np.abs(np.stack(list(self.gaps.values()))).max(axis=0)

    @property
    def spreads(self) -> Int64[np.ndarray, "frames"]:
        """Microseconds from the first to the last image of each frame."""
        gaps = np.stack(list(self.gaps.values()))
        return gaps.max(axis=0) - gaps.min(axis=0)

    def worst(self) -> tuple[str, int]:
        """The camera and the frame with the largest gap."""
        frame = int(self.largest_gaps.argmax())
        return max(self.gaps, key=lambda camera: abs(int(self.gaps[camera][frame]))), frame

    def chosen(self, frames: list[int] | Int64[np.ndarray, "chosen"]) -> "MatchedFrames":
        """Some of the frames."""
        images, gaps = ({name: values[frames] for name, values in of.items()} for of in (self.images, self.gaps))
        return MatchedFrames(images, gaps, self.times[frames])


def match_frames(times: dict[str, Int64[np.ndarray, "_"]], reference: str, slack: int, where: str) -> MatchedFrames:
    """Match the images of all cameras to those of one that lie within the time of all others.

    Args:
        times: camera -> ascending times of its images
        reference: the camera whose images are the frames
        slack: microseconds by which a frame may lie outside the time of another camera
        where: says in errors what the cameras belong to

    Raises ValueError if no frame lies within the time of all cameras.
    """
    frames = np.arange(len(times[reference]))
    for name, other in times.items():
        seen = (times[reference] >= other[0] - slack) & (times[reference] <= other[-1] + slack)
        frames = frames[seen[frames]]
        if len(frames) == 0:
            raise ValueError(
                f"{where}: expected cameras of one clock that overlap in time, found {_span(times[name])} of camera "
                f"{name} without a match in {_span(times[reference])} of camera {reference}; time offsets can mend it"
            )
    at = times[reference][frames]
    images = {name: nearest_times(other, at) for name, other in times.items()}
    return MatchedFrames(images, {name: times[name][index] - at for name, index in images.items()}, at)


def nearest_times(times: Int64[np.ndarray, "times"], at: Int64[np.ndarray, "frames"]) -> Int64[np.ndarray, "frames"]:
    """Index of the time nearest to each moment; of two as near, the earlier."""
    after = np.searchsorted(times, at).clip(1, max(len(times) - 1, 1))
    after = np.minimum(after, len(times) - 1)
    before = np.maximum(after - 1, 0)
    return np.where(at - times[before] <= times[after] - at, before, after)


def _span(times: Int64[np.ndarray, "times"]) -> str:
    return f"{times[0] / 1e6:.3f} to {times[-1] / 1e6:.3f} s"


def read_time_stamps(path: Path, names: list[str]) -> Int64[np.ndarray, "names"]:
    """Read the time of each image of a camera, given by their names in order.

    Raises ValueError if an image has no time or a time no image, or times do not ascend.
    """
    content = read_json(path)
    surplus = sorted(content.keys() - set(names))
    if surplus:
        raise ValueError(f"{path}: expected times of the camera's {len(names)} images, found one of {surplus[0]!r}")
    read = [read_number(content, name, str(path)) for name in names]
    check_numbers(read, str(path), _LARGEST_TIME)
    times = np.array([round(time) for time in read])
    late = np.flatnonzero(np.diff(times) <= 0)
    if len(late):
        first, second = names[late[0]], names[late[0] + 1]
        raise ValueError(
            f"{path}: expected times that ascend with the images' names, "
            f"found {times[late[0]]} at {first!r} and {times[late[0] + 1]} at {second!r}"
        )
    return times


def frame_rate(times: Int64[np.ndarray, "frames"]) -> float | None:
    """Frames a second, as most of them follow each other; None for a single frame."""
    return 1e6 / float(np.median(np.diff(times))) if len(times) > 1 else None


def write_time_stamps(path: Path, times: dict[str, int]) -> None:
    """Write the times of a camera's images by their names."""
    path.write_text(json.dumps(times, indent=2) + "\n", encoding="utf-8")


_CAMERA, _TIME = "cam_id", "frame_time"


def read_recorded_times(path: Path, num_frames: dict[str, int]) -> dict[str, Int64[np.ndarray, "_"]]:
    """Read when frames of videos were taken, as caliscope and FreeMoCap write it: a row for each frame of each video.

    The columns are cam_id, by name or number, and frame_time in seconds; a video's rows belong to its frames in the
    order of their times, for other columns may be counted from elsewhere.

    Args:
        path: of the csv file
        num_frames: of each video by its name, which is cam_id or whose last number is

    Raises ValueError if a column, the rows of a video or a number are not there.
    """
    content = read_bytes(path, "a table of times")
    with blamed(path, "a table of text"):
        rows = list(csv.DictReader(content.decode("utf-8-sig").splitlines(), skipinitialspace=True))
    columns = [str(column) for column in rows[0]] if rows else []
    if not {_CAMERA, _TIME} <= set(columns):
        found = ", ".join(columns) or "none"
        raise ValueError(f"{path}: expected columns {_CAMERA} and {_TIME}, found {found}")
    videos = {row[_CAMERA]: _video(row[_CAMERA], list(num_frames), str(path)) for row in rows}
    times = {name: [] for name in num_frames}
    for line, row in enumerate(rows, start=2):
        if (name := videos[row[_CAMERA]]) is not None:
            times[name].append(_microseconds(row[_TIME], f"{path}: line {line}"))
    for name, found in times.items():
        if len(found) != num_frames[name]:
            raise ValueError(
                f"{path}: expected {num_frames[name]} rows of {name}, one for each frame, found {len(found)}"
            )
    return {name: np.array(sorted(found)) for name, found in times.items()}


def _video(camera: str, names: list[str], where: str) -> str | None:
    """The video of a camera, by its name or else by its number; None if there is none."""
    found = [name for name in names if name == camera] or [
        name for name in names if _last_number(name) is not None and _last_number(name) == _last_number(camera)
    ]
    if len(found) > 1:
        raise ValueError(f"{where}: {_CAMERA}: expected one video of number {camera}, found {', '.join(found)}")
    return found[0] if found else None


def _last_number(name: str) -> int | None:
    numbers = re.findall(r"\d+", name)
    return int(numbers[-1]) if numbers else None


def _microseconds(seconds: str | None, name: str) -> int:
    try:
        time = round(1_000_000 * float(seconds or ""))
        check_numbers(time, f"{name}: {_TIME}", _LARGEST_TIME)
        return time
    except (ValueError, OverflowError):  # no number, or not a finite one
        raise ValueError(f"{name}: {_TIME}: expected a number of seconds, found {seconds!r}") from None


_HALF_A_FRAME = 0.5 + 1e-6


@dataclass(frozen=True)
class Moments:
    """The chosen frames.

    Args:
        times: of all moments, ascending, in any unit
        frames: indices of the moments that are frames, ascending by one step
    """

    times: Float64[np.ndarray, "moments"]
    frames: list[int]

    @classmethod
    def choose(cls, training_times: Float64[np.ndarray, "images"], spec: str) -> "Moments":
        """Choose frames, as `--frames` says, from the moments at which training images were taken."""
        times = np.unique(training_times)
        return cls(times, parse_frames(spec, len(times)))

    @property
    def frame_times(self) -> Float64[np.ndarray, "frames"]:
        """When each frame was, in the unit of `times`."""
        return self.times[self.frames]

    def chosen(self, times: Float64[np.ndarray, "images"]) -> Bool[np.ndarray, "images"]:
        """Which images were taken at a frame's very moment."""
        return np.isin(times, self.frame_times)

    def covered(self, times: Float64[np.ndarray, "images"]) -> Bool[np.ndarray, "images"]:
        """Which images were taken between the first frame and the last, or at most half a frame outside."""
        positions = self._positions(times)
        return (positions >= -_HALF_A_FRAME) & (positions <= len(self.frames) - 1 + _HALF_A_FRAME)

    def positions(self, times: Float64[np.ndarray, "images"]) -> Float64[np.ndarray, "images"]:
        """Where times lie among the frames: i at frame i, in between linear, and never beyond the first or last."""
        return self._positions(times).clip(0.0, len(self.frames) - 1)

    def _positions(self, times: Float64[np.ndarray, "images"]) -> Float64[np.ndarray, "images"]:
        step = self.frames[1] - self.frames[0] if len(self.frames) > 1 else 1
        return (self._places(times) - self.frames[0]) / step

    def _places(self, times: Float64[np.ndarray, "images"]) -> Float64[np.ndarray, "images"]:
        """Places of times among the moments; beyond the ends at the pace of the nearest two."""
        if len(self.times) == 1:
            return np.where(times == self.times[0], 0.0, np.inf)
        before = np.searchsorted(self.times, times, side="right").clip(1, len(self.times) - 1) - 1
        start, end = self.times[before], self.times[before + 1]
        return before + (times - start) / (end - start)
