"""Calibration boards: prints have their true size and are found again; what cannot be done is refused."""

import re
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from resfields_ns.captures.boards.adjustment import Observation, Optics, Scene, adjust
from resfields_ns.captures.boards.board import Board
from resfields_ns.captures.boards.board_calibration import calibrate_cameras, calibrate_optics
from resfields_ns.captures.boards.board_detection import BoardDetector, Sighting
from resfields_ns.captures.boards.board_page import PAPERS, draw_page
from resfields_ns.captures.boards.board_sources import FolderSource, Views
from resfields_ns.commands import calibrate as command
from tests.board_scene import BOARD, CHECKERBOARD, carried, make_cameras, take_picture

_DOTS_PER_MM = 600 / 25.4
_BOARDS = {
    "odd rows": Board("charuco", 8, 5, 0.03, 0.0225, "5x5_250"),
    "even rows": Board("charuco", 5, 6, 0.03, 0.02, "DICT_4X4_50"),
    "checkerboard": Board("checkerboard", 8, 5, 0.025, 0.01, ""),
}


@pytest.mark.parametrize("board", _BOARDS.values(), ids=list(_BOARDS))
def test_the_page_has_the_true_size_and_is_found(board: Board) -> None:
    page = draw_page(board, "a4")
    long, short = PAPERS["a4"]
    expected = (long, short) if board.columns > board.rows else (short, long)
    np.testing.assert_allclose(np.array(page.size) / _DOTS_PER_MM, expected, atol=0.05)
    scale = 0.2
    small = np.array(
        page.convert("L").resize((round(page.width * scale), round(page.height * scale)), Image.Resampling.BOX)
    )
    found = BoardDetector(board)(small)
    assert found is not None and found.corners.tolist() == list(range(len(board.corners)))
    metres = (found.pixels + 0.5) / scale / _DOTS_PER_MM / 1000.0
    offset = metres - board.corners[:, :2]
    np.testing.assert_allclose(offset, np.broadcast_to(offset.mean(axis=0), offset.shape), atol=1e-4)


def test_the_boards_picture_is_opencvs() -> None:
    for name in ("odd rows", "even rows"):
        board = _BOARDS[name]
        drawn = board.charuco().generateImage((board.columns * 48, board.rows * 48)) > 127
        assert (drawn == board.bits(48)).mean() > 0.99


