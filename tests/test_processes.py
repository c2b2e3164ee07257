"""Runs of several processes: what two or three make together is what one makes alone."""

import multiprocessing
import os
import signal
import socket
import traceback
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
import torch
from nerfstudio.configs.base_config import MachineConfig
from nerfstudio.scripts import train
from nerfstudio.utils import comms

from resfields_ns.fields.hash_grid_field import HashGridFieldConfig
from resfields_ns.functional import shares
from resfields_ns.functional.segments import TimeSegments
from resfields_ns.host.host_configs import SequenceModelConfig
from resfields_ns.host.processes import let_host_launch
from resfields_ns.host.trainer import ResFieldsTrainerConfig
from resfields_ns.models.dynamic_model import DynamicModelConfig
from resfields_ns.models.video_model import VideoModelConfig
from resfields_ns.pipelines import sequence_pipeline
from tests.cases import over
from tests.family import Family
from tests.methods import METHODS, family_of, seed_everything, tiny_config
from tests.test_options import refusal

TIMEOUT = 240  # seconds, for a busy machine
_SPAWN = multiprocessing.get_context("forkserver")
_SPAWN.set_forkserver_preload(["tests.test_processes"])


@dataclass(frozen=True)
class Case:
    """A method, and how it is made to use what others do not."""

    method: str
    change: Callable[[ResFieldsTrainerConfig], None] = lambda config: None
    processes: int = 2

    def config(self, data: Path, folder: Path) -> ResFieldsTrainerConfig:
        """A tiny configuration whose Adam does not make a step of rounding errors."""
        config = tiny_config(METHODS[self.method], data, folder)
        config.timestamp = "run"
        self.change(config)
        model = config.pipeline.model
        assert isinstance(model, SequenceModelConfig)
        for group in model.parameter_groups:
            config.optimizers[group]["optimizer"].eps = 1e-3
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
    datamanager: Any = config.pipeline.datamanager
    datamanager.train_num_rays_per_batch, datamanager.frames_per_batch = 67, 3


def _one_frame(config: ResFieldsTrainerConfig) -> None:
    """Fewer segments than processes, and an occupancy that is learned."""
    datamanager: Any = config.pipeline.datamanager
    datamanager.frames_per_batch = 1
    model = config.pipeline.model
    assert isinstance(model, DynamicModelConfig)
    model.sampler.kind, model.sampler.resolution, model.sampler.renewal_steps = "learned-occupancy", 8, 1
    model.initial_beta = 0.02


def _evaluated_meanwhile(config: ResFieldsTrainerConfig) -> None:
    config.steps_per_eval_batch = config.steps_per_eval_image = config.steps_per_eval_all_images = 2


def _hash_grid(config: ResFieldsTrainerConfig) -> None:
    model = config.pipeline.model
    assert isinstance(model, VideoModelConfig)
    grid = HashGridFieldConfig(num_levels=3, log2_hashmap_size=8)
    config.pipeline.model = replace(model, network="hash-grid", field=VideoModelConfig().field, hash_grid=grid)


def _supervised(supervision: str) -> Callable[[ResFieldsTrainerConfig], None]:
    def change(config: ResFieldsTrainerConfig) -> None:
        datamanager: Any = config.pipeline.datamanager
        datamanager.supervision = supervision

    return change


CASES = {
    "rgbd": Case("tnerf-resfields-rgbd", _hierarchical, processes=3),
    "small": Case("tnerf-resfields-small"),
    "one-frame": Case("nerfies-resfields", _one_frame),
    "planes": Case("hexplane-resfields"),
    "video": Case("video-resfields", _evaluated_meanwhile),
    "hash-grid": Case("video-resfields", _hash_grid),
    "distances": Case("sdf-resfields"),
    "oriented-points": Case("sdf-resfields", _supervised("oriented-points")),
    "occupancy": Case("sdf-resfields", _supervised("occupancy")),
    "sceneflow": Case("sceneflow-resfields"),
}
"""Every task, every loss and every sampler."""


