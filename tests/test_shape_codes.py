"""Codes of shapes: one fitted to a shape that was learnt gives that shape, and between two codes lie their shapes."""

import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from resfields_ns.commands import export, fit, render
from resfields_ns.data.sdf_data import SDFDataManagerConfig
from resfields_ns.host.checkpoints import list_checkpoints, load_checkpoint
from resfields_ns.host.resumed_run import resume_run
from resfields_ns.host.trained_run import TrainedRun, load_trained_run
from resfields_ns.models.sdf_model import SDFModel, SDFModelConfig
from tests.family import Family
from tests.methods import METHODS, tiny_config, trained
from tests.sdf_family import SDF_FAMILY
from tests.small_sequences import write_anime

POINTS = torch.rand(2000, 3, generator=torch.Generator().manual_seed(0)) * 2.0 - 1.0


@pytest.fixture(scope="module")
def learnt(tiny_data: Callable[[Family], Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The config.yml of a run that has learnt four balls as shapes without an order."""
    config = tiny_config(METHODS["sdf-codes"], tiny_data(SDF_FAMILY), tmp_path_factory.mktemp("learnt"))
    datamanager, model = config.pipeline.datamanager, config.pipeline.model
    assert isinstance(datamanager, SDFDataManagerConfig) and isinstance(model, SDFModelConfig)
    datamanager.samples_per_batch, datamanager.pool_samples = 2000, 20_000
    config.optimizers["field"]["optimizer"].lr, config.optimizers["codes"]["optimizer"].lr = 1e-3, 1e-2
    config.max_num_iterations, config.timestamp = 200, "learnt"
    trained(config)
    return config.get_base_dir() / "config.yml"


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Run a command by its entry point."""

    def run(entrypoint: Callable[[], None], *arguments: object) -> None:
        monkeypatch.setattr(sys, "argv", ["command", *map(str, arguments)])
        entrypoint()

    return run


@pytest.fixture(scope="module")
def fitted(learnt: Path, tiny_data: Callable[[Family], Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The config.yml of a run that has fitted the third of them by its code."""
    folder = tmp_path_factory.mktemp("fitted")
    with pytest.MonkeyPatch.context() as patch:
        options = ["--steps", "200", "--learning-rate", "0.01", "--output-dir", str(folder), "--frames", "2"]
        data = str(tiny_data(SDF_FAMILY))
        patch.setattr(sys, "argv", ["rf-fit", "--load-config", str(learnt), "--data", data, *options])
        fit.entrypoint()
    (config,) = folder.rglob("config.yml")
    return config


@torch.no_grad()
def _levels(run: TrainedRun, time: float) -> Tensor:
    assert isinstance(run.model, SDFModel)
    return run.model.surface_level(POINTS, time)


def test_a_code_fitted_to_a_shape_that_was_learnt_gives_that_shape(learnt: Path, fitted: Path) -> None:
    run, found = load_trained_run(learnt), _levels(load_trained_run(fitted), 0.0)
    apart = [float((_levels(run, shape / 3) - found).abs().mean()) for shape in range(4)]
    assert apart[2] < 0.25 * min(apart[1], apart[3])


def test_fitting_changes_codes_alone_in_the_space_of_the_run(learnt: Path, fitted: Path) -> None:
    run, other = load_trained_run(learnt), load_trained_run(fitted)
    was, now = run.model.state_dict(), other.model.state_dict()
    changed = {name for name in was if was[name].shape != now[name].shape or not torch.equal(was[name], now[name])}
    assert changed and all(name.endswith(".table") and len(now[name]) == 1 for name in changed)
    np.testing.assert_allclose(other.sequence.to_world.matrix, run.sequence.to_world.matrix, rtol=1e-12)


def test_a_fitted_run_resumes_without_the_other(fitted: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(fitted.parent, tmp_path / "moved"))
    text = (folder / "config.yml").read_text()
    (folder / "config.yml").write_text(text.replace("- learnt\n", "- gone\n"))
    (checkpoint,) = list_checkpoints(folder / "nerfstudio_models")
    state = load_checkpoint(checkpoint)
    torch.save({**state, "total_steps": state["total_steps"] + 2}, checkpoint)
    resume_run(folder)
    assert len(list_checkpoints(folder / "nerfstudio_models")) == 2


def test_between_two_codes_lie_their_shapes(learnt: Path) -> None:
    run, between = load_trained_run(learnt), load_trained_run(learnt)
    between.go_between((3, 1))
    torch.testing.assert_close(_levels(between, 0.0), _levels(run, 1.0))
    torch.testing.assert_close(_levels(between, 1.0), _levels(run, 1 / 3), atol=1e-4, rtol=0)
    half = _levels(between, 0.5)
    run.go_between((1, 3))
    torch.testing.assert_close(half, _levels(run, 0.5), atol=1e-4, rtol=0)
    assert (half - _levels(run, 0.0)).abs().mean() > 1e-3


def test_films_and_meshes_go_between_codes(learnt: Path, tmp_path: Path, command: Callable[..., None]) -> None:
    common = "--load-config", learnt, "--between", 0, 3
    command(
        render.entrypoint, "time", *common, "--output-path", tmp_path / "film", "--frames", "0:4:3", "--slow-motion", 2
    )
    assert len(list((tmp_path / "film").glob("*.png"))) == 3
    command(export.entrypoint, *common, "--output-dir", tmp_path / "meshes", "--resolution", 16)
    assert len(list((tmp_path / "meshes").glob("*.ply"))) == 4


@pytest.mark.parametrize(
    ("shapes", "message"),
    [((0, 4), "--between: expected two of the shapes 0 to 3, found 0 and 4"), ((-1, 1), "found -1 and 1")],
)
def test_shapes_that_are_none(shapes: tuple[int, int], message: str, learnt: Path) -> None:
    with pytest.raises(ValueError, match=message):
        load_trained_run(learnt).go_between(shapes)


def test_runs_without_codes_and_shapes_outside_are_one_line(
    learnt: Path,
    fitted: Path,
    tiny_run: Path,
    tmp_path: Path,
    command: Callable[..., None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    far, out = write_anime(tmp_path, radius=60.0), ("--output-dir", tmp_path)
    for arguments, message in (
        ((fit.entrypoint, "--load-config", tiny_run, "--data", far, *out), "a run with codes of shapes (sdf-codes)"),
        ((fit.entrypoint, "--load-config", learnt, "--data", far, *out), "shapes in the box of the run that they are"),
        (
            (export.entrypoint, "--load-config", tiny_run, *out, "--between", 0, 1),
            "--between: expected a run with codes",
        ),
        ((export.entrypoint, "--load-config", fitted, *out, "--between", 0, 0), "found one of a single shape"),
    ):
        with pytest.raises(SystemExit):
            command(*arguments)
        assert message in capsys.readouterr().err


@pytest.mark.parametrize("option", [{"coefficients": "spline"}, {"residual": "hypernetwork"}, {"weight_chunks": 2}])
def test_shapes_share_nothing_with_neighbours(option: dict[str, Any]) -> None:
    config = METHODS["sdf-codes"].config.pipeline.model
    assert isinstance(config, SDFModelConfig)
    name = next(iter(option)).replace("_", "-")
    with pytest.raises(ValueError, match=f"^model.field.{name}: expected .* as shapes have no order, got"):
        SDFModelConfig(field=replace(config.field, **option), codes=config.codes)
