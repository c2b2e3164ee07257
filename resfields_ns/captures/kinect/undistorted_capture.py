"""A capture whose images are distorted, written again without distortion."""

import shutil
from pathlib import Path

import numpy as np

from resfields_ns.captures.camera_files import CAMERA_FILE, read_camera_json, write_camera_json
from resfields_ns.captures.capture_writer import write_png
from resfields_ns.captures.image_files import (
    check_size,
    list_depths,
    list_frames,
    read_depth,
    read_mask,
    read_picture,
)
from resfields_ns.captures.lens import Undistortion, undistorted_view
from resfields_ns.captures.time_stamps import TIME_STAMPS_FILE
from resfields_ns.files import list_folder, write_aside

_KINDS = ("rgb", "depth", "mask")


def undistort_capture(source: Path, out: Path) -> None:
    """Write the capture in the folder `source` to `out`, which appears whole; depth and masks are not interpolated.

    Raises ValueError if `source` has no cameras, `out` is in use, or a file is not what it should be.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ValueError(f"{out}: expected a folder that is new or empty, found one that is in use")
    cameras = [path for folder in list_folder(source) if (path := folder / CAMERA_FILE).is_file()]
    if not cameras:
        raise ValueError(f"{source}: expected folders of cameras with a {CAMERA_FILE}, found none")
    with write_aside(out) as partial:
        for path in cameras:
            _undistort_camera(path, partial / path.parent.name)
        if (source / "aabb.txt").is_file():
            shutil.copy(source / "aabb.txt", partial)


def _undistort_camera(path: Path, out: Path) -> None:
    camera = read_camera_json(path)
    view = undistorted_view(camera, str(path))
    undistort = Undistortion.between(camera, view)
    out.mkdir(parents=True)
    write_camera_json(out / CAMERA_FILE, view)
    if not (path.parent / TIME_STAMPS_FILE).is_file():
        raise ValueError(f"{path.parent / TIME_STAMPS_FILE}: expected the times of the images, found no such file")
    shutil.copy(path.parent / TIME_STAMPS_FILE, out)
    for folder in (path.parent / kind for kind in _KINDS if (path.parent / kind).is_dir()):
        (out / folder.name).mkdir()
        files = list_depths(folder) if folder.name == "depth" else list_frames(folder)
        for name, file in files.items():
            image = _read(file)
            check_size(file, (image.shape[1], image.shape[0]), (view.width, view.height), CAMERA_FILE)
            undistorted = undistort(image) if folder.name == "rgb" else undistort.nearest(image)
            if undistorted.dtype.kind == "f":
                np.save(out / folder.name / f"{name}.npy", undistorted)
            else:
                write_png(out / folder.name / f"{name}.png", undistorted)


def _read(path: Path) -> np.ndarray:
    read = {"rgb": read_picture, "depth": read_depth, "mask": read_mask}[path.parent.name]
    try:
        return read(path)
    except OSError as error:
        raise ValueError(f"{path}: expected an image, found a file that cannot be read ({error})") from None