def _train(config: ResFieldsTrainerConfig, kill_at: int | None = None) -> dict[str, Any]:
    """Train, and say what was told of every step, what was learnt, what is measured, and on how many images here."""
    seed_everything()
    config.save_config()
    trainer = config.setup(local_rank=0, world_size=1)
    trainer.setup()
    start = {name: value.clone() for name, value in trainer.pipeline.state_dict().items()}
    iteration, told = trainer.train_iteration, []

    def recorded(step: int) -> tuple[Any, Any, Any]:
        if step == kill_at and comms.is_main_process():
            os.kill(os.getpid(), signal.SIGKILL)
        loss, losses, metrics = iteration(step)
        told.append({name: value.item() for name, value in {"loss": loss, **losses}.items()})
        return loss, losses, metrics

    trainer.train_iteration = recorded
    trainer.train()
    model = trainer.pipeline.model
    with patch.object(model, "get_outputs_for_camera", wraps=model.get_outputs_for_camera) as rendered:
        metrics = trainer.pipeline.get_average_eval_image_metrics(output_path=config.output_dir / "pictures")
    state = trainer.pipeline.state_dict()
    return {"told": told, "start": start, "state": state, "metrics": metrics, "images": rendered.call_count}


def _work(rank: int, count: int, port: int, case: str, data: Path, folder: Path, changes: dict[str, Any]) -> None:
    """One of several processes, told what torchrun tells its own."""
    torch.set_num_threads(1)
    os.environ.update(RANK=str(rank), LOCAL_RANK=str(rank), WORLD_SIZE=str(count))
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port))
    kill_at = changes.pop("kill_at", None)
    try:
        found = _train(replace(CASES[case].config(data, folder), **changes), kill_at)
    except BaseException:
        (folder / f"{rank}.txt").write_text(traceback.format_exc())
        raise
    torch.save(found, folder / f"{rank}.pt")


def _launch(count: int, case: str, data: Path, folder: Path, **changes: Any) -> list[int | None]:
    """How several processes end."""
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
            worker.join()
    return [worker.exitcode for worker in workers]


def _together(count: int, case: str, data: Path, folder: Path, **changes: Any) -> list[dict[str, Any]]:
    """What each of several processes found."""
    ends = _launch(count, case, data, folder, **changes)
    assert ends == [0] * count, [path.read_text() for path in folder.glob("*.txt")]
    return [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in range(count)]


def _alone(case: str, data: Path, folder: Path, **changes: Any) -> dict[str, Any]:
    """What one process finds."""
    return _train(replace(CASES[case].config(data, folder), **changes))


def _assert_one(several: list[dict[str, Any]], one: dict[str, Any]) -> None:
    """Processes have one state, bit by bit: that of one process, but for less than a thousandth of what it learnt."""
    for name in one["state"]:
        values = [found["state"][name] for found in several]
        assert all(torch.equal(value, values[0]) for value in values), name
        value, expected, start = (state.float() for state in (values[0], one["state"][name], one["start"][name]))
        error, learnt = (value - expected).norm(), (expected - start).norm()
        assert error <= 1e-3 * learnt + 1e-7, (name, error, learnt)


