"""Which images of recordings make up the frames of a capture, and how its cameras see.

Where the cameras of a rig stand is in a JSON file that the user gives, for recordings do not tell:

    {"front": {"camera_to_world": [[...], [...], [...], [0, 0, 0, 1]], "time_offset_us": 0}, ...}

The pose is the colour camera's, in metres with OpenCV axes (x right, y down, z forward). The offset, 0 if it is left
out, makes the device's clock the one that all cameras share.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float64, Int64
from rich.console import Console
from rich.progress import track

from resfields_ns.captures.camera import Camera
from resfields_ns.captures.camera_files import read_pose
from resfields_ns.captures.json_file import read_json, read_number
from resfields_ns.captures.kinect.recording import Recording
from resfields_ns.captures.lens import undistorted_view
from resfields_ns.captures.spaces import box_windows
from resfields_ns.captures.time_stamps import MatchedFrames, match_frames, nearest_times
from resfields_ns.options import Limits
from resfields_ns.timeline import parse_frames


@dataclass(frozen=True)
class RigDevice:
    """A device's place in space and time."""

    camera_to_world: Float64[np.ndarray, "4 4"]
    time_offset: int


def read_device_rig(path: Path, names: list[str]) -> dict[str, RigDevice]:
    """Read the cameras of some names; a ValueError names one that is missing or is not what it should be."""
    content = read_json(path)
    for name in names:
        if name not in content:
            found = ", ".join(sorted(content)) or "none"
            raise ValueError(f"{path}: expected a camera {name!r}, named as its recording is, found {found}")
        if not isinstance(content[name], dict):
            raise ValueError(f'{path}: {name}: expected {{"camera_to_world": matrix}}, found {str(content[name])[:80]}')
    return {name: _camera(content[name], f"{path}: {name}") for name in names}


def _camera(record: dict, name: str) -> RigDevice:
    offset = round(read_number(record, "time_offset_us", name)) if "time_offset_us" in record else 0
    return RigDevice(read_pose(record, name), offset)


@dataclass(frozen=True)
class Request:
    """What to make of recordings.

    Args:
        recordings: camera -> file
        rig: file that says where the cameras stand
        frames: of those that all cameras have, as start:stop:step
        largest_gap_ms: milliseconds that images of one frame may lie apart
        box: lower and upper corner, in metres of the world, of what the capture is about
        crop: cut the images to what they show of the box
        masks: make masks of what lies in the box
    """

    recordings: dict[str, Path]
    rig: Path
    frames: str = "::"
    largest_gap_ms: float = 17.0
    box: Float64[np.ndarray, "2 3"] | None = None
    crop: bool = False
    masks: bool = False

    def __post_init__(self) -> None:
        Limits(above=0).check("--largest-gap-ms", self.largest_gap_ms)
        if self.box is None and (self.crop or self.masks):
            raise ValueError(f"{'--crop' if self.crop else '--masks'}: expected a --box, found none")
        if self.box is not None and not (np.isfinite(self.box).all() and (self.box[0] < self.box[1]).all()):
            raise ValueError(
                f"--box: expected every lower bound below its upper bound, found {self.box.ravel().tolist()}"
            )

    def as_json(self) -> dict[str, Any]:
        """All that decides what a conversion writes."""
        recordings = {name: {"file": path.name, "bytes": path.stat().st_size} for name, path in self.recordings.items()}
        return {
            "recordings": recordings,
            "rig": read_json(self.rig),
            "frames": self.frames,
            "largest_gap_ms": self.largest_gap_ms,
            "box": None if self.box is None else self.box.tolist(),
            "crop": self.crop,
            "masks": self.masks,
        }


@dataclass(frozen=True)
class CameraPlan:
    """A camera of the capture, and the images of its recording that are its frames.

    Args:
        recording: of the device
        camera: by which the capture's images are seen, without distortion
        color_times, depth_times: of each frame's images, on the device's clock
        stamps: of each frame's colour image, on the clock that all cameras share
    """

    recording: Recording
    camera: Camera
    color_times: Int64[np.ndarray, "frames"]
    depth_times: Int64[np.ndarray, "frames"]
    stamps: Int64[np.ndarray, "frames"]


