"""Masks of a capture: mended over views, resumed, and refused where something is missing."""

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from resfields_ns.captures.demo_capture import write_demo_capture
from resfields_ns.captures.masks import people
from resfields_ns.captures.masks.masked_capture import MaskedCapture
from resfields_ns.captures.masks.mending import View, follow_edges, mend_over_views
from resfields_ns.commands import masks as masks_command

_CAMERA = "cam_train_3"


@pytest.fixture(scope="module")
def capture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("masks") / "demo"
    write_demo_capture(folder, num_frames=2, size=128)
    return folder


@pytest.fixture
def own(capture: Path, tmp_path: Path) -> Path:
    """A copy to change."""
    return shutil.copytree(capture, tmp_path / "capture")


def _read(path: Path) -> np.ndarray:
    return np.array(Image.open(path)) > 127


def _views(capture: Path) -> list[View]:
    return [
        View(camera.cameras["000000"], _read(camera.path("mask", "000000")))
        for camera in MaskedCapture.open(capture).cameras
    ]


def _mended(capture: Path, views: list[View]) -> list[np.ndarray]:
    return mend_over_views(views, MaskedCapture.open(capture).box, tolerance=2.0)


def _iou(first: np.ndarray, second: np.ndarray) -> float:
    return float((first & second).sum() / (first | second).sum())


def _changed(view: View, change: Callable[[np.ndarray], None]) -> View:
    mask = view.mask.copy()
    change(mask)
    return View(view.camera, mask)


def test_right_masks_stay(capture: Path) -> None:
    views = _views(capture)
    for view, mended in zip(views, _mended(capture, views), strict=True):
        assert _iou(view.mask, mended) > 0.99


def test_edges_of_right_masks_stay(capture: Path) -> None:
    for mask in sorted(capture.glob("*/mask/*.png")):
        picture = np.array(Image.open(mask.parent.parent / "rgb" / mask.name))
        assert _iou(_read(mask), follow_edges(_read(mask), picture)) > 0.97


def test_what_no_other_camera_sees_goes(capture: Path) -> None:
    views = _views(capture)

    def add_blob(mask: np.ndarray) -> None:
        assert not mask[2:14, 2:14].any()
        mask[2:14, 2:14] = True

    for index in range(len(views)):
        wrong = [_changed(view, add_blob) if i == index else view for i, view in enumerate(views)]
        mended = _mended(capture, wrong)
        assert not mended[index][2:14, 2:14].any()
        assert all(_iou(view.mask, mask) > 0.99 for view, mask in zip(views, mended, strict=True))