@over("case", {name: name for name in CASES})
def test_processes_train_and_evaluate_as_one(case: str, tiny_data: Callable[[Family], Path], tmp_path: Path) -> None:
    family, count = CASES[case].family, CASES[case].processes
    one = _alone(case, tiny_data(family), tmp_path / "one")
    several = _together(count, case, tiny_data(family), tmp_path / "several")
    _assert_one(several, one)
    assert len(one["told"]) == 4
    for found in several:
        for mine, expected in zip(found["told"], one["told"], strict=True):
            assert mine == pytest.approx(expected, rel=1e-4, abs=1e-6)
        for name in family.metrics:
            assert found["metrics"][name] == pytest.approx(one["metrics"][name], rel=1e-3, nan_ok=True)
        assert [frame["frame"] for frame in found["metrics"]["per_frame"]] == list(family.frames)
    assert sum(found["images"] for found in several) == one["images"] == len(family.frames)
    assert max(found["images"] for found in several) == -(-len(family.frames) // count)
    pictures = [{path.name for path in (tmp_path / run).rglob("eval_*.png")} for run in ("one", "several")]
    assert pictures[0] == pictures[1] and len(pictures[0]) >= len(family.frames)


@over("case", {name: name for name in ("small", "distances")})
def test_what_two_processes_began_one_ends(case: str, tiny_data: Callable[[Family], Path], tmp_path: Path) -> None:
    """The first is killed, and the other ends, in the third step; one goes on from the only checkpoint."""
    data = tiny_data(CASES[case].family)
    one = _alone(case, data, tmp_path / "one")
    killed = CASES[case].config(data, tmp_path / "killed")
    ends = _launch(2, case, data, tmp_path / "killed", kill_at=2, steps_per_save=1)
    assert ends[0] == -signal.SIGKILL and ends[1] != 0
    assert [path.name for path in killed.get_checkpoint_dir().iterdir()] == ["step-000000001.ckpt"]
    rest = {"load_dir": killed.get_checkpoint_dir(), "max_num_iterations": 2}
    _assert_one([_alone(case, data, tmp_path / "resumed", **rest)], one)


def test_the_host_starts_processes_on_cpus(demo_capture: Path, tmp_path: Path) -> None:
    """As ns-train does: one config.yml, one checkpoint, and what one process learns."""
    one = _alone("rgbd", demo_capture, tmp_path / "one")
    config = CASES["rgbd"].config(demo_capture, tmp_path / "several")
    config.machine = replace(config.machine, num_devices=2)
    train.main(config)
    (checkpoint,) = config.get_checkpoint_dir().iterdir()
    _assert_one([{"state": torch.load(checkpoint, weights_only=True)["pipeline"]}], one)
    assert [path.parent for path in (tmp_path / "several").rglob("config.yml")] == [config.get_base_dir()]


def test_more_processes_than_gpus_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    message = "^--machine.num-devices: expected at most 2, the GPUs of this machine, got 3"
    with pytest.raises(ValueError, match=message):
        let_host_launch(MachineConfig(num_devices=3))


def test_torchrun_starts_the_processes_alone(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "4")
    message = "expected 1 under torchrun, which has started 4 processes, got 2 and 1"
    assert message in refusal(capsys, "tnerf-resfields", "--machine.num-devices", "2")
    said = refusal(capsys, "tnerf-resfields", "--pipeline.cuda-graph", "True")
    assert "--pipeline.cuda-graph: expected False, as it does nothing while 4 processes train" in said


@pytest.mark.parametrize("sizes", [(5,), (4, 4, 4, 4), (3, 1, 7), tuple([69, 68] * 8)])
@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_shares_are_all_of_a_batch_in_order(
    sizes: tuple[int, ...], count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each row is in one share, none is empty, and segments are cut only where they are fewer than processes."""
    monkeypatch.setattr(shares, "num_processes", lambda: count)
    segments, shared = TimeSegments(torch.linspace(0, 1, len(sizes)), sizes), []
    for rank in range(count):
        monkeypatch.setattr(shares, "process_rank", lambda rank=rank: rank)
        shared.append(shares.own_rows(sizes))
    assert [start for start, _ in shared] == [0, *(stop for _, stop in shared[:-1])] and shared[-1][1] == sum(sizes)
    assert all(start < stop for start, stop in shared)
    parts = [segments.rows(start, stop) for start, stop in shared]
    assert torch.equal(torch.cat([part.expand(part.times) for part in parts]), segments.expand(segments.times))
    if count <= len(sizes):
        assert [size for part in parts for size in part.sizes] == list(sizes)


def test_more_processes_than_rays_are_refused(demo_capture: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tiny_config(METHODS["tnerf-resfields"], demo_capture, demo_capture)
    monkeypatch.setattr(sequence_pipeline, "num_processes", lambda: 65)
    with pytest.raises(ValueError, match="expected a batch of 65 or more for as many processes, got 64"):
        config.pipeline.setup(device="cpu")
