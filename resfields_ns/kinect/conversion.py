"""Recordings of several devices into one capture that the `kinect-rgbd` dataparser reads.

Until it is whole, the capture stands beside its place under a name that ends in `.partial`. Every image appears there
whole or not at all, so that a second run goes on where a first one was stopped.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from rich.console import Console
from rich.progress import track

from resfields_ns.data.json_file import read_json
from resfields_ns.data.rgbd_camera import CAMERA_FILE, write_rgbd_camera
from resfields_ns.data.time_stamps import TIME_STAMPS_FILE, write_time_stamps
from resfields_ns.kinect.foreground import mask_box
from resfields_ns.kinect.lens import Undistortion
from resfields_ns.kinect.plan import CameraPlan, Plan, make_plan
from resfields_ns.kinect.registration import DepthRegistration
from resfields_ns.kinect.request import Request

_REQUEST_FILE = "conversion.json"
_UNFINISHED = "unfinished"


def convert_recordings(out: Path, request: Request, show_progress: bool = False) -> Plan:
    """Write the capture, going on with what an earlier run of the same request left; return what was done.

    `out` appears once it is whole. Raises ValueError if it is in use, or something is wrong with the recordings.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ValueError(f"{out}: expected a folder that is new or empty, found one that is in use")
    plan = make_plan(request, show_progress)
    partial = _open_partial(out, request.as_json())
    if request.box is not None:
        (partial / "aabb.txt").write_text(f"{request.box.ravel().tolist()}\n", encoding="utf-8")
    console = Console(stderr=True)
    for name, camera_plan in plan.cameras.items():
        _write_camera(partial / name, camera_plan, request)
        images = _write_images(partial / name, camera_plan, request)
        total = 2 * len(camera_plan.stamps)
        for _ in track(images, f"Converting {name}", total=total, console=console, disable=not show_progress):
            pass
    if out.exists():
        out.rmdir()
    partial.rename(out)
    return plan


def _open_partial(out: Path, request: dict[str, Any]) -> Path:
    """The folder to write to, new or left by a run of the same request."""
    partial = out.with_name(out.name + ".partial")
    path = partial / _REQUEST_FILE
    if not path.is_file():
        if partial.exists() and any(entry.name != _UNFINISHED for entry in partial.iterdir()):
            raise ValueError(f"{partial}: expected no such folder, found one that this command did not make")
        partial.mkdir(parents=True, exist_ok=True)
        _replace(path, (json.dumps(request, indent=2) + "\n").encode())
    elif read_json(path) != json.loads(json.dumps(request)):
        raise ValueError(
            f"{partial}: expected the rest of a run with the same recordings and options, found another's "
            f"({_REQUEST_FILE}): delete it, or choose another folder"
        )
    return partial


def _write_camera(folder: Path, plan: CameraPlan, request: Request) -> None:
    for kind in ("rgb", "depth", "mask") if request.masks else ("rgb", "depth"):
        (folder / kind).mkdir(parents=True, exist_ok=True)
    write_rgbd_camera(folder / CAMERA_FILE, plan.camera)
    stamps = {_frame_name(frame): int(stamp) for frame, stamp in enumerate(plan.stamps)}
    write_time_stamps(folder / TIME_STAMPS_FILE, stamps)


def _write_images(folder: Path, plan: CameraPlan, request: Request) -> Iterator[None]:
    """Write the images that an earlier run did not, yielding after each, and for each that it did."""
    frames = range(len(plan.stamps))
    color = {frame for frame in frames if not _image_path(folder, "rgb", frame).exists()}
    last_kind = "mask" if request.masks else "depth"
    depth = {frame for frame in frames if not _image_path(folder, last_kind, frame).exists()}
    yield from [None] * (2 * len(frames) - len(color) - len(depth))
    if not color and not depth:
        return
    calibration, view = plan.recording.calibration, plan.camera.intrinsics
    undistort = Undistortion.between(calibration.color, view)
    register = DepthRegistration(calibration, view)
    color_times = {int(plan.color_times[frame]) for frame in color}
    depth_times = {int(plan.depth_times[frame]) for frame in depth}
    for kind, time, image in plan.recording.images(color_times, depth_times):
        if kind == "COLOR":
            undistorted = undistort(image)
            for frame in np.flatnonzero(plan.color_times == time).tolist():
                _write_image(_image_path(folder, "rgb", frame), undistorted[..., ::-1])
                yield
        else:
            registered = register(image)
            for frame in np.flatnonzero(plan.depth_times == time).tolist():
                _write_image(_image_path(folder, "depth", frame), registered)
                if request.masks and request.box is not None:
                    foreground = mask_box(registered, plan.camera, request.box)
                    _write_image(_image_path(folder, "mask", frame), foreground.astype(np.uint8) * 255)
                yield


def _image_path(folder: Path, kind: str, frame: int) -> Path:
    return folder / kind / f"{_frame_name(frame)}.png"


def _frame_name(frame: int) -> str:
    return f"{frame:06d}"


def _write_image(path: Path, image: np.ndarray) -> None:
    _replace(path, cv2.imencode(".png", image)[1].tobytes())


def _replace(path: Path, content: bytes) -> None:
    """Write a file that appears whole; one that a stopped run left half written is overwritten by the next."""
    unfinished = path.with_name(_UNFINISHED)
    unfinished.write_bytes(content)
    unfinished.replace(path)
