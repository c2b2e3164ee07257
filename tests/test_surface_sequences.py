"""Dataparsers of mesh sequences: where shapes come to lie, what cameras see of them, and mistakes before training."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import trimesh
from nerfstudio.data.dataparsers.base_dataparser import DataparserOutputs

from resfields_ns.captures.sequence import Surfaces
from resfields_ns.data.sdf_data import MeshDataset
from resfields_ns.dataparsers.deforming_things import DeformingThingsConfig
from resfields_ns.dataparsers.mesh_sequence import MeshSequenceParserConfig, SequenceParserConfig
from resfields_ns.functional.surface_points import shade
from resfields_ns.host.dataparsing import sequence_of
from tests.cases import over
from tests.small_sequences import write_anime, write_ply_folder

PARSERS: dict[str, tuple[Callable[..., SequenceParserConfig], Callable[[Path], Path]]] = {
    "anime": (DeformingThingsConfig, write_anime),
    "ply_folder": (MeshSequenceParserConfig, write_ply_folder),
}
NUM_FRAMES = 4


def _parse(config: SequenceParserConfig, split: str = "train") -> DataparserOutputs:
    return config.setup().get_dataparser_outputs(split)


@over("parser", PARSERS)
@pytest.mark.parametrize("options", [{}, {"camera": "orbit", "up": "z"}, {"up": "y", "image_size": 64}], ids=str)
def test_every_camera_sees_the_whole_shape(
    parser: tuple[Callable[..., SequenceParserConfig], Callable[[Path], Path]], options: dict[str, Any], tmp_path: Path
) -> None:
    make, write = parser
    outputs = _parse(make(data=write(tmp_path), **options))
    cameras, sequence = outputs.cameras, sequence_of(outputs, Surfaces).meshes
    assert cameras.times is not None and cameras.times[:, 0].tolist() == pytest.approx([0.0, 1 / 3, 2 / 3, 1.0])
    for index in range(NUM_FRAMES):
        pose = cameras.camera_to_worlds[index].double().numpy()
        x, y, z = ((sequence.frame(index).vertices - pose[:, 3]) @ pose[:, :3]).T
        assert (z < 0.0).all()
        size = float(cameras.width[index])
        for pixels in (cameras.fx[index].item() * x / -z, cameras.fy[index].item() * y / -z):
            assert np.abs(pixels).max() < size / 2
        up = pose[["y", "z"].index(options.get("up", make().up)) + 1, 1]
        assert up > 0.9


@over("parser", PARSERS)
def test_shapes_come_into_the_box_and_back(
    parser: tuple[Callable[..., SequenceParserConfig], Callable[[Path], Path]], tmp_path: Path
) -> None:
    make, write = parser
    outputs = _parse(make(data=write(tmp_path)))
    sequence, to_source = (
        sequence_of(outputs, Surfaces).meshes,
        sequence_of(outputs).to_world.matrix,
    )
    extremes = []
    for index in range(NUM_FRAMES):
        moved, original = sequence.frame(index).vertices, sequence.source.frame(index).vertices
        extremes += [moved.min(axis=0), moved.max(axis=0)]
        np.testing.assert_allclose(trimesh.transform_points(moved, to_source), original, rtol=1e-5, atol=1e-5)
        to_normalised = outputs.dataparser_scale * outputs.dataparser_transform.numpy()
        np.testing.assert_allclose(original @ to_normalised[:, :3].T + to_normalised[:, 3], moved, atol=1e-5)
    lower, upper = np.min(extremes, axis=0), np.max(extremes, axis=0)
    assert lower.min() > -1.0 and upper.max() < 1.0 and max((upper - lower).max(), 0.0) > 1.5


def test_anime_is_normalised_as_the_released_code_does_with_frame_0(tmp_path: Path) -> None:
    outputs = _parse(DeformingThingsConfig(data=write_anime(tmp_path)))
    sequence = sequence_of(outputs, Surfaces).meshes
    original = np.stack([sequence.source.frame(index).vertices for index in range(NUM_FRAMES)])
    lower, upper = original.min() - 0.01, original.max() + 0.01
    for index in range(NUM_FRAMES):
        expected = (original[index] - lower) / (upper - lower) * 2.0 - 1.0
        np.testing.assert_allclose(sequence.frame(index).vertices, expected, atol=1e-9)


def test_units_of_the_source_stay_where_they_fit(tmp_path: Path) -> None:
    source = write_ply_folder(tmp_path, radius=0.4)
    sequence = sequence_of(_parse(MeshSequenceParserConfig(data=source, units="source")), Surfaces).meshes
    np.testing.assert_array_equal(sequence.frame(1).vertices, sequence.source.frame(1).vertices)
    large = write_ply_folder(tmp_path / "large", radius=4.0)
    with pytest.raises(ValueError, match=r"^--units source: expected vertices in \[-1, 1\]\^3, found .* in .*large"):
        _parse(MeshSequenceParserConfig(data=large, units="source"))


def test_frames_to_use_and_to_evaluate(tmp_path: Path) -> None:
    parser = DeformingThingsConfig(data=write_anime(tmp_path), frames="1:4:1", eval_frames="0:3:2").setup()
    train, evaluation = parser.get_dataparser_outputs("train"), parser.get_dataparser_outputs("val")
    assert sequence_of(train).shown_numbers == [1, 2, 3] and sequence_of(evaluation).shown_numbers == [1, 3]
    assert sequence_of(train).num_frames == sequence_of(evaluation).num_frames == 3
    assert train.cameras.times is not None and evaluation.cameras.times is not None
    assert train.cameras.times[:, 0].tolist() == [0.0, 0.5, 1.0]
    assert evaluation.cameras.times[:, 0].tolist() == [0.0, 1.0]
    shown = MeshDataset(evaluation)
    np.testing.assert_array_equal(shown.frame(1).vertices, sequence_of(train, Surfaces).meshes.frame(2).vertices)


def test_pictures_show_the_shaded_mesh(tmp_path: Path) -> None:
    outputs = _parse(MeshSequenceParserConfig(data=write_ply_folder(tmp_path), image_size=65))
    dataset = MeshDataset(outputs)
    picture = dataset.get_numpy_image(2)
    assert picture.shape == (65, 65, 3) and (picture[0, 0] == 255).all()
    towards = outputs.cameras.camera_to_worlds[2, :, 2]  # the middle of the ball looks at the camera
    expected = (255.0 * shade(towards[None], -towards[None])[0]).numpy()
    np.testing.assert_allclose(picture[32, 32], expected, atol=255 * 0.15)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda data: data[:-7], r"expected \d+ bytes for 4 frames of 42 vertices and 80 triangles, found \d+"),
        (lambda data: np.array([2**31 - 1] * 3, "<i4").tobytes() + data[12:], r"expected \d+ bytes for 2147483647"),
        (lambda data: data[:-8] + b"\0\0\xc0\x7f" + data[-4:], r"frame 3: expected finite vertices, found nan"),
        (lambda data: data[:16] + b"\0\0\xc0\x7f" + data[20:], r"frame 0: expected finite vertices, found nan"),
    ],
    ids=["cut short", "large counts", "NaN in an offset", "NaN in a vertex"],
)
def test_a_broken_anime_is_named_before_training(
    change: Callable[[bytes], bytes], message: str, tmp_path: Path
) -> None:
    path = write_anime(tmp_path)
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(ValueError, match=f"{path.name}: {message}"):
        _parse(DeformingThingsConfig(data=path))


def test_sources_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(
        ValueError, match="^--data: expected an .anime file .others: mesh-sequence., found .*nothing.ply$"
    ):
        _parse(DeformingThingsConfig(data=tmp_path / "nothing.ply"))
    with pytest.raises(ValueError, match="expected a mesh sequence, found no such file or folder$"):
        _parse(MeshSequenceParserConfig(data=tmp_path / "nothing"))
    with pytest.raises(ValueError, match="^--image-size: expected 16 to 4096, got 8$"):
        MeshSequenceParserConfig(image_size=8)
    with pytest.raises(ValueError, match="^--eval-frames: expected frames below 4"):
        _parse(DeformingThingsConfig(data=write_anime(tmp_path), eval_frames="0:9"), "val")


def test_a_folder_may_change_its_topology(tmp_path: Path) -> None:
    sequence = sequence_of(_parse(MeshSequenceParserConfig(data=write_ply_folder(tmp_path))), Surfaces).meshes
    assert len({len(sequence.frame(index).vertices) for index in range(NUM_FRAMES)}) > 1
    assert torch.isfinite(torch.from_numpy(sequence.frame(0).vertices)).all()
