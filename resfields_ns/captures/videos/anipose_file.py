"""Calibrations as anipose writes them, and FreeMoCap, Pose2Sim and caliscope with it: TOML with a table a camera.

    [cam_0]
    name = "left"
    size = [1280, 720]      of the pictures that it was made with; those of the video without
    matrix                  3x3
    distortions             k1 k2 p1 p2 [k3 [k4 k5 k6]]; none without
    rotation, translation   world to camera; a rotation is a vector or a matrix
    fisheye = false

A camera is called by its name, else as its table. Caliscope's `camera_array.toml` has tables [cameras.0], of videos
`cam_0` (`port_0` in earlier versions), and Pose2Sim calls one `int_cam01_img` after the folder of its pictures of a
board. OpenCV counts pixels from the centre of the first one.
"""

from pathlib import Path
from typing import Any

import tomli

from resfields_ns.captures.camera import Camera
from resfields_ns.captures.json_file import read_array
from resfields_ns.captures.untrusted import blamed, read_bytes
from resfields_ns.captures.videos.calibration import Calibration, Sizes, named_as
from resfields_ns.captures.videos.opencv_files import OpenCVKeys, read_opencv_camera

_KEYS = OpenCVKeys("matrix", "distortions", "rotation", "translation")


def knows_anipose_file(path: Path) -> bool:
    """Whether a TOML file has tables of cameras."""
    return path.suffix == ".toml" and bool(_tables(_read(path)))


def read_anipose_file(path: Path, sizes: Sizes) -> Calibration:
    """Read the cameras of videos."""
    tables = _tables(_read(path))
    names: dict[str, str] = {}
    for table, record in tables.items():
        name = str(record.get("name", _names(table)[0]))
        if name in names:
            raise ValueError(f"{path}: expected cameras of different names, found {name!r} twice")
        names[name] = table
    others = {other: name for name, table in names.items() for other in _names(table) if other not in names}
    chosen = {video: named_as(others.get(video, video), names, str(path)) for video in sizes}
    for table in chosen.values():
        if len(videos := [video for video in chosen if chosen[video] == table]) > 1:
            raise ValueError(f"{path}: expected a camera for each video, found [{table}] for {' and '.join(videos)}")
    return Calibration(
        cameras={video: _camera(tables[table], sizes[video], f"{path}: [{table}]") for video, table in chosen.items()}
    )


def _read(path: Path) -> dict[str, Any]:
    content = read_bytes(path, "a TOML file")
    with blamed(path, "TOML"):
        return tomli.loads(content.decode())


def _tables(content: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Those of cameras."""
    nested = content.get("cameras")
    tables = content | ({f"cameras.{key}": value for key, value in nested.items()} if isinstance(nested, dict) else {})
    return {key: table for key, table in tables.items() if isinstance(table, dict) and _KEYS.matrix in table}


def _names(table: str) -> list[str]:
    """What the video of a table may be called."""
    number = table.removeprefix("cameras.")
    if number != table:
        return [f"cam_{number}", f"port_{number}", number]
    return [table, table.removeprefix("int_").removesuffix("_img")]


def _camera(record: dict[str, Any], video_size: tuple[int, int], name: str) -> Camera:
    if record.get("fisheye"):
        raise ValueError(f"{name}: expected a lens without fisheye, found fisheye = true: undistort the video first")
    size = video_size
    if "size" in record:
        width, height = read_array(record, "size", (2,), name)
        size = (round(width), round(height))
        if min(size) < 1:
            raise ValueError(f"{name}: size: expected a width and a height of at least 1, found {width:g}, {height:g}")
    return read_opencv_camera(record, _KEYS, size, name)