@pytest.mark.parametrize("suffix", [".pdf", ".png"])
def test_board_command(suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / f"board{suffix}"
    options = f"board {out} --squares 8 5 --square-mm 40 --paper a3".split()
    monkeypatch.setattr(sys, "argv", ["rf-calibrate", *options])
    command.entrypoint()
    if suffix == ".png":
        with Image.open(out) as image:
            assert np.allclose(np.array(image.size) / np.array(image.info["dpi"]) * 25.4, PAPERS["a3"], atol=0.05)
    else:
        box = re.search(rb"/MediaBox \[ *0 0 ([\d.]+) ([\d.]+) *\]", out.read_bytes())
        assert box is not None
        assert np.allclose(np.array([float(side) for side in box.groups()]) / 72 * 25.4, PAPERS["a3"], atol=0.05)


def test_legacy_boards_are_found() -> None:
    board = _BOARDS["even rows"]
    picture = np.pad(board.charuco(legacy=True).generateImage((400, 480)), 40, constant_values=255)
    found = BoardDetector(board)(picture)
    assert found is not None and found.printed == (False, True) and len(found.corners) == len(board.corners)


@pytest.mark.parametrize("board", [BOARD, CHECKERBOARD], ids=["charuco", "checkerboard"])
def test_corners_lie_where_they_are(board: Board) -> None:
    """Within a twentieth of a pixel on the whole: neither half a pixel aside, nor turned."""
    camera = make_cameras()["cam1"]
    errors = []
    for moment in range(4):
        pose = carried(moment, board)
        found = BoardDetector(board)(take_picture(camera, pose, board))
        assert found is not None
        points = board.corners[found.corners] @ pose[:3, :3].T + pose[:3, 3]
        errors.append(found.pixels + 0.5 - camera.pixels_of(camera.to_camera(points)))
    errors = np.concatenate(errors)
    assert np.abs(errors.mean(axis=0)).max() < 0.05 and np.sqrt((errors**2).sum(axis=1).mean()) < 0.3


def test_adjustment_finds_what_made_the_pixels() -> None:
    """From a wrong start, with outliers among the corners."""
    cameras = list(make_cameras().values())[:2]
    optics = [Optics(camera.opencv_matrix, camera.lens.opencv) for camera in cameras]
    first = np.vstack([cameras[0].pose, [0.0, 0.0, 0.0, 1.0]])
    poses = [np.linalg.inv(np.vstack([camera.pose, [0.0, 0.0, 0.0, 1.0]])) @ first for camera in cameras]
    boards = [np.linalg.inv(first) @ carried(moment) for moment in range(10)]
    true = Scene(optics, [_row(pose) for pose in poses], [_row(board) for board in boards], [0.0, 0.0])
    observations = []
    for camera in range(2):
        for board in range(10):
            of = Observation(camera, board, BOARD.corners, np.zeros((len(BOARD.corners), 2)))
            pixels = true.residuals(of)
            pixels[board] += 20.0
            observations.append(replace(of, pixels=pixels))
    start = Scene(
        [replace(of, matrix=of.matrix * [[1.05, 1, 1], [1, 1.05, 1], [1, 1, 1]]) for of in optics],
        [true.cameras[0], true.cameras[1] + 0.02],
        [board + 0.03 for board in true.boards],
        [0.0, 0.0],
    )
    found = adjust(start, observations)
    np.testing.assert_allclose(found.cameras[1], true.cameras[1], atol=1e-3)
    assert found.optics[1].matrix[0, 0] == pytest.approx(optics[1].matrix[0, 0], rel=1e-3)


def _row(pose: np.ndarray) -> np.ndarray:
    return np.concatenate([cv2.Rodrigues(pose[:3, :3])[0].ravel(), pose[:3, 3]])


class _Source(FolderSource):
    @property
    def size(self) -> tuple[int, int]:
        return 480, 360


def _views(poses: list[np.ndarray], name: str = "cam1", first: int = 0, known: bool = False) -> dict[str, Views]:
    """Exact sightings of a camera; pictures are named by numbers from a first on."""
    camera = make_cameras()[name]
    sightings = {}
    for number, pose in enumerate(poses):
        points = BOARD.corners @ pose[:3, :3].T + pose[:3, 3]
        pixels = camera.pixels_of(camera.to_camera(points)) - 0.5
        sightings[number] = Sighting(
            np.arange(len(points)), pixels + np.random.default_rng(number).normal(0, 0.1, pixels.shape)
        )
    names = [str(first + number) for number in range(len(poses))]
    return {name: Views(_Source(Path(name), names, None, camera if known else None, []), len(poses), sightings)}


_CARRIED = [carried(moment) for moment in range(12)]


@pytest.mark.parametrize(
    ("poses", "message"),
    [
        (_CARRIED[:4], "cam1: expected at least 6 views of the board that differ, found 4 among 4: show the board"),
        (_CARRIED[:1] * 30, "expected at least 6 views of the board that differ, found 1 among 30: show the board"),
        (
            [np.diag([1.0, 1.0, 1.0, 1.0]) + shift * np.eye(4, k=3) for shift in np.linspace(-0.6, 0.1, 12)],
            "(tilted against each other by 15 degrees or more, found [0-9.]+ at most|tell the focal length): ?.*show",
        ),
    ],
    ids=["few", "alike", "parallel"],
)
def test_too_few_or_too_similar_views(poses: list[np.ndarray], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        calibrate_optics(_views(poses), BOARD)


def test_cameras_that_never_see_the_board_together() -> None:
    views = _views(_CARRIED, "cam1", known=True) | _views(_CARRIED, "cam2", first=10, known=True)
    with pytest.raises(
        ValueError, match="cam2: expected the board in view of cam2 and of cam1 at 3 moments .* found 2"
    ):
        calibrate_cameras(views, BOARD)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"board": replace(CHECKERBOARD, rows=4)}, "--squares: expected an odd and an even number .* 6 and 4"),
        ({"origin": "cam9"}, "--origin: expected one of cam1, cam2, found 'cam9'"),
        ({"floor": ("cam9", "0")}, "--floor: expected one of the cameras cam1, cam2, found 'cam9'"),
        ({"floor": ("cam1", "99")}, r"--floor: expected a picture of cam1 in which .* \(0, 1, .*found '99'"),
    ],
)
def test_wrong_choices_of_the_world(options: dict, message: str) -> None:
    views = _views(_CARRIED, "cam1", known=True) | _views(_CARRIED, "cam2", known=True)
    with pytest.raises(ValueError, match=message):
        calibrate_cameras(views, **{"board": BOARD, **options})


