"""Calibrations of other tools: exact pixels whatever the format, and one line for what a format says and we cannot."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from resfields_ns.captures.videos.calibration import Calibration
from resfields_ns.captures.videos.calibration_formats import read_any_format
from tests.video_scene import (
    DISTORTION,
    FORMATS,
    NAMES,
    SIZE,
    Camera,
    make_cameras,
    points_at,
    toml_table,
    transforms_frame,
    write_anipose,
    write_caliscope,
    write_colmap_binary,
    write_colmap_text,
    write_easymocap,
    write_qualisys,
    write_transforms,
)

_WITHOUT_RATIONAL = np.where(np.arange(8) < 5, DISTORTION, 0.0)


def _read(path: Path, names: tuple[str, ...] = NAMES) -> Calibration:
    return read_any_format(path, dict.fromkeys(names, SIZE))


def _assert_right(calibration: Calibration, cameras: dict[str, Camera]) -> None:
    """Points lie on their pixels, at whatever size the calibration was made."""
    assert list(calibration.cameras) == list(cameras)
    for name, expected in cameras.items():
        pixels, seen = calibration.cameras[name].resized(SIZE).project(points_at(0))
        assert seen.all()
        np.testing.assert_allclose(pixels, expected.project(points_at(0)), atol=1e-5)


def _edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


@pytest.mark.parametrize("form", FORMATS)
def test_every_format(form: str, tmp_path: Path) -> None:
    cameras = make_cameras(DISTORTION)
    _assert_right(_read(FORMATS[form](tmp_path / "calibration", cameras)), cameras)


def test_qualisys(tmp_path: Path) -> None:
    """In metres, of a part of the sensor; what lies beside it in the folder does not matter."""
    cameras = make_cameras(_WITHOUT_RATIONAL)
    path = write_qualisys(tmp_path / "calibration", cameras)
    _assert_right(_read(path), cameras)
    (path.parent / "notes.txt").write_text("Tuesday")
    (path.parent / "._Calib.qca.txt").write_bytes(b"<calibration")
    _assert_right(_read(path.parent), cameras)
    path.write_text(re.sub(r' (skew|radialDistortion3)="[^"]*"', "", path.read_text()))
    without_k3 = make_cameras(np.where(np.arange(8) < 4, DISTORTION, 0.0))
    _assert_right(_read(path), without_k3)


def test_qualisys_of_pose2sims_example(tmp_path: Path) -> None:
    """A camera of its example, and where that lies: numbers of the package's file, published under BSD-3-Clause."""
    (tmp_path / "one.qca.txt").write_text(
        """<?xml version='1.0' encoding='ASCII'?>
        <calibration source="calibration_qca_rotated.qca.txt" type="regular"><cameras>
        <camera active="1" avg-residual="0.402000" model="none" serial="cam01" viewrotation="0">
        <fov_video bottom="1919" left="0" right="1087" top="0"/>
        <transform r11="0.5536380477336265" r12="0.8046719867383512" r13="0.2144479094331626"
          r21="-0.4345300743838753" r22="0.05946489349975602" r23="0.8986921279821063" r31="0.7104002579937896"
          r32="-0.5907342212870501" r33="0.3825762057979294" x="1460.2323709212087" y="-1909.1590482454608"
          z="1896.5058524092062"/>
        <intrinsic centerPointU="34110.316406" centerPointV="60680.792969" focalLengthU="107599.671875"
          focalLengthV="107588.828125" radialDistortion1="-0.046183" radialDistortion2="0.139983"
          radialDistortion3="0.000000" skew="0.000000" tangentalDistortion1="0.000608"
          tangentalDistortion2="0.00069"/></camera></cameras></calibration>"""
    )
    camera = read_any_format(tmp_path / "one.qca.txt", {"cam01": (1088, 1920)}).cameras["cam01"]
    assert camera.size == (1088, 1920)
    np.testing.assert_allclose(camera.centre, [1.4602, -1.9092, 1.8965], atol=1e-4)
    np.testing.assert_allclose(camera.opencv_matrix[:2, 2], [532.9737, 948.1374], atol=1e-4)
    assert camera.lens.opencv[:4] == pytest.approx([-0.046183, 0.139983, 0.000608, 0.00069])
    looks_at, _ = camera.project(np.array([[-0.5, 0.0, 0.9]]))
    assert (np.abs(looks_at - [544, 960]) < [150, 150]).all()
    higher, _ = camera.project(np.array([[-0.5, 0.0, 1.4]]))
    assert higher[0, 1] < looks_at[0, 1] - 100


@pytest.mark.parametrize("prefix", ["cam_", "port_", ""])
def test_caliscopes_own_file(prefix: str, tmp_path: Path) -> None:
    cameras = {f"cam_{index}": camera for index, camera in enumerate(make_cameras(DISTORTION).values())}
    folder = write_caliscope(tmp_path / "calibration", cameras)
    named = {f"{prefix}{index}": camera for index, camera in enumerate(cameras.values())}
    _assert_right(_read(folder, tuple(named)), named)
    with pytest.raises(
        ValueError, match=r"camera_array\.toml: expected a camera named as the video 'left', found cam_0, "
    ):
        _read(folder, ("left",))


