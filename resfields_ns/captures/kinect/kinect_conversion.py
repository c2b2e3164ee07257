"""Recordings of several devices into one capture that the `kinect-rgbd` dataparser reads."""

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Bool, Float64, UInt16
from rich.console import Console
from rich.progress import track

from resfields_ns.captures.camera import Camera
from resfields_ns.captures.camera_files import CAMERA_FILE, write_camera_json
from resfields_ns.captures.capture_writer import check_unused, unfinished_capture
from resfields_ns.captures.kinect.plan import CameraPlan, Plan, Request, make_plan
from resfields_ns.captures.kinect.registration import DepthRegistration
from resfields_ns.captures.lens import Undistortion
from resfields_ns.captures.sequence import MILLIMETRE
from resfields_ns.captures.time_stamps import TIME_STAMPS_FILE, write_time_stamps
from resfields_ns.files import write_aside

_CLOSED_HOLES = np.ones((5, 5), np.uint8)  # pixels; readings are missing in specks


def mask_box(
    depth: UInt16[np.ndarray, "height width"], camera: Camera, box: Float64[np.ndarray, "2 3"]
) -> Bool[np.ndarray, "height width"]:
    """The pixels whose depth lies in the box (metres), with small holes closed."""
    points = camera.points(depth, MILLIMETRE)
    inside = (depth > 0) & (points >= box[0]).all(axis=-1) & (points <= box[1]).all(axis=-1)
    return cv2.morphologyEx(inside.astype(np.uint8), cv2.MORPH_CLOSE, _CLOSED_HOLES).astype(bool)


def convert_recordings(out: Path, request: Request, show_progress: bool = False) -> Plan:
    """Write the capture, going on with what an earlier run of the same request left; return what was done.

    `out` appears once it is whole. Raises ValueError if it is in use, or something is wrong with the recordings.
    """
    check_unused(out)
    plan = make_plan(request, show_progress)
    console = Console(stderr=True)
    with unfinished_capture(out, request.as_json()) as capture:
        if request.box is not None:
            (capture / "aabb.txt").write_text(f"{request.box.ravel().tolist()}\n", encoding="utf-8")
        for name, camera_plan in plan.cameras.items():
            _write_camera(capture / name, camera_plan, request)
            images = _write_images(capture / name, camera_plan, request)
            total = 2 * len(camera_plan.stamps)
            for _ in track(images, f"Converting {name}", total=total, console=console, disable=not show_progress):
                pass
    return plan


def _write_camera(folder: Path, plan: CameraPlan, request: Request) -> None:
    for kind in ("rgb", "depth", "mask") if request.masks else ("rgb", "depth"):
        (folder / kind).mkdir(parents=True, exist_ok=True)
    write_camera_json(folder / CAMERA_FILE, plan.camera)
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
    calibration, view = plan.recording.calibration, plan.camera
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
    with write_aside(path) as file:
        file.write_bytes(cv2.imencode(".png", image)[1].tobytes())
