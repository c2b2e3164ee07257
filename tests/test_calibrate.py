"""`rf-calibrate`: cameras of a made scene are found again, by whatever board and however it is seen."""

import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from resfields_ns.captures.boards.board import Board
from resfields_ns.captures.boards.board_calibration import CalibratedCamera, calibrate_cameras
from resfields_ns.captures.boards.board_detection import Sighting
from resfields_ns.captures.boards.board_report import write_opencv_files, write_rig
from resfields_ns.captures.boards.board_sources import PictureSource, Views
from resfields_ns.captures.camera import Camera
from resfields_ns.captures.kinect.plan import read_device_rig
from resfields_ns.captures.kinect.recording import Recording
from resfields_ns.captures.video_file import Video
from resfields_ns.captures.videos.calibration import read_calibration
from resfields_ns.commands import calibrate as command
from tests.board_scene import (
    BOARD,
    CHECKERBOARD,
    BoardDevice,
    carried,
    make_cameras,
    pose_of,
    swung,
    take_picture,
    write_pictures,
)
from tests.small_captures import write_video

OPTIONS = ["--squares", "7", "5", "--square-mm", "120", "--marker-mm", "72", "--dictionary", "DICT_4X4_50"]
_NUM_STAMPS = 30
CHECKERBOARD_OPTIONS = ["--pattern", "checkerboard", "--squares", "6", "5", "--square-mm", "100"]


@pytest.fixture
def rf_calibrate(monkeypatch: pytest.MonkeyPatch):  # noqa: ANN201
    """Run rf-calibrate with arguments."""

    def run(*arguments: str | Path) -> None:
        monkeypatch.setattr(sys, "argv", ["rf-calibrate", *map(str, arguments)])
        command.entrypoint()

    return run


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four cameras that see the board carried about."""
    return write_pictures(tmp_path_factory.mktemp("boards") / "pictures", make_cameras())


def _read(folder: Path, cameras: dict[str, Camera]) -> dict[str, Camera]:
    """As `rf-videos --calibration` does."""
    return read_calibration(folder, {name: Video(Path(name), of.size, 1, 30.0) for name, of in cameras.items()}).cameras


def _write_optics(folder: Path, cameras: dict[str, Camera]) -> Path:
    folder.mkdir()
    nothing = np.zeros((1, 2))
    found = {name: CalibratedCamera(camera, True, None, 1, nothing, nothing) for name, camera in cameras.items()}
    write_opencv_files(folder, found, with_poses=False)
    return folder


def _matrix(camera: Camera) -> np.ndarray:
    return np.vstack([camera.pose, [0.0, 0.0, 0.0, 1.0]])


def _check_poses(
    found: dict[str, Camera], true: dict[str, Camera], world: np.ndarray, metres: float = 1e-3, degrees: float = 0.05
) -> None:
    """Poses in a world, to which `world` takes the scene's own."""
    for name, camera in true.items():
        expected = world @ _matrix(camera)
        turned = cv2.Rodrigues(found[name].pose[:, :3].T @ expected[:3, :3])[0]
        assert np.linalg.norm(found[name].centre - expected[:3, 3]) < metres, name
        assert np.degrees(np.linalg.norm(turned)) < degrees, name


def _in_first(cameras: dict[str, Camera]) -> np.ndarray:
    """The scene's world to the first camera's axes."""
    return np.linalg.inv(_matrix(cameras["cam0"]))


def test_cameras_of_a_made_scene(pictures: Path, tmp_path: Path, rf_calibrate, capsys) -> None:  # noqa: ANN001
    cameras = make_cameras()
    rf_calibrate("cameras", pictures, tmp_path / "out", *OPTIONS)
    found = _read(tmp_path / "out", cameras)
    _check_poses(found, cameras, _in_first(cameras))
    for name, camera in cameras.items():
        assert abs(found[name].fx / camera.fx - 1.0) < 1e-3
        np.testing.assert_allclose([found[name].cx, found[name].cy], [camera.cx, camera.cy], atol=0.6)
    picture = Image.open(tmp_path / "out" / "residuals.png")
    assert picture.width > 500 and len(np.unique(np.array(picture))) > 20
    assert "All: " in capsys.readouterr().out
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [f"cam{i}.yml" for i in range(4)] + [
        "residuals.png"
    ]


def test_the_board_on_the_floor_is_the_world(pictures: Path, tmp_path: Path, rf_calibrate) -> None:  # noqa: ANN001
    cameras = make_cameras()
    optics = _write_optics(tmp_path / "optics", cameras)
    rf_calibrate("cameras", pictures, tmp_path / "out", *OPTIONS, "--intrinsics", optics, "--floor", "cam1", "003")
    upright = np.diag([1.0, -1.0, -1.0, 1.0]) @ pose_of(np.zeros(3), -BOARD.middle)
    found = _read(tmp_path / "out", cameras)
    _check_poses(found, cameras, upright @ np.linalg.inv(carried(3)))
    assert all(camera.centre[2] > 0.5 for camera in found.values())  # above the floor, for they see its upper side
    for name, camera in cameras.items():
        np.testing.assert_allclose(found[name].matrix, camera.matrix, atol=1e-9)
        np.testing.assert_allclose(found[name].lens.opencv, camera.lens.opencv, atol=1e-12)


