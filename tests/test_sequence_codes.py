"""Codes of sequences beside the time: several mesh sequences in one field."""

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from resfields_ns.commands import fit
from resfields_ns.data.coordinate_data import CoordinateDataManagerConfig
from resfields_ns.data.sdf_data import SDFDataManagerConfig
from resfields_ns.dataparsers.mesh_sequence import MeshSequenceParserConfig
from resfields_ns.host.run_record import RECORD, RecordedSequenceConfig
from resfields_ns.host.trained_run import TrainedRun, load_trained_run
from resfields_ns.host.trainer import ResFieldsTrainerConfig
from resfields_ns.layers import SequenceTable
from resfields_ns.models.sdf_model import SDFModel
from tests.methods import METHODS, tiny_config, trained
from tests.small_sequences import write_anime, write_ply_folder

LENGTHS = (4, 3, 4)
POINTS = torch.rand(2000, 3, generator=torch.Generator().manual_seed(0)) * 2.0 - 1.0


def _write_sequences(folder: Path) -> Path:
    """Three sequences of balls, of which the second is the largest and a folder of meshes."""
    write_anime(folder, radius=0.3).rename(folder / "0.anime")
    write_ply_folder(folder, radius=0.5).rename(folder / "1")
    (folder / "1" / "mesh_3.ply").unlink()
    write_anime(folder, radius=0.2).rename(folder / "2.anime")
    return folder


def _config(folder: Path, data: Path, method: str = "sdf-codes") -> ResFieldsTrainerConfig:
    config = tiny_config(METHODS[method], data, folder)
    assert isinstance(config.pipeline.datamanager, CoordinateDataManagerConfig)
    config.pipeline.datamanager.dataparser = MeshSequenceParserConfig(image_size=16)
    return config


@pytest.fixture(scope="module")
def learnt(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The config.yml of a run that has learnt the three."""
    folder = tmp_path_factory.mktemp("learnt")
    config = _config(folder / "runs", _write_sequences(folder / "data"))
    datamanager = config.pipeline.datamanager
    assert isinstance(datamanager, SDFDataManagerConfig)
    datamanager.samples_per_batch, datamanager.pool_samples = 2000, 20_000
    config.optimizers["field"]["optimizer"].lr, config.optimizers["codes"]["optimizer"].lr = 1e-3, 1e-2
    config.max_num_iterations, config.timestamp = 300, "learnt"
    trained(config)
    return config.get_base_dir() / "config.yml"


def _folder(learnt: Path) -> Path:
    """Where data and run lie."""
    return learnt.parents[4]


@torch.no_grad()
def _levels(run: TrainedRun, frame: float) -> Tensor:
    assert isinstance(run.model, SDFModel)
    return run.model.surface_level(POINTS, frame / (run.num_frames - 1))


def test_every_frame_has_the_row_of_its_sequence_and_a_time_of_its_own() -> None:
    table = SequenceTable(LENGTHS, width=3, std=1.0)
    frame, last = 0, sum(LENGTHS) - 1
    for sequence, length in enumerate(LENGTHS):
        for own in range(length):
            time = torch.tensor([frame / last])
            torch.testing.assert_close(table(time)[0], table.table[sequence], atol=1e-5, rtol=0)
            assert float(table.own_times(time)) == pytest.approx(own / (length - 1), abs=1e-5)
            frame += 1
    torch.testing.assert_close(table(torch.tensor([3.25 / last]))[0], table.table[0].lerp(table.table[1], 0.25))


def test_a_code_fitted_to_a_sequence_that_was_learnt_gives_that_sequence(
    learnt: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = ["--sequences", "1", "--steps", "200", "--learning-rate", "0.01", "--output-dir", str(tmp_path)]
    data = str(_folder(learnt) / "data")
    monkeypatch.setattr(sys, "argv", ["rf-fit", "--load-config", str(learnt), "--data", data, *options])
    fit.entrypoint()
    run, found = load_trained_run(learnt), load_trained_run(next(tmp_path.rglob("config.yml")))
    assert found.num_frames == LENGTHS[1]
    for own in range(LENGTHS[1]):
        levels = _levels(found, own)
        apart = [float((_levels(run, start + own) - levels).abs().mean()) for start in (0, 4, 7)]
        assert apart[1] < 0.5 * min(apart[0], apart[2])


def test_between_two_sequences_the_one_turns_into_the_other(learnt: Path) -> None:
    run, between = load_trained_run(learnt), load_trained_run(learnt)
    between.go_between((2, 1))
    torch.testing.assert_close(_levels(between, 0), _levels(run, 7), atol=1e-4, rtol=0)
    torch.testing.assert_close(_levels(between, 10), _levels(run, 6), atol=1e-4, rtol=0)
    with pytest.raises(ValueError, match="--between: expected two of the sequences 0 to 2, found 0 and 3"):
        run.go_between((0, 3))


def test_a_run_knows_its_sequences_without_their_data(learnt: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(_folder(learnt), tmp_path / "moved"))
    shutil.rmtree(folder / "data")
    config = folder / learnt.relative_to(_folder(learnt))
    np.testing.assert_allclose(_levels(load_trained_run(config), 5), _levels(load_trained_run(learnt), 5))


@pytest.mark.parametrize("lengths", [[4, 3], [12, -1], [11, 0], [], [4, "3", 4], 11])
def test_a_record_whose_sequences_are_broken(lengths: object, learnt: Path, tmp_path: Path) -> None:
    record = json.loads((learnt.parent / RECORD).read_text())
    record["train"]["lengths"] = lengths
    (tmp_path / RECORD).write_text(json.dumps(record))
    with pytest.raises(ValueError, match=f"{RECORD}: expected (lengths of sequences of 11 frames|the record of a run)"):
        RecordedSequenceConfig(data=tmp_path / RECORD).setup().get_dataparser_outputs("train")


@pytest.mark.parametrize(
    ("sequences", "frames", "message"),
    [
        ("1:9", "::", "--sequences: expected frames below 3"),
        ("::", "0:4", "--frames: expected frames below 3"),
    ],
)
def test_choices_that_are_none(sequences: str, frames: str, message: str, tmp_path: Path) -> None:
    config = MeshSequenceParserConfig(data=_write_sequences(tmp_path), sequences=sequences, frames=frames)
    with pytest.raises(ValueError, match=message):
        config.setup().get_dataparser_outputs("train")


def test_one_sequence_has_none_to_choose_from(tmp_path: Path) -> None:
    config = MeshSequenceParserConfig(data=write_anime(tmp_path), sequences="0:1")
    with pytest.raises(ValueError, match="--sequences: expected a folder of several sequences, found one in"):
        config.setup().get_dataparser_outputs("train")


@pytest.mark.parametrize(
    ("method", "message"),
    [
        ("sdf-resfields", r"model.codes.dim: expected above 0 for 3 sequences in one folder \(sdf-codes\), got 0"),
        ("sceneflow-resfields", "expected one sequence for scene flow, found a folder of 3"),
    ],
)
def test_methods_that_learn_one_sequence(method: str, message: str, tmp_path: Path) -> None:
    config = _config(tmp_path / "runs", _write_sequences(tmp_path / "data"), method)
    with pytest.raises(ValueError, match=message):
        trained(config)