def test_names_come_before_tables(tmp_path: Path) -> None:
    """anipose numbers its tables; the names are those of the videos."""
    first, second, _ = make_cameras(DISTORTION).values()
    (tmp_path / "c.toml").write_text(toml_table("cam_0", first, name="cam_1") + toml_table("cam_1", second, name="x"))
    _assert_right(_read(tmp_path / "c.toml", ("x", "cam_1")), {"x": second, "cam_1": first})
    _assert_right(_read(tmp_path / "c.toml", ("cam_0",)), {"cam_0": first})
    with pytest.raises(
        ValueError, match=r"c\.toml: expected a camera for each video, found \[cam_0\] for cam_0 and cam_1"
    ):
        _read(tmp_path / "c.toml", ("cam_0", "cam_1"))


@pytest.mark.parametrize("write", [write_colmap_text, write_colmap_binary])
def test_names_with_spaces(write: Callable[..., Path], tmp_path: Path) -> None:
    cameras = {f"cam {index}": camera for index, camera in enumerate(make_cameras(DISTORTION).values())}
    _assert_right(_read(write(tmp_path / "calibration", cameras), tuple(cameras)), cameras)


def test_colmap_images_without_observations(tmp_path: Path) -> None:
    cameras = make_cameras(DISTORTION)
    folder = write_colmap_text(tmp_path / "calibration", cameras)
    lines = (folder / "images.txt").read_text().splitlines()
    poses = [line for line in lines if line.endswith(".png")]
    (folder / "images.txt").write_text("# a comment\n\n" + "\n\n".join(poses) + "\n")
    _assert_right(_read(folder), cameras)
    (folder / "images.txt").write_text("\n".join(poses) + "\n")
    with pytest.raises(ValueError, match=r"images\.txt: .* \(after image 'cam0\.png' it has no line of observations\)"):
        _read(folder)


def test_transforms_that_share_their_intrinsics(tmp_path: Path) -> None:
    """The angle of D-NeRF counts where no focal length is told; the middle is the principal point."""
    cameras = make_cameras(np.zeros(8), simple=True)
    frames = [
        {"file_path": f"./{name}", "transform_matrix": transforms_frame(camera)["transform_matrix"]}
        for name, camera in cameras.items()
    ]
    angle = 2 * np.arctan(0.5 * SIZE[0] / 60.0)
    (tmp_path / "transforms.json").write_text(json.dumps({"camera_angle_x": angle, "frames": frames}))
    _assert_right(_read(tmp_path / "transforms.json"), cameras)
    content = {"fl_x": 60.0, "k1": 0.2, "distortion_params": [-0.1, 0.02, 0.005, 0.0, 0.01, -0.015], "frames": frames}
    (tmp_path / "transforms.json").write_text(json.dumps(content))
    bent = {name: Camera(**{**vars(camera), "distortion": _WITHOUT_RATIONAL}) for name, camera in cameras.items()}
    _assert_right(_read(tmp_path), bent)


