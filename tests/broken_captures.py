"""Ways to break a capture, and what rf-check finds then."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

Break = Callable[[Path], None]


def _swap_cameras(first: str, second: str) -> Break:
    def swap(capture: Path) -> None:
        files = [capture / name / "cameras_sphere.npz" for name in (first, second)]
        contents = [file.read_bytes() for file in files]
        for file, content in zip(files, reversed(contents), strict=True):
            file.write_bytes(content)

    return swap


def _change_matrices(camera: str, change: Callable[[np.ndarray], np.ndarray]) -> Break:
    """Change the world matrices of a camera, world to pixels."""

    def apply(capture: Path) -> None:
        path = capture / camera / "cameras_sphere.npz"
        with np.load(path, allow_pickle=False) as archive:
            matrices = {key: change(value) if key.startswith("world") else value for key, value in archive.items()}
        np.savez(path, **matrices)  # pyright: ignore[reportArgumentType]

    return apply


def _shift_pixels(x: float, y: float) -> Callable[[np.ndarray], np.ndarray]:
    shift = np.eye(4)
    shift[:2, 2] = x, y
    return lambda matrix: shift @ matrix


def _about_centre(change: np.ndarray) -> np.ndarray:
    """A change of the demo cameras' axes, or of their pixels about the image's centre."""
    intrinsics = np.eye(4)
    intrinsics[:2, :3] = [[56.0, 0.0, 16.0], [0.0, 56.0, 16.0]]
    return intrinsics @ change @ np.linalg.inv(intrinsics)


def change_images(pattern: str, change: Callable[[np.ndarray], np.ndarray]) -> Break:
    def apply(capture: Path) -> None:
        for path in sorted(capture.glob(pattern)):
            pixels = np.array(Image.open(path))
            Image.fromarray(change(pixels).astype(pixels.dtype)).save(path)

    return apply


def _one_spot(mask: np.ndarray) -> np.ndarray:
    spot = np.zeros_like(mask)
    spot[3, 3] = 255
    return spot


def freeze(capture: Path) -> None:
    paths = sorted((capture / "cam_train_3" / "rgb").iterdir())
    for path in paths[1:]:
        shutil.copyfile(paths[0], path)


def _scale_box(factor: float) -> Break:
    def scale(capture: Path) -> None:
        corners = np.array(json.loads((capture / "aabb.txt").read_text())).reshape(2, 3)
        corners = corners.mean(axis=0) + factor * (corners - corners.mean(axis=0))
        (capture / "aabb.txt").write_text(str(corners.flatten().tolist()))

    return scale


def _change_unit(factor: float) -> Break:
    """Lengths of the world in another unit; what lies in normalised space stays."""

    def apply(capture: Path) -> None:
        scale = np.diag([factor] * 3 + [1.0])
        for path in capture.glob("*/cameras_sphere.npz"):
            with np.load(path, allow_pickle=False) as archive:
                matrices = {
                    key: value @ np.linalg.inv(scale) if key.startswith("world") else scale @ value
                    for key, value in archive.items()
                }
            np.savez(path, **matrices)  # pyright: ignore[reportArgumentType]

    return apply


def _drop_frame(capture: Path) -> None:
    """Rename frame 3 to 7, as if 3 to 6 had been dropped."""
    for path in capture.glob("cam_*/*/000003.png"):
        path.rename(path.with_name("000007.png"))


def remove(*names: str) -> Break:
    def remove(capture: Path) -> None:
        for name in names:
            for folder in [*capture.glob(f"*/{name}"), *capture.glob(name)]:
                shutil.rmtree(folder)

    return remove


def _both(first: Break, second: Break) -> Break:
    def apply(capture: Path) -> None:
        first(capture)
        second(capture)

    return apply


_MASKS_ONLY = remove("depth", "cloud")

CLEAN = {
    "as it is": remove(),
    "without clouds": remove("cloud"),
    "without depth": remove("depth"),
    "with masks alone": _MASKS_ONLY,
    "with images alone": remove("mask", "depth", "cloud"),
    "with depth and no masks": remove("mask", "cloud"),
}

BROKEN = {
    "millimetres taken for metres": (
        _both(_MASKS_ONLY, _change_unit(1000.0)),
        "warning",
        "scene box",
        r"cameras stand up to \d{4} metres apart",
    ),
    "metres taken for millimetres": (
        _both(_MASKS_ONLY, _change_unit(0.001)),
        "warning",
        "scene box",
        r"the scene box is 0\.00\d+ metres long",
    ),
    "swapped neighbours": (_swap_cameras("cam_train_1", "cam_train_3"), "error", "clouds", "cam_train_3"),
    "swapped opposites": (_swap_cameras("cam_train_1", "cam_train_6"), "error", "depth in masks", "cam_train_1"),
    "principal point in x": (
        _change_matrices("cam_train_3", _shift_pixels(5, 0)),
        "error",
        "clouds",
        "cam_train_3: outlines of cloud and mask are 4.* pixels apart",
    ),
    "principal point in y": (
        _change_matrices("cam_train_3", _shift_pixels(0, 5)),
        "error",
        "silhouettes",
        "cam_train_3: .* miss each other by 5.0 pixels",
    ),
    "principal point, masks alone": (
        _both(_change_matrices("cam_train_3", _shift_pixels(0, 5)), _MASKS_ONLY),
        "error",
        "silhouettes",
        "cam_train_3",
    ),
    "principal point outside the image": (
        _change_matrices("cam_train_3", _shift_pixels(50, 0)),
        "error",
        "cameras",
        r"cam_train_3: principal point \(66.0, 16.0\) lies outside the image of 32x32",
    ),
    "long lens": (
        _change_matrices("cam_test", lambda matrix: _about_centre(np.diag([50.0, 50.0, 1.0, 1.0])) @ matrix),
        "warning",
        "cameras",
        "cam_test: sees 0.7 degrees",
    ),
    "camera that looks away": (
        _change_matrices("cam_train_8", lambda matrix: _about_centre(np.diag([-1.0, 1.0, -1.0, 1.0])) @ matrix),
        "error",
        "cameras and box",
        "cam_train_8: sees 0.0 % of the scene box",
    ),
    "one calibration twice": (
        lambda capture: shutil.copy(*(capture / f"cam_train_{n}" / "cameras_sphere.npz" for n in (1, 3))),
        "warning",
        "cameras",
        "cam_train_3 and cam_train_1 stand in the same place",
    ),
    "depth too large": (
        change_images("cam_train_6/depth/*", lambda depth: depth * 1.05),
        "warning",
        "depth on clouds",
        "cam_train_6: depth lies 1[23]. millimetres behind",
    ),
    "depth too small": (
        change_images("cam_train_6/depth/*", lambda depth: depth * 0.95),
        "warning",
        "depth on clouds",
        "cam_train_6: depth lies 1[23]. millimetres before",
    ),
    "depth too large without clouds": (
        _both(change_images("cam_train_6/depth/*", lambda depth: depth * 1.05), remove("cloud")),
        "warning",
        "depth agreement",
        "cam_train_6: .* float 1[23]. millimetres",
    ),
    "darker camera": (
        change_images("cam_train_8/rgb/*", lambda image: image * 0.6),
        "error",
        "exposure",
        r"cam_train_8: 1.[67]. stops darker than the others on points",
    ),
    "darker camera without depth": (
        _both(change_images("cam_train_8/rgb/*", lambda image: image * 0.5), _MASKS_ONLY),
        "warning",
        "exposure",
        "cam_train_8: 2.* stops darker than the others on the foreground",
    ),
    "white balance": (
        change_images("cam_train_8/rgb/*", lambda image: image * [1.0, 1.0, 0.8]),
        "warning",
        "exposure",
        "cam_train_8: .* channels differ by 0.7. stops",
    ),
    "nearly empty mask": (
        change_images("cam_train_1/mask/000001.png", _one_spot),
        "warning",
        "foreground",
        "cam_train_1: .*000001.png calls 0.10 % of the image foreground, where 2",
    ),
    "empty mask": (
        change_images("cam_train_3/mask/000002.png", np.zeros_like),
        "warning",
        "foreground",
        "cam_train_3: the mask of frame 2 is empty .*cam_train_3/mask/000002.png",
    ),
    "two empty masks": (
        change_images("cam_train_3/mask/00000[13].png", np.zeros_like),
        "warning",
        "foreground",
        "cam_train_3: the mask of frames 1, 3 is empty",
    ),
    "nearly empty masks": (
        change_images("cam_train_1/mask/*", _one_spot),
        "error",
        "foreground",
        "cam_train_1: masks call 0.10 % of the image foreground",
    ),
    "full masks": (
        change_images("cam_*/mask/*", lambda mask: mask * 0 + 255),
        "warning",
        "foreground",
        "cam_train_1: masks call 100 % of the image foreground",
    ),
    "frozen camera": (freeze, "error", "times", "cam_train_3: 3 of 4 images repeat the one before.* 000001.png"),
    "dropped frames": (
        _drop_frame,
        "warning",
        "times",
        r"cam_train_1: file numbers step by 1, but at 1 places by up to 5 \(000002.png to 000007.png\)",
    ),
    "box too small": (_scale_box(0.7), "error", "scene box", "1.* % of the cloud points lie outside"),
    "box too small, masks alone": (
        _both(_scale_box(0.7), _MASKS_ONLY),
        "warning",
        "scene box",
        "% of the foreground pixels lie outside",
    ),
    "box too large": (_scale_box(4.0), "warning", "scene box", "the box has 8. times the volume"),
}