@dataclass(frozen=True)
class Plan:
    """What a conversion will do.

    Args:
        cameras: by name
        matched: the frames
        num_unmatched: frames left out, because not all devices have images near enough in time
        unsynchronised: whether several devices run on clocks of their own, and the rig gives no time offsets
    """

    cameras: dict[str, CameraPlan]
    matched: MatchedFrames
    num_unmatched: int
    unsynchronised: bool


def make_plan(request: Request, show_progress: bool = False) -> Plan:
    """Read all but the images; a ValueError names what cannot be done."""
    rig = read_device_rig(request.rig, list(request.recordings))
    paths = track(request.recordings.items(), "Reading", console=Console(stderr=True), disable=not show_progress)
    recordings = {name: Recording.open(path) for name, path in paths}
    matched, num_unmatched = _match(recordings, rig, request)
    cameras = _cameras(recordings, rig, request)
    plans = {}
    for name, recording in recordings.items():
        color, depth = _image_times(recording, matched.images[name])
        plans[name] = CameraPlan(recording, cameras[name], color, depth, color + rig[name].time_offset)
    wired = any(recording.leads for recording in recordings.values())
    offset = any(camera.time_offset for camera in rig.values())
    return Plan(plans, matched, num_unmatched, unsynchronised=len(rig) > 1 and not wired and not offset)


def _match(recordings: dict[str, Recording], rig: dict[str, RigDevice], request: Request) -> tuple[MatchedFrames, int]:
    """The frames asked for, of those where colour and depth of all devices are near in time, and how many are not."""
    times = {name: recording.color_times + rig[name].time_offset for name, recording in recordings.items()}
    leaders = [name for name, recording in recordings.items() if recording.leads]
    slack = round(1000 * request.largest_gap_ms)
    matched = match_frames(times, (leaders or list(recordings))[0], slack, str(request.rig))
    near = np.ones(len(matched.largest_gaps), bool)
    for name, recording in recordings.items():
        color, depth = _image_times(recording, matched.images[name])
        near &= _near(matched.gaps[name], f"colour image of {recording.path}", request)
        near &= _near(depth - color, f"depth image of {recording.path}", request)
    if not near.any():
        raise ValueError(
            f"--largest-gap-ms: expected frames of which all devices have images within {request.largest_gap_ms:g} ms, "
            f"found none among {len(near)}"
        )
    common = np.flatnonzero(near)
    frames = parse_frames(request.frames, len(common))
    return matched.chosen(common[frames]), int((~near).sum())


def _near(gaps: Int64[np.ndarray, "frames"], what: str, request: Request) -> Bool[np.ndarray, "frames"]:
    """Which gaps are small enough; a ValueError says that none is."""
    near = np.abs(gaps) <= 1000 * request.largest_gap_ms
    if not near.any():
        raise ValueError(
            f"--largest-gap-ms: expected a {what} within {request.largest_gap_ms:g} ms of a frame, "
            f"found none: the nearest is {np.abs(gaps).min() / 1000:.1f} ms away"
        )
    return near


def _image_times(
    recording: Recording, images: Int64[np.ndarray, "frames"]
) -> tuple[Int64[np.ndarray, "frames"], Int64[np.ndarray, "frames"]]:
    """When colour images were taken, and the depth images nearest to them."""
    color = recording.color_times[images]
    return color, recording.depth_times[nearest_times(recording.depth_times, color)]


def _cameras(recordings: dict[str, Recording], rig: dict[str, RigDevice], request: Request) -> dict[str, Camera]:
    cameras = {
        name: replace(undistorted_view(of.calibration.color, str(of.path)), pose=rig[name].camera_to_world[:3])
        for name, of in recordings.items()
    }
    if not request.crop or request.box is None:
        return cameras
    windows = box_windows(cameras, request.box)
    return {name: camera.cropped(windows[name]) for name, camera in cameras.items()}
