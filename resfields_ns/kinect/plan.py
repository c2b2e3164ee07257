"""Which images of recordings make up the frames of a capture, and how its cameras see."""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Int64
from rich.console import Console
from rich.progress import track

from resfields_ns.data.box_view import box_windows
from resfields_ns.data.rgbd_camera import RGBDCamera
from resfields_ns.data.time_stamps import MatchedFrames, match_frames, nearest_times
from resfields_ns.frames import parse_frames
from resfields_ns.kinect.lens import undistorted_view
from resfields_ns.kinect.recording import Recording
from resfields_ns.kinect.request import Request
from resfields_ns.kinect.rig import RigCamera, read_rig


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
    camera: RGBDCamera
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
    rig = read_rig(request.rig, list(request.recordings))
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


def _match(recordings: dict[str, Recording], rig: dict[str, RigCamera], request: Request) -> tuple[MatchedFrames, int]:
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


def _cameras(recordings: dict[str, Recording], rig: dict[str, RigCamera], request: Request) -> dict[str, RGBDCamera]:
    cameras = {
        name: RGBDCamera(undistorted_view(of.calibration.color, str(of.path)), rig[name].camera_to_world)
        for name, of in recordings.items()
    }
    if not request.crop or request.box is None:
        return cameras
    windows = box_windows(cameras, request.box)
    return {
        name: replace(camera, intrinsics=camera.intrinsics.cropped(windows[name])) for name, camera in cameras.items()
    }