@pytest.mark.parametrize("inverted", [False, True])
def test_boards_printed_inverted_and_seen_from_behind(
    inverted: bool,
    tmp_path: Path,
    rf_calibrate,  # noqa: ANN001
) -> None:
    cameras = make_cameras((-20.0, 15.0, 165.0, 205.0))
    write_pictures(tmp_path / "pictures", cameras, inverted=inverted, moments=8)
    optics = _write_optics(tmp_path / "optics", cameras)
    rf_calibrate("cameras", tmp_path / "pictures", tmp_path / "out", *OPTIONS, "--intrinsics", optics)
    _check_poses(_read(tmp_path / "out", cameras), cameras, _in_first(cameras))


@pytest.mark.parametrize("inverted", [False, True])
def test_a_checkerboard(inverted: bool, tmp_path: Path, rf_calibrate) -> None:  # noqa: ANN001
    cameras = make_cameras()
    write_pictures(tmp_path / "pictures", cameras, CHECKERBOARD, inverted, moments=5)
    optics = _write_optics(tmp_path / "optics", cameras)
    rf_calibrate("cameras", tmp_path / "pictures", tmp_path / "out", *CHECKERBOARD_OPTIONS, "--intrinsics", optics)
    _check_poses(_read(tmp_path / "out", cameras), cameras, _in_first(cameras))


def test_intrinsics_of_one_camera(pictures: Path, tmp_path: Path, rf_calibrate) -> None:  # noqa: ANN001
    """A folder of pictures is a camera; what is written is read by --intrinsics, and is no calibration with poses."""
    rf_calibrate("intrinsics", pictures / "cam1", tmp_path / "optics", *OPTIONS)
    text = (tmp_path / "optics" / "cam1.yml").read_text()
    assert "camera_matrix" in text and "R:" not in text
    (expected,) = (camera for name, camera in make_cameras().items() if name == "cam1")
    storage = cv2.FileStorage(str(tmp_path / "optics" / "cam1.yml"), cv2.FILE_STORAGE_READ)
    assert storage.getNode("camera_matrix").mat()[0, 0] == pytest.approx(expected.fx, rel=2e-3)
    with pytest.raises(ValueError, match="expected the key 'tvec'|expected the key 'R'"):
        _read(tmp_path / "optics", {"cam1": expected})


def _synthetic(clocks: dict[str, float], rate: float, board: Board = BOARD) -> dict[str, Views]:
    """Sightings by formulas of a board that swings, by cameras whose stamps are off by their clocks."""

    class Source(PictureSource):
        @property
        def size(self) -> tuple[int, int]:
            return 480, 360

        def pictures(self, chosen: list[int]):  # noqa: ANN202
            raise NotImplementedError

    views = {}
    for index, (name, camera) in enumerate(make_cameras().items()):
        stamps = np.arange(_NUM_STAMPS) / rate + 0.004 * index  # seconds, on the camera's own clock
        sightings = {}
        for number, stamp in enumerate(stamps):
            points = board.corners @ (pose := swung(stamp + clocks[name]))[:3, :3].T + pose[:3, 3]
            sightings[number] = Sighting(np.arange(len(points)), camera.pixels_of(camera.to_camera(points)) - 0.5)
        times = np.round(1e6 * stamps).astype(np.int64)
        views[name] = Views(
            Source(Path(name), list(map(str, range(_NUM_STAMPS))), times, camera), _NUM_STAMPS, sightings
        )
    return views


def test_clocks_are_found_with_the_poses(tmp_path: Path) -> None:
    cameras = make_cameras()
    clocks = {"cam0": 0.0, "cam1": 0.035, "cam2": -0.02, "cam3": 0.01}
    views = _synthetic(clocks, rate=15.0)
    found = calibrate_cameras(views, BOARD)
    _check_poses({name: of.camera for name, of in found.items()}, cameras, _in_first(cameras))
    for name, clock in clocks.items():
        assert found[name].clock == pytest.approx(clock, abs=1e-3)
    write_rig(tmp_path / "rig.json", found, dict.fromkeys(found, 500_000))
    rig = read_device_rig(tmp_path / "rig.json", list(found))
    for name, clock in clocks.items():
        assert rig[name].time_offset == pytest.approx(500_000 + 1e6 * clock, abs=1000)
    wrong = calibrate_cameras(views, BOARD, one_clock=True)
    assert wrong["cam1"].rms > 5.0 * found["cam1"].rms and wrong["cam1"].clock is None