def test_holes_are_filled_and_do_not_carve_other_views(capture: Path) -> None:
    views = _views(capture)
    for index, view in enumerate(views):
        depth = cv2.distanceTransform(view.mask.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
        row, column = np.unravel_index(depth.argmax(), depth.shape)
        hole = np.s_[row - 3 : row + 4, column - 3 : column + 4]

        def dig(mask: np.ndarray, hole: tuple[slice, slice] = hole) -> None:
            mask[hole] = False

        assert view.mask[hole].all()
        mended = _mended(capture, [_changed(v, dig) if i == index else v for i, v in enumerate(views)])
        assert mended[index][hole].all()
        assert all(_iou(v.mask, mask) > 0.99 for v, mask in zip(views, mended, strict=True))


def test_mending_twice_is_mending_once(capture: Path) -> None:
    random = np.random.default_rng(0)
    views = [View(view.camera, view.mask ^ (random.random(view.mask.shape) < 0.02)) for view in _views(capture)]
    once = _mended(capture, views)
    again = _mended(capture, [View(view.camera, mask) for view, mask in zip(views, once, strict=True)])
    assert all((first == second).all() for first, second in zip(once, again, strict=True))


def test_an_empty_mask_has_no_say(capture: Path) -> None:
    views = _views(capture)
    views[0] = View(views[0].camera, np.zeros_like(views[0].mask))
    mended = _mended(capture, views)
    assert not mended[0].any()
    assert all(_iou(view.mask, mask) > 0.99 for view, mask in zip(views[1:], mended[1:], strict=True))


def test_edges_move_to_those_of_the_picture() -> None:
    y, x = np.mgrid[:120, :160]
    disc = (x - 80) ** 2 + (y - 60) ** 2 < 40**2
    noise = np.random.default_rng(0).normal(0, 8, (120, 160, 3))
    picture = (np.where(disc[..., None], [200, 120, 60], [40, 60, 90]) + noise).clip(0, 255).astype(np.uint8)
    wide = cv2.dilate(disc.astype(np.uint8), np.ones((3, 3), np.uint8)).astype(bool)
    followed = follow_edges(wide, picture)
    assert _iou(followed, disc) > 0.99 > _iou(wide, disc)


def test_mend_keeps_what_was_found_and_resumes(own: Path) -> None:
    before = {path.name: path.read_bytes() for path in (own / _CAMERA / "mask").glob("*.png")}
    mask = _read(own / _CAMERA / "mask" / "000001.png")
    masks_command.masks(own, mend=True)
    assert {path.name: path.read_bytes() for path in (own / _CAMERA / "mask_found").glob("*.png")} == before
    assert _iou(_read(own / _CAMERA / "mask" / "000001.png"), mask) > 0.97
    assert Image.open(own / "masks.png").size[1] == 5 * 320

    kept, lost = own / _CAMERA / "mask" / "000000.png", own / _CAMERA / "mask" / "000001.png"
    expected, time = lost.read_bytes(), kept.stat().st_mtime_ns
    lost.unlink()
    masks_command.masks(own, mend=True)
    assert lost.read_bytes() == expected
    assert kept.stat().st_mtime_ns == time


def test_masks_are_made_where_there_are_none(own: Path) -> None:
    true = {path.parent.parent.name: _read(path) for path in own.glob("*/mask/000000.png")}
    for folder in own.glob("*/mask"):
        shutil.rmtree(folder)
    seen = []

    def segment(picture: np.ndarray) -> np.ndarray:
        seen.append(picture.shape)
        if len(seen) > 7:
            raise KeyboardInterrupt
        return picture.max(axis=-1) > 0

    opened = MaskedCapture.open(own)
    with pytest.raises(KeyboardInterrupt):
        opened.find(lambda: segment)
    assert len(list(own.glob("*/mask_found/*.png"))) == 7
    seen.clear()
    opened.find(lambda: segment)
    assert len(seen) == 10 - 7
    opened.mend(tolerance=4.0)
    assert all(_iou(_read(own / name / "mask" / "000000.png"), mask) > 0.97 for name, mask in true.items())


def test_masks_there_are_not_written_over(own: Path) -> None:
    with pytest.raises(ValueError, match="expected a capture without masks, found some: --mend"):
        masks_command.masks(own)


def test_a_missing_mask_is_refused_before_anything_moves(own: Path) -> None:
    (own / _CAMERA / "mask" / "000001.png").unlink()
    with pytest.raises(ValueError, match=r"mask: expected the 2 frames .*'000001' is missing"):
        masks_command.masks(own, mend=True)
    assert not list(own.glob("*/mask_found"))


def test_without_a_capture_or_its_cameras(own: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="expected the folder of a capture"):
        masks_command.masks(tmp_path / "none")
    with pytest.raises(ValueError, match="expected folders of cameras"):
        masks_command.masks(own / "mesh")
    (own / _CAMERA / "cameras_sphere.npz").unlink()
    with pytest.raises(ValueError, match="cameras_sphere.npz: expected the camera's matrices"):
        masks_command.masks(own, mend=True)
    with pytest.raises(ValueError, match="--tolerance: expected at least 0"):
        masks_command.masks(own, tolerance=-1.0)


def test_without_the_segmenter_one_line(
    own: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for folder in own.glob("*/mask"):
        shutil.rmtree(folder)
    monkeypatch.setattr(people, "find_spec", lambda name: None)
    monkeypatch.setattr(sys, "argv", ["rf-masks", str(own)])
    with pytest.raises(SystemExit):
        masks_command.entrypoint()
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "pip install --no-deps mediapipe==0.10.14" in error
