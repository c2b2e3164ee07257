"""Depth in any unit, in counts or floats: the same distances, and what rf-check says where the unit is another."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from nerfstudio.data.dataparsers.base_dataparser import DataParserConfig
from PIL import Image

from resfields_ns.captures.checks.findings import Finding
from resfields_ns.captures.checks.look_over import look_over
from resfields_ns.captures.kinect.undistorted_capture import undistort_capture
from resfields_ns.data.dynamic_data import DynamicDataManagerConfig, RayBatches
from resfields_ns.data.dynamic_dataset import DynamicDataset
from resfields_ns.dataparsers.kinect_rgbd import KinectRGBDDataParserConfig
from resfields_ns.dataparsers.owlii import OwliiDataParserConfig

Store = Callable[[Path, np.ndarray], object]


def _png(factor: float) -> Store:
    """Counts of a thousandth of a metre over the factor."""
    return lambda path, depth: Image.fromarray(np.round(factor * depth).clip(0, 65535).astype(np.uint16)).save(path)


def _tiff(path: Path, depth: np.ndarray) -> None:
    metres = np.where(depth > 0, depth / 1000.0, np.nan).astype(np.float32)
    Image.fromarray(metres).save(path.with_suffix(".tiff"))


def _npy(path: Path, depth: np.ndarray) -> None:
    np.save(path.with_suffix(".npy"), np.where(depth > 0, depth / 1000.0, np.inf).astype(np.float64))


def _counts_npy(path: Path, depth: np.ndarray) -> None:
    np.save(path.with_suffix(".npy"), depth.astype(np.uint16))


def _tiff_counts(path: Path, depth: np.ndarray) -> None:
    Image.fromarray(depth.astype(np.uint16)).save(path.with_suffix(".tif"))


STORED: dict[str, tuple[Store, dict[str, Any]]] = {
    "a quarter of a millimetre": (_png(4.0), {"depth_unit": 0.00025}),
    "a tenth of a millimetre": (_png(10.0), {"depth_unit": 0.0001}),
    "metres as npy": (_npy, {}),
    "metres as tiff": (_tiff, {}),
    "millimetres as npy": (_counts_npy, {}),
    "millimetres as tiff": (_tiff_counts, {}),
    "millimetres as floats": (
        lambda path, depth: np.save(path.with_suffix(".npy"), depth.astype(np.float32)),
        {"depth_unit": 0.001},
    ),
}


def _store(capture: Path, store: Store, cameras: str = "*") -> None:
    for path in list(capture.glob(f"{cameras}/depth/*.png")):
        depth = np.array(Image.open(path)).astype(np.float64)
        path.unlink()
        store(path, depth)


def _depths(config: DataParserConfig) -> list[np.ndarray]:
    dataset = DynamicDataset(config.setup().get_dataparser_outputs("train"))
    return [dataset[index]["depth"].numpy() for index in range(len(dataset))]


@pytest.mark.parametrize("name", STORED)
@pytest.mark.parametrize("parser", [KinectRGBDDataParserConfig, OwliiDataParserConfig])
def test_distances_are_the_same(
    name: str, parser: type[DataParserConfig], own_capture: Path, demo_capture: Path, tmp_path: Path
) -> None:
    capture = own_capture
    if parser is OwliiDataParserConfig:
        capture = Path(shutil.copytree(demo_capture, tmp_path / "owlii"))
    before = _depths(parser(data=capture))
    store, options = STORED[name]
    _store(capture, store)
    after = _depths(parser(data=capture, **options))
    assert len(after) == len(before)
    for stored, expected in zip(after, before, strict=True):
        assert np.array_equal(stored > 0.0, expected > 0.0)
        np.testing.assert_allclose(stored, expected, rtol=1e-4, atol=0)


def test_batches_of_floats(own_capture: Path) -> None:
    """Rays of a batch have the depth of their pixels, at a resolution that no count has."""
    _store(own_capture, lambda path, depth: np.save(path.with_suffix(".npy"), (depth / 1000.0 + 1e-5) * (depth > 0)))
    dataset = DynamicDataset(KinectRGBDDataParserConfig(data=own_capture).setup().get_dataparser_outputs("train"))
    batches = RayBatches(dataset, DynamicDataManagerConfig(), 500, "cpu")
    batches.load_depth()
    _, batch = batches.sample()
    image, row, column = batch["indices"].unbind(dim=-1)
    items = {int(index): dataset[int(index)]["depth"][..., 0] for index in image.unique()}
    expected = [float(items[int(i)][r, c]) for i, r, c in zip(image, row, column, strict=True)]
    np.testing.assert_allclose(batch["depth"].numpy(), expected, rtol=1e-5)


def test_undistorted_captures_keep_floats(own_capture: Path, tmp_path: Path) -> None:
    _store(own_capture, _npy)
    undistort_capture(own_capture, tmp_path / "out")
    before, after = (_depths(KinectRGBDDataParserConfig(data=folder)) for folder in (own_capture, tmp_path / "out"))
    for first, second in zip(before, after, strict=True):
        np.testing.assert_allclose(first, second, rtol=0.02, atol=0.05)


@pytest.mark.parametrize(
    ("store", "message"),
    [
        (
            lambda path, depth: np.save(path.with_suffix(".npy"), depth[None]),
            r"npy: expected an array \[height, width\]",
        ),
        (lambda path, depth: np.save(path.with_suffix(".npy"), depth.astype(np.int8)), "found .* of int8"),
        (lambda path, depth: path.with_suffix(".npy").write_bytes(b"no array"), "expected an array of depths"),
        (lambda path, depth: np.save(path.with_suffix(".npy"), depth[1:]), "expected 48x32 pixels"),
        (
            lambda path, depth: path.with_suffix(".exr").write_bytes(b"\x76\x2f\x31\x01"),
            "depth: expected png or jpg images, found none but .exr files; depth may be tiff or npy files too",
        ),
    ],
)
def test_broken_arrays(own_capture: Path, store: Store, message: str) -> None:
    _store(own_capture, store)
    with pytest.raises(ValueError, match=message):
        KinectRGBDDataParserConfig(data=own_capture).setup().get_dataparser_outputs("train")


def test_counts_of_more_than_16_bits(own_capture: Path) -> None:
    """Integers of 32 bits are read as they are, or not at all."""

    def store(path: Path, depth: np.ndarray, factor: int) -> None:
        Image.fromarray((factor * depth).astype(np.int32)).save(path.with_suffix(".tif"))

    before = _depths(KinectRGBDDataParserConfig(data=own_capture))
    _store(own_capture, lambda path, depth: store(path, depth, 1))
    np.testing.assert_array_equal(_depths(KinectRGBDDataParserConfig(data=own_capture)), before)
    path = min((own_capture / "left" / "depth").iterdir())
    store(path, np.array(Image.open(path)), 100)
    with pytest.raises(ValueError, match=r"left.*tif: expected depth of 0 to 65535, found 0 to \d{6}"):
        _depths(KinectRGBDDataParserConfig(data=own_capture))


def test_floats_beside_counts(own_capture: Path) -> None:
    _store(own_capture, _npy, "left")
    with pytest.raises(
        ValueError, match="left.*npy: expected depth in counts of 16 bits as .*middle.* has, found floats"
    ):
        KinectRGBDDataParserConfig(data=own_capture).setup().get_dataparser_outputs("train")


def test_the_unit_needs_depth(own_capture: Path) -> None:
    with pytest.raises(ValueError, match="--depth-unit: expected above 0, got 0"):
        KinectRGBDDataParserConfig(data=own_capture, depth_unit=0.0)


def _agreement(capture: Path, dataparser: str, *options: str) -> list[Finding]:
    findings = look_over(capture, dataparser, options)[1]
    return [finding for finding in findings if finding.check == "depth agreement" and finding.level != "info"]


@pytest.mark.parametrize(
    ("factor", "words", "unit"), [(4.0, "4.0", "0.00025"), (10.0, "10.0", "0.0001"), (0.25, "0.25", "0.004")]
)
def test_a_wrong_unit_is_named_by_its_factor(own_capture: Path, factor: float, words: str, unit: str) -> None:
    assert _agreement(own_capture, "kinect-rgbd") == []
    _store(own_capture, _png(factor))
    (finding,) = _agreement(own_capture, "kinect-rgbd")
    assert finding.level == "error"
    assert finding.text.startswith(f"depth of all cameras is {words} times what agrees with their places")
    assert finding.advice.startswith(f"read it with --depth-unit {unit},")
    assert _agreement(own_capture, "kinect-rgbd", "--depth-unit", unit) == []


@pytest.mark.parametrize(("factor", "words"), [(4.0, "4.0"), (0.25, "0.25")])
def test_the_one_camera_of_another_unit_is_named(demo_capture: Path, tmp_path: Path, factor: float, words: str) -> None:
    capture = Path(shutil.copytree(demo_capture, tmp_path / "capture"))
    _store(capture, _png(factor), "cam_train_6")
    (finding,) = [found for found in _agreement(capture, "owlii") if f"its depth is {words} times" in found.text]
    assert finding.text.startswith("cam_train_6: ")
