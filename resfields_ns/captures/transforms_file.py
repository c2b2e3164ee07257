"""Cameras of `transforms.json`, as nerfstudio, instant-ngp and D-NeRF write it.

    camera_model                         one without fisheye; OPENCV where it is not told
    w, h                                 of the pictures that it was made with; those of the pictures without
    fl_x or camera_angle_x               focal length in pixels, or the angle that the width sees
    fl_y or camera_angle_y               likewise; fl_x without either
    cx, cy                               principal point; the middle without
    k1, k2, k3, p1, p2                   distortion (k4 to k6 of FULL_OPENCV), or distortion_params k1 k2 k3 k4 p1 p2
    frames
        file_path, transform_matrix      OpenGL camera-to-world
        and any of the above             which then counts before that of the file

Pixels have their centres at +0.5.
"""

from math import pi, tan
from pathlib import Path
from typing import Any

from resfields_ns.captures.camera import Camera, Lens, check_rotation
from resfields_ns.captures.json_file import read_array, read_list, read_number
from resfields_ns.captures.poses import OPENGL_FROM_OPENCV

_RATIONAL = "FULL_OPENCV"
_MODELS = ("SIMPLE_PINHOLE", "PINHOLE", "SIMPLE_RADIAL", "RADIAL", "OPENCV", _RATIONAL)
_PARAMS, _PARAMS_ORDER = "distortion_params", ("k1", "k2", "k3", "k4", "p1", "p2")
_COEFFICIENTS = ("k1", "k2", "k3", "k4", "k5", "k6", "p1", "p2")
_INTRINSICS = {
    *("camera_model", "is_fisheye", "w", "h", "fl_x", "fl_y", "camera_angle_x", "camera_angle_y", "cx", "cy"),
    *(_PARAMS, *_COEFFICIENTS),
}


def read_frames(content: dict[str, Any], path: Path) -> list[Any]:
    """The frames, one at least."""
    frames = read_list(content, "frames", str(path))
    if not frames:
        raise ValueError(f"{path}: frames: expected one or more, found none")
    return frames


def read_frame_camera(content: dict[str, Any], index: int, size: tuple[int, int], path: Path) -> Camera:
    """Read the camera of a frame, in the file's space, for pictures of the size that the file tells.

    Args:
        content: of the file
        size: (width, height) of the frame's picture, where the file tells none
        path: of the file, for errors
    """
    frame, name = content["frames"][index], f"{path}: frame {index}"
    matrix = read_array(frame, "transform_matrix", (4, 4), name)
    check_rotation(matrix[:3, :3], f"{name}: transform_matrix")
    own = {key: frame[key] for key in frame.keys() & _INTRINSICS}
    record, name = {**content, **own}, name if own else str(path)
    _check_model(record, name)
    width, height = (_positive(record, key, name) if key in record else float(size[i]) for i, key in enumerate("wh"))
    fx = _focal_length(record, "x", width, name)
    camera = Camera(
        width=round(width),
        height=round(height),
        fx=fx,
        fy=_focal_length(record, "y", height, name) if record.keys() & {"fl_y", "camera_angle_y"} else fx,
        cx=read_number(record, "cx", name) if "cx" in record else width / 2,
        cy=read_number(record, "cy", name) if "cy" in record else height / 2,
        lens=_lens(record, name),
        pose=matrix[:3] * OPENGL_FROM_OPENCV,
    )
    return camera.check(name)


def _check_model(record: dict[str, Any], name: str) -> None:
    model = "is_fisheye" if record.get("is_fisheye") else record.get("camera_model", "OPENCV")
    if model not in _MODELS:
        raise ValueError(
            f"{name}: camera_model: expected one of {', '.join(_MODELS)}, found {model!r}: undistort the pictures first"
        )


def _focal_length(record: dict[str, Any], axis: str, length: float, name: str) -> float:
    if f"fl_{axis}" in record:
        return _positive(record, f"fl_{axis}", name)
    angle = read_number(record, f"camera_angle_{axis}", name)
    if not 0.0 < angle < pi:
        raise ValueError(f"{name}: camera_angle_{axis}: expected an angle above 0 and below pi, found {angle}")
    return 0.5 * length / tan(0.5 * angle)


def _lens(record: dict[str, Any], name: str) -> Lens:
    """The lens; k4 is the coefficient of r^8 but in FULL_OPENCV, and ours has none."""
    values = {key: read_number(record, key, name) for key in _COEFFICIENTS if key in record}
    if _PARAMS in record:
        values.update(
            zip(_PARAMS_ORDER, read_array(record, _PARAMS, (len(_PARAMS_ORDER),), name).tolist(), strict=True)
        )
    if _PARAMS in record or record.get("camera_model") != _RATIONAL:
        for key in ("k4", "k5", "k6"):
            if value := values.pop(key, 0.0):
                raise ValueError(f"{name}: {key}: expected 0, as a lens with k1, k2, k3, p1, p2 has, found {value:g}")
    return Lens(**values)


def _positive(record: dict[str, Any], key: str, name: str) -> float:
    value = read_number(record, key, name)
    if value <= 0.0:
        raise ValueError(f"{name}: {key}: expected a number above 0, found {value:g}")
    return value