_MISTAKES: dict[str, tuple[Callable[..., Path], Callable[[Path], object], str]] = {
    "EasyMocap: two rotations": (
        write_easymocap,
        lambda folder: _edit(
            folder / "extri.yml",
            "R_cam1: !!opencv-matrix",
            "R_x: !!opencv-matrix\n"
            "   rows: 1\n   cols: 1\n   dt: d\n   data: [ 1. ]\nR_cam1: [0.1, 0.2, 0.3]\nR_y: !!opencv-matrix",
        ),
        r"intri\.yml, extri\.yml: expected one rotation as Rot_cam1 and as R_cam1, found two",
    ),
    "EasyMocap: no camera of a video": (
        write_easymocap,
        lambda folder: _edit(folder / "intri.yml", "cam1", "cam9"),
        r"intri\.yml, extri\.yml: expected a camera named as the video 'cam1', found cam0, cam9, cam2",
    ),
    "EasyMocap: another encoding": (
        write_easymocap,
        lambda folder: (folder / "intri.yml").write_bytes(b'%YAML:1.0\n---\nnames: "\xff\xfe"\n'),
        r"intri\.yml: expected OpenCV's YAML, found a file that cannot be read",
    ),
    "anipose: a fisheye lens": (
        write_anipose,
        lambda path: _edit(path, "matrix", "fisheye = true\nmatrix"),
        r"calibration\.toml: \[cam_0\]: expected a lens without fisheye, found fisheye = true: undistort the video",
    ),
    "anipose: skew": (
        write_anipose,
        lambda path: _edit(path, "[[60.0, 0.0,", "[[60.0, 1.0,"),
        r"calibration\.toml: \[cam_0\]: matrix: expected fx, 0, cx, 0, fy, cy, 0, 0, 1",
    ),
    "anipose: not finite": (
        write_anipose,
        lambda path: _edit(path, "[0.0, 0.0, 1.7]", "[0.0, nan, 1.7]"),
        r"calibration\.toml: \[cam_0\]: translation: expected finite numbers, found nan",
    ),
    "anipose: no pose": (
        write_anipose,
        lambda path: _edit(path, "rotation", "turn"),
        r"calibration\.toml: \[cam_0\]: expected the key 'rotation', found",
    ),
    "anipose: a size of nothing": (
        write_anipose,
        lambda path: _edit(path, "size = [64.0, 48.0]", "size = [0, 48]"),
        r"calibration\.toml: \[cam_0\]: size: expected a width and a height of at least 1, found 0, 48",
    ),
    "anipose: two of a name": (
        write_anipose,
        lambda path: _edit(path, '"cam1"', '"cam2"'),
        r"calibration\.toml: expected cameras of different names, found 'cam2' twice",
    ),
    "anipose: no TOML": (
        write_anipose,
        lambda path: path.write_text("[cam_0"),
        r"calibration\.toml: expected TOML, found a file that cannot be read",
    ),
    "Qualisys: no rotation": (
        write_qualisys,
        lambda path: _edit(path, 'r11="', 'r11="2'),
        r"Calib\.qca\.txt: camera cam0: transform: expected a rotation, found",
    ),
    "Qualisys: skew": (
        write_qualisys,
        lambda path: _edit(path, 'skew="0.0"', 'skew="64.0"'),
        r"Calib\.qca\.txt: camera cam0: expected a camera without skew, found a skew of 1 pixels",
    ),
    "Qualisys: no number": (
        write_qualisys,
        lambda path: _edit(path, 'skew="0.0"', 'skew="none"'),
        r"Calib\.qca\.txt: camera cam0: intrinsic: skew: expected a number, found 'none'",
    ),
    "Qualisys: no window": (
        write_qualisys,
        lambda path: _edit(path, "fov_video", "fov_marker"),
        r"Calib\.qca\.txt: camera cam0: expected an element 'fov_video', found fov_marker, transform, intrinsic",
    ),
    "Qualisys: another serial": (
        write_qualisys,
        lambda path: _edit(path, 'serial="cam1"', 'serial="21999"'),
        r"Calib\.qca\.txt: expected a camera named as the video 'cam1', found cam0, 21999, cam2",
    ),
    "Qualisys: no XML": (
        write_qualisys,
        lambda path: _edit(path, "</cameras>", ""),
        r"Calib\.qca\.txt: expected XML, found a file that cannot be read",
    ),
    "nerfstudio: a fisheye lens": (
        write_transforms,
        lambda folder: _edit(folder / "transforms.json", "FULL_OPENCV", "OPENCV_FISHEYE"),
        r"transforms\.json: frame 0: camera_model: expected one of SIMPLE_PINHOLE, .*, found 'OPENCV_FISHEYE': undis",
    ),
    "nerfstudio: coefficients of another meaning": (
        write_transforms,
        lambda folder: _edit(folder / "transforms.json", "FULL_OPENCV", "OPENCV"),
        r"transforms\.json: frame 0: k4: expected 0, as a lens with k1, k2, k3, p1, p2 has, found 0\.3",
    ),
    "nerfstudio: a camera that moves": (
        write_transforms,
        lambda folder: _edit(folder / "transforms.json", "cam2/001.png", "cam0.png"),
        r"transforms\.json: frame 3: expected the camera 'cam0' fixed as in frame 0, found another",
    ),
    "nerfstudio: no camera of a video": (
        write_transforms,
        lambda folder: _edit(folder / "transforms.json", "cam1.png", "cam7.png"),
        r"transforms\.json: expected a frame of camera 'cam1', named as its video, found images/cam0\.png, images/cam2",
    ),
    "nothing there": (
        write_anipose,
        lambda path: path.unlink(),
        r"calibration\.toml: expected one calibration \(a folder with a YAML .* of OpenCV .* COLMAP, .* EasyMocap, "
        r".* Qualisys .* anipose, .* nerfstudio, .* LLFF\), found nothing there",
    ),
    "nothing known": (
        write_anipose,
        lambda path: path.write_text("[metadata]\nerror = 0.0\n"),
        r"calibration\.toml: expected one calibration \(.*\), found none of them",
    ),
    "two in a folder": (
        write_transforms,
        lambda folder: write_anipose(folder / "x", make_cameras(DISTORTION)).rename(folder / "calibration.toml"),
        r"expected one calibration \(.*\), found calibration\.toml \(a \.toml of .*\) and transforms\.json \(a transf",
    ),
}


@pytest.mark.parametrize("mistake", _MISTAKES)
def test_mistakes(mistake: str, tmp_path: Path) -> None:
    write, change, message = _MISTAKES[mistake]
    path = write(tmp_path / "calibration", make_cameras(DISTORTION))
    change(path)
    with pytest.raises(ValueError, match=message) as error:
        _read(path)
    assert "\n" not in str(error.value)