def test_one_camera_has_no_place() -> None:
    with pytest.raises(ValueError, match="expected two or more cameras, found cam1"):
        calibrate_cameras(_views(_CARRIED), BOARD)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            "board b.pdf --squares 8 5 --square-mm 60",
            "--square-mm: expected at most 32.1 for 8 x 5 squares on a4 paper",
        ),
        ("board b.jpg --squares 8 5 --square-mm 30", "b.jpg: expected a .pdf or .png file"),
        ("board b.pdf --squares 2 5 --square-mm 30", "--squares: expected at least 3, got 2"),
        ("board b.pdf --squares 8 5 --square-mm 0", "--square-mm: expected above 0"),
        ("board b.pdf --squares 8 5 --square-mm 30 --marker-mm 30", "--marker-mm: expected above 0 and below"),
        (
            "board b.pdf --squares 20 20 --square-mm 5 --dictionary 4x4_50",
            "--dictionary: expected at least 200 markers",
        ),
        ("board b.pdf --squares 8 5 --square-mm 30 --dictionary 9x9", "--dictionary: expected one of OpenCV's"),
        (
            "board b.pdf --squares 8 5 --square-mm 30 --pattern checkerboard --marker-mm 20",
            "--marker-mm: expected a ChArUco board",
        ),
        ("cameras nowhere out --squares 8 5 --square-mm 30", "nowhere: expected a folder of videos or of pictures"),
        ("cameras empty out --squares 8 5 --square-mm 30", "empty: expected png or jpg images, found none"),
        (
            "cameras plain out --squares 8 5 --square-mm 30",
            "expected the board .* in some of 2 pictures, found it in none",
        ),
        ("cameras mixed out --squares 8 5 --square-mm 30", "mixed: expected videos or folders of pictures, found both"),
        ("cameras plain mixed --squares 8 5 --square-mm 30", "mixed: expected a folder that is new or empty"),
        ("cameras plain out --squares 8 5 --square-mm 30 --floor a 1 --origin a", "--floor, --origin: expected one"),
        ("cameras plain out --squares 8 5 --square-mm 30 --offsets o.json", "--offsets: expected videos, found none"),
    ],
)
def test_mistakes(
    arguments: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("empty").mkdir()
    for folder in ("plain/a", "plain/b", "mixed/a"):
        Path(folder).mkdir(parents=True)
        for number in range(2):
            Image.new("L", (64, 48), 128).save(f"{folder}/{number}.png")
    Path("mixed/b.mp4").touch()
    monkeypatch.setattr(sys, "argv", ["rf-calibrate", *arguments.split()])
    with pytest.raises(SystemExit) as caught:
        command.entrypoint()
    assert caught.value.code == 1
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith("Error: ") and re.search(message, error), error
    assert not Path("out").exists()
