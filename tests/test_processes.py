"""Runs of several processes: what two or three make together is what one makes alone."""

import multiprocessing
import os
import socket
import traceback
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch

from resfields_ns.host.trainer import ResFieldsTrainerConfig
from resfields_ns.models.dynamic_model import DynamicModelConfig
from resfields_ns.models.video_model import VideoModelConfig
from tests.cases import over
from tests.family import Family
from tests.methods import METHODS, family_of, seed_everything, tiny_config

TIMEOUT = 240  # seconds, for a busy machine
_SPAWN = multiprocessing.get_context("forkserver")
_SPAWN.set_forkserver_preload(["tests.test_processes"])


@dataclass(frozen=True)
class Case:
    """A method, and how it is made to use what others do not."""

    method: str
    change: Callable[[ResFieldsTrainerConfig], None] = lambda config: None

    def config(self, data: Path, folder: Path) -> ResFieldsTrainerConfig:
        """A tiny configuration, evaluated where it is asked for alone."""
        config = tiny_config(METHODS[self.method], data, folder)
        config.timestamp = "run"
        self.change(config)
        return config

    @property
    def family(self) -> Family:
        return family_of(METHODS[self.method])


def _hierarchical(config: ResFieldsTrainerConfig) -> None:
    """Two passes, depth in some pixels, and segments of unequal sizes."""
    model = config.pipeline.model
    assert isinstance(model, DynamicModelConfig)
    model.sampler.kind, model.sampler.num_fine_samples = "hierarchical", 8
    model.eikonal_fraction = 0.5
    config.pipeline.datamanager.train_num_rays_per_batch = 67
    config.pipeline.datamanager.frames_per_batch = 3


def _one_frame(config: ResFieldsTrainerConfig) -> None:
    """Fewer segments than processes."""
    config.pipeline.datamanager.frames_per_batch = 1


def _hash_grid(config: ResFieldsTrainerConfig) -> None:
    model = config.pipeline.model
    assert isinstance(model, VideoModelConfig)
    config.pipeline.model = replace(model, network="hash-grid")


def _supervised(supervision: str) -> Callable[[ResFieldsTrainerConfig], None]:
    def change(config: ResFieldsTrainerConfig) -> None:
        config.pipeline.datamanager.supervision = supervision

    return change


CASES = {
    "rgbd": Case("tnerf-resfields-rgbd", _hierarchical),
    "small": Case("tnerf-resfields-small"),
    "one-frame": Case("dynerf-resfields", _one_frame),
    "planes": Case("hexplane-resfields"),
    "video": Case("video-resfields"),
    "hash-grid": Case("video-resfields", _hash_grid),
    "sdf": Case("sdf-resfields"),
    "oriented-points": Case("sdf-resfields", _supervised("oriented-points")),
    "occupancy": Case("sdf-resfields", _supervised("occupancy")),
    "sceneflow": Case("sceneflow-resfields"),
}
"""Every task, every loss and every sampler."""


def _train(config: ResFieldsTrainerConfig) -> dict[str, Any]:
    """Train, and say what was told of every step, what was learnt and what is measured."""
    seed_everything()
    config.save_config()
    trainer = config.setup(local_rank=0, world_size=1)
    trainer.setup()
    iteration, told = trainer.train_iteration, []

    def recorded(step: int) -> tuple[Any, Any, Any]:
        loss, losses, metrics = iteration(step)
        told.append({name: value.item() for name, value in {"loss": loss, **losses}.items()})
        return loss, losses, metrics

    trainer.train_iteration = recorded
    trainer.train()
    metrics = trainer.pipeline.get_average_eval_image_metrics(output_path=config.output_dir / "pictures")
    return {"told": told, "state": trainer.pipeline.state_dict(), "metrics": metrics}


def _work(rank: int, count: int, port: int, case: str, data: Path, folder: Path, changes: dict[str, Any]) -> None:
    """One of several processes, told what torchrun tells its own."""
    torch.set_num_threads(1)
    os.environ.update(RANK=str(rank), LOCAL_RANK=str(rank), WORLD_SIZE=str(count))
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port))
    try:
        found = _train(replace(CASES[case].config(data, folder), **changes))
    except BaseException:
        (folder / f"{rank}.txt").write_text(traceback.format_exc())
        raise
    torch.save(found, folder / f"{rank}.pt")


def _together(count: int, case: str, data: Path, folder: Path, **changes: Any) -> list[dict[str, Any]]:
    """What each of several processes found."""
    folder.mkdir(exist_ok=True)
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    workers = [
        _SPAWN.Process(target=_work, args=(rank, count, port, case, data, folder, changes)) for rank in range(count)
    ]
    for worker in workers:
        worker.start()
    try:
        for worker in workers:
            worker.join(TIMEOUT)
    finally:
        for worker in workers:
            worker.kill()
    assert [worker.exitcode for worker in workers] == [0] * count, [f.read_text() for f in folder.glob("*.txt")]
    return [torch.load(folder / f"{rank}.pt", weights_only=False) for rank in range(count)]


def _alone(case: str, data: Path, folder: Path, **changes: Any) -> dict[str, Any]:
    """What one process finds."""
    return _train(replace(CASES[case].config(data, folder), **changes))


def _same(states: list[dict[str, torch.Tensor]], expected: dict[str, torch.Tensor]) -> None:
    """The processes have one state, bit by bit, and it is the expected one but for rounding."""
    for name, value in expected.items():
        assert all(torch.equal(state[name], states[0][name]) for state in states), name
        torch.testing.assert_close(states[0][name], value, rtol=1e-3, atol=1e-5, msg=lambda text: f"{name}: {text}")


@over("case", {name: name for name in CASES})
def test_processes_train_and_evaluate_as_one(case: str, tiny_data: Callable[[Family], Path], tmp_path: Path) -> None:
    data = tiny_data(CASES[case].family)
    one, several = _alone(case, data, tmp_path / "one"), _together(2, case, data, tmp_path / "several")
    _same([found["state"] for found in several], one["state"])
    for found in several:
        assert len(found["told"]) == len(one["told"]) == 4
        for mine, expected in zip(found["told"], one["told"], strict=True):
            assert mine == pytest.approx(expected, rel=2e-4, abs=1e-6)
        assert found["metrics"].keys() == one["metrics"].keys()