def test_a_board_at_rest_tells_no_clock() -> None:
    views = _synthetic(dict.fromkeys(make_cameras(), 0.0), rate=15.0)
    still = {name: replace(of, sightings=dict.fromkeys(range(20), of.sightings[7])) for name, of in views.items()}
    found = calibrate_cameras(still, BOARD)
    assert all(abs(of.clock or 0.0) < 1e-3 for of in found.values())


def test_false_sightings_are_left_out() -> None:
    cameras = make_cameras()
    views = _synthetic(dict.fromkeys(cameras, 0.0), rate=15.0)
    turned = views["cam2"].sightings[15]
    views["cam2"].sightings[15] = replace(turned, pixels=turned.pixels[::-1].copy())
    found = calibrate_cameras(views, BOARD)
    assert found["cam2"].num_views == _NUM_STAMPS - 1 and found["cam1"].num_views == _NUM_STAMPS
    _check_poses({name: of.camera for name, of in found.items()}, cameras, _in_first(cameras))


def test_videos_are_matched_by_their_times(tmp_path: Path, rf_calibrate, capsys) -> None:  # noqa: ANN001
    """Two cameras, of which one lost frames; stamps kept beside the videos count."""
    cameras = {name: camera for name, camera in make_cameras().items() if name in ("cam0", "cam1")}
    (tmp_path / "videos").mkdir()
    kept = {"cam0": list(range(24)), "cam1": [frame for frame in range(24) if frame not in (3, 4, 11)]}
    rows = ["sync_index,cam_id,frame_time"]
    for name, camera in cameras.items():
        times = [frame / 10.0 for frame in kept[name]]
        shown = [np.repeat(take_picture(camera, swung(time))[..., None], 3, axis=-1) for time in times]
        write_video(tmp_path / "videos" / f"{name}.mp4", shown, rate=10)
        rows += [f"{frame},{name[-1]},{time}" for frame, time in zip(kept[name], times, strict=True)]
    (tmp_path / "videos" / "timestamps.csv").write_text("\n".join(rows))
    optics = _write_optics(tmp_path / "optics", cameras)
    rf_calibrate("cameras", tmp_path / "videos", tmp_path / "out", *OPTIONS, "--intrinsics", optics)
    _check_poses(_read(tmp_path / "out", cameras), cameras, _in_first(cameras))
    assert "its clock" in capsys.readouterr().out


def test_offsets_say_where_videos_start(tmp_path: Path, rf_calibrate) -> None:  # noqa: ANN001
    cameras = {name: camera for name, camera in make_cameras().items() if name in ("cam0", "cam1")}
    (tmp_path / "videos").mkdir()
    for name, first in (("cam0", 0), ("cam1", 3)):
        shown = [take_picture(cameras[name], swung((first + frame) / 10.0)) for frame in range(12)]
        write_video(
            tmp_path / "videos" / f"{name}.mp4", [np.repeat(of[..., None], 3, axis=-1) for of in shown], rate=10
        )
    (tmp_path / "offsets.json").write_text('{"cam0": {"frames": 3}}')
    optics = _write_optics(tmp_path / "optics", cameras)
    options = [*OPTIONS, "--intrinsics", optics, "--offsets", tmp_path / "offsets.json"]
    rf_calibrate("cameras", tmp_path / "videos", tmp_path / "out", *options)
    _check_poses(_read(tmp_path / "out", cameras), cameras, _in_first(cameras))


def test_devices_keep_the_factorys_intrinsics(tmp_path: Path, rf_calibrate) -> None:  # noqa: ANN001
    devices = {
        "left": BoardDevice(-20.0, num_frames=5, sync_mode="MASTER"),
        "right": BoardDevice(15.0, shift=160, color_format="MJPG", num_frames=5),
    }
    for name, device in devices.items():
        device.write(tmp_path / f"{name}.mkv")
    paths = [tmp_path / f"{name}.mkv" for name in devices]
    rf_calibrate("devices", tmp_path / "out", "--recordings", *paths, *OPTIONS)
    rig = read_device_rig(tmp_path / "out" / "rig.json", list(devices))
    assert [device.time_offset for device in rig.values()] == [0, 0]
    expected = np.linalg.inv(devices["left"].pose) @ devices["right"].pose
    assert np.linalg.norm(rig["right"].camera_to_world[:3, 3] - expected[:3, 3]) < 1e-3
    turned = cv2.Rodrigues(rig["right"].camera_to_world[:3, :3].T @ expected[:3, :3])[0]
    assert np.degrees(np.linalg.norm(turned)) < 0.05
    assert Recording.open(paths[0]).calibration.color.fx == pytest.approx(0.4732 * 1280)
