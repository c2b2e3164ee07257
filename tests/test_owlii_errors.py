"""What a user can get wrong in a capture: each mistake is one line that names the file, expected and found."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from resfields_ns.data.dynamic_dataset import DynamicDataset
from resfields_ns.dataparsers.owlii import OwliiDataParserConfig


@pytest.fixture
def capture(demo_capture: Path, tmp_path: Path) -> Path:
    """A copy of the demo capture that a test may break."""
    return Path(shutil.copytree(demo_capture, tmp_path / "capture"))


def _expect(capture: Path, *parts: object, split: str = "train", **options: Any) -> None:
    """Parsing fails with one line that holds all `parts` in order."""
    pattern = ".*".join(re.escape(str(part)) for part in parts)
    with pytest.raises(ValueError, match=pattern) as error:
        OwliiDataParserConfig(data=capture, **options).setup().get_dataparser_outputs(split)
    assert "\n" not in str(error.value)


def _change_matrices(capture: Path, camera: str, change: Callable[[dict[str, np.ndarray]], object]) -> Path:
    path = capture / camera / "cameras_sphere.npz"
    with np.load(path, allow_pickle=False) as archive:
        matrices = dict(archive)
    change(matrices)
    np.savez(path, **matrices)  # pyright: ignore[reportArgumentType]
    return path


def _save(path: Path, shape: tuple[int, ...], dtype: type = np.uint8) -> Path:
    Image.fromarray(np.zeros(shape, dtype)).save(path)
    return path


def test_missing_capture(tmp_path: Path) -> None:
    _expect(tmp_path / "nowhere", tmp_path / "nowhere", "expected the folder of a capture", "found no such folder")


def test_unknown_camera(capture: Path) -> None:
    there = "cam_test, cam_train_1, cam_train_3, cam_train_6, cam_train_8"
    _expect(capture, "--train-cameras", capture, there, "found 'cam_7'", train_cameras=("cam_train_1", "cam_7"))
    _expect(capture, "--test-cameras", there, "found 'cam_train_2'", test_cameras=("cam_train_2",))


def test_folder_without_cameras(tmp_path: Path) -> None:
    _expect(tmp_path, "--train-cameras", "no camera folder", "found 'cam_train_1'")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"image_scale": 0.0}, "--image-scale: expected above 0 and at most 1, got 0.0"),
        ({"image_scale": 2.0}, "--image-scale: expected above 0 and at most 1, got 2.0"),
        ({"mask_threshold": 255}, "--mask-threshold: expected 0 to 254, got 255"),
        ({"train_cameras": ()}, "--train-cameras: expected one or more different cameras, found []"),
        ({"test_cameras": ("a", "a")}, "--test-cameras: expected one or more different cameras, found ['a', 'a']"),
    ],
)
def test_options(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        OwliiDataParserConfig(**options)


def test_image_scale_that_leaves_no_pixel(capture: Path) -> None:
    _expect(capture, "--image-scale: expected at least one pixel of 32x32, found 0.01", image_scale=0.01)


def test_fewer_frames_than_asked_for(capture: Path) -> None:
    _expect(capture, "--frames: expected frames below 4, found '0:9'", "fewer frames than asked for", frames="0:9")


def test_missing_camera_file(capture: Path) -> None:
    path = capture / "cam_train_3" / "cameras_sphere.npz"
    path.unlink()
    _expect(capture, path, "expected the camera's matrices, found no such file")


@pytest.mark.parametrize("content", [b"", b"not an archive", b"PK\x03\x04 cut short"])
def test_broken_camera_file(capture: Path, content: bytes) -> None:
    path = capture / "cam_train_3" / "cameras_sphere.npz"
    path.write_bytes(content)
    _expect(capture, path, "expected a NumPy .npz archive, found a file that cannot be read")


@pytest.mark.parametrize("key", ["world_mat_2", "scale_mat_2"])
def test_missing_key(capture: Path, key: str) -> None:
    path = _change_matrices(capture, "cam_train_6", lambda matrices: matrices.pop(key))
    _expect(capture, path, f"expected the key '{key}', found 7 keys: scale_mat_0, ")


@pytest.mark.parametrize(
    ("matrix", "found"),
    [
        (np.zeros((3, 4)), "shape (3, 4) of float64"),
        (np.full((4, 4), "x"), "shape (4, 4) of <U1"),
        (np.full((4, 4), {}), "shape (4, 4) of object"),
    ],
    ids=["shape", "text", "pickle"],
)
def test_what_is_no_4x4_matrix(capture: Path, matrix: np.ndarray, found: str) -> None:
    path = _change_matrices(capture, "cam_train_1", lambda matrices: matrices.update(world_mat_1=matrix))
    _expect(capture, path, f"world_mat_1: expected a 4x4 array of numbers, found {found}")


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_non_finite_matrix(capture: Path, value: float) -> None:
    path = _change_matrices(capture, "cam_train_1", lambda matrices: matrices["world_mat_1"].__setitem__((0, 2), value))
    _expect(capture, path, f"world_mat_1: expected finite numbers, found {value}")


def test_singular_matrix(capture: Path) -> None:
    path = _change_matrices(capture, "cam_train_1", lambda matrices: matrices["world_mat_3"].__setitem__(1, 0.0))
    _expect(capture, path, "world_mat_3: expected an invertible projection matrix, found a singular one")


def test_uneven_normalisation(capture: Path) -> None:
    path = _change_matrices(capture, "cam_train_1", lambda matrices: matrices["scale_mat_0"].__setitem__((1, 1), 0.7))
    _expect(capture, path, "scale_mat_0: expected one uniform scale with a translation, found [[0.8, ")


@pytest.mark.parametrize("camera", ["cam_train_1", "cam_train_8"])
def test_normalisation_that_is_not_shared(capture: Path, camera: str) -> None:
    path = _change_matrices(capture, camera, lambda matrices: matrices["scale_mat_2"].__setitem__((0, 3), 0.5))
    _expect(capture, path, "scale_mat_2: expected the normalisation that all cameras and frames share", "found [[0.8, ")


@pytest.mark.parametrize("camera", ["cam_train_6", "cam_test"])
@pytest.mark.parametrize("kind", ["rgb", "mask", "depth"])
def test_missing_frame(capture: Path, camera: str, kind: str) -> None:
    folder = capture / camera / kind
    (folder / "000002.png").unlink()
    split = "test" if camera == "cam_test" else "train"
    _expect(capture, folder, "expected the 4 frames", "found 3: frame '000002' is missing", split=split)


def test_frame_without_image(capture: Path) -> None:
    folder = capture / "cam_train_1" / "mask"
    shutil.copy(folder / "000000.png", folder / "000009.png")
    _expect(capture, folder, "expected the 4 frames", "found 5: frame '000009' has no image")


def test_two_files_of_one_frame(capture: Path) -> None:
    folder = capture / "cam_train_1" / "rgb"
    _save(folder / "000001.jpg", (32, 32, 3))
    _expect(capture, folder, "expected one file for each frame, found 000001.jpg, 000001.png")


def test_empty_folder(capture: Path) -> None:
    folder = capture / "cam_train_1" / "depth"
    for path in folder.iterdir():
        path.unlink()
    _expect(capture, folder, "expected png or jpg images, found none")


def test_masks_of_only_some_cameras(capture: Path) -> None:
    shutil.rmtree(capture / "cam_train_6" / "mask")
    folder = capture / "cam_train_6" / "mask"
    _expect(capture, folder, "expected mask images as camera cam_train_1 has, found no such folder")


@pytest.mark.parametrize(
    ("kind", "shape", "dtype"),
    [("rgb", (32, 30, 3), np.uint8), ("mask", (32, 30), np.uint8), ("depth", (32, 30), np.uint16)],
)
def test_images_of_differing_size(capture: Path, kind: str, shape: tuple[int, ...], dtype: type) -> None:
    path = _save(capture / "cam_train_8" / kind / "000001.png", shape, dtype)
    _expect(capture, path, "expected 32x32 pixels as the camera's", "found 30x32")


def test_frames_that_are_not_chosen_are_not_opened(capture: Path) -> None:
    _save(capture / "cam_train_8" / "rgb" / "000003.png", (8, 8, 3))
    OwliiDataParserConfig(data=capture, frames="0:3").setup().get_dataparser_outputs("train")


def test_shallow_depth(capture: Path) -> None:
    path = _save(capture / "cam_train_1" / "depth" / "000002.png", (32, 32))
    _expect(capture, path, "expected a 16-bit greyscale depth image, found mode 'L'")


def test_deep_image(capture: Path) -> None:
    path = _save(capture / "cam_train_1" / "rgb" / "000002.png", (32, 32), np.uint16)
    _expect(capture, path, "expected an 8-bit image, found mode 'I;16'")


def test_file_that_is_no_image(capture: Path) -> None:
    path = capture / "cam_train_1" / "rgb" / "000002.png"
    path.write_bytes(b"no image")
    _expect(capture, path, "expected an image, found a file that cannot be read")


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('true')",
        "[0, 0, 0, 1, 1]",
        "[0, 0, 0, 1, 1, 1e999]",
        "[0, 0, 0, 1, 1, '1']",
        "",
        "[" * 900,
    ],
)
def test_box_that_is_not_six_numbers(capture: Path, text: str) -> None:
    path = capture / "aabb.txt"
    path.write_text(text)
    _expect(capture, path, "expected a list of six numbers [x0, y0, z0, x1, y1, z1], found ", repr(text[:80]))


def test_box_file_too_large(capture: Path) -> None:
    path = capture / "aabb.txt"
    path.write_text(" " * 1001)
    _expect(capture, path, "expected a list of six numbers", "found a file of 1001 bytes")


def test_box_upside_down(capture: Path) -> None:
    path = capture / "aabb.txt"
    path.write_text("[0, 1, 0, 1, 1, 1]")
    _expect(capture, path, "expected every lower bound below its upper bound, found [0.0, 1.0, 0.0, 1.0, 1.0, 1.0]")


@pytest.mark.parametrize("kind", ["cloud", "mesh"])
def test_too_few_surfaces(capture: Path, kind: str) -> None:
    (capture / kind / "000003.ply").unlink()
    _expect(capture, capture / kind, "expected one ply file for each frame, 4 or more, found 3")


def test_empty_foreground(capture: Path) -> None:
    for path in capture.glob("cam_train_*/mask/*.png"):
        _save(path, (32, 32))
    outputs = OwliiDataParserConfig(data=capture).setup().get_dataparser_outputs("train")
    folder = re.escape(str(capture / "cam_train_1" / "mask"))
    with pytest.raises(ValueError, match=rf"{folder}.*expected foreground \(mask above 127\), found none in any image"):
        DynamicDataset(outputs).load_arrays()
