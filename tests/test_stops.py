"""Runs that signals stop, that are damaged, or whose disk is full: nothing is lost, and they go on to the same bits."""

import os
import signal
import threading
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from nerfstudio.scripts import train
from nerfstudio.utils.eval_utils import eval_setup

from resfields_ns.host.checkpoints import hold_run, is_intact, list_checkpoints, load_checkpoint, release_run
from resfields_ns.host.resumed_run import resume_run
from resfields_ns.host.stops import Stopped, ended_by_sigterm
from resfields_ns.host.trainer import ResFieldsTrainerConfig
from tests.cases import over
from tests.family import Family
from tests.methods import METHODS, family_of, tiny_config


def _evaluates(config: ResFieldsTrainerConfig) -> None:
    config.steps_per_eval_batch, config.steps_per_eval_image = 1, 2


def _accumulates(config: ResFieldsTrainerConfig) -> None:
    config.gradient_accumulation_steps = {"field": 2}


RUNS: dict[str, tuple[str, Callable[[ResFieldsTrainerConfig], None]]] = {
    "evaluated": ("tnerf-resfields-small", _evaluates),
    "accumulated": ("nerfies-resfields", _accumulates),
    "video": ("video-resfields", lambda config: None),
    "sdf": ("sdf-resfields", lambda config: None),
    "sceneflow": ("sceneflow-resfields", lambda config: None),
}


def _config(name: str, tiny_data: Callable[[Family], Path], folder: Path) -> ResFieldsTrainerConfig:
    method, change = RUNS[name]
    config = tiny_config(METHODS[method], tiny_data(family_of(METHODS[method])), folder)
    change(config)
    return config


def _at_step(config: ResFieldsTrainerConfig, patch: pytest.MonkeyPatch, at: int, act: Callable[[], Any]) -> None:
    """Let something happen in the middle of a step of runs of a method."""
    pipeline = config.pipeline._target
    original = pipeline.get_train_loss_dict

    def acting(self: Any, step: int) -> Any:
        result = original(self, step)
        if step == at:
            act()
        return result

    patch.setattr(pipeline, "get_train_loss_dict", acting)


def _send(number: int) -> Callable[[], None]:
    return lambda: os.kill(os.getpid(), number)


def _state(config: ResFieldsTrainerConfig) -> dict[str, torch.Tensor]:
    """What was learnt at the end of a run."""
    state = load_checkpoint(list_checkpoints(config.get_checkpoint_dir())[-1])
    assert state["step"] == config.max_num_iterations - 1
    return state["pipeline"]


def _assert_same(config: ResFieldsTrainerConfig, other: ResFieldsTrainerConfig) -> None:
    found = _state(other)
    for name, expected in _state(config).items():
        assert torch.equal(expected, found[name]), name


@over("name", {name: name for name in RUNS})
def test_a_stopped_run_goes_on_to_the_same_bits(
    name: str,
    tiny_data: Callable[[Family], Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Stopped twice, the second time in its last step, and each time with the signal's status and one line."""
    whole, stopped = (_config(name, tiny_data, tmp_path / folder) for folder in ("whole", "stopped"))
    train.main(whole)
    for step, number, resume in ((1, signal.SIGINT, False), (3, signal.SIGTERM, True)):
        with monkeypatch.context() as patch:
            _at_step(stopped, patch, step, _send(number))
            capsys.readouterr()
            with pytest.raises(SystemExit) as ended:
                resume_run(stopped.get_base_dir()) if resume else train.main(stopped)
        assert ended.value.code == 128 + number
        assert load_checkpoint(list_checkpoints(stopped.get_checkpoint_dir())[-1])["step"] == step
        lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("Stopped by")]
        assert len(lines) == 1 and f"{signal.Signals(number).name} after {step + 1} of 4 steps: " in lines[0]
    before = (stopped.get_base_dir() / "config.yml").read_bytes()
    resume_run(stopped.get_base_dir())
    assert "4 of 4 steps are made" in capsys.readouterr().out
    assert (stopped.get_base_dir() / "config.yml").read_bytes() == before
    _assert_same(whole, stopped)


def test_a_run_that_has_saved_nothing_begins_anew(tiny_data: Callable[[Family], Path], tmp_path: Path) -> None:
    whole, stopped = (_config("video", tiny_data, tmp_path / folder) for folder in ("whole", "stopped"))
    train.main(whole)
    stopped.save_config()
    release_run(stopped.get_base_dir())
    resume_run(stopped.get_base_dir())
    _assert_same(whole, stopped)


def test_processes_stop_together(
    tiny_data: Callable[[Family], Path], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """The launcher alone is asked, passes it on, and ends as its processes do, with one checkpoint of one step."""
    config = _config("video", tiny_data, tmp_path)
    config.machine.num_devices, config.max_num_iterations, config.steps_per_save = 2, 100_000, 5

    def stop_later() -> None:
        while not list_checkpoints(config.get_checkpoint_dir()):
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=stop_later, daemon=True).start()
    with pytest.raises(SystemExit) as ended:
        train.main(config)
    assert ended.value.code == 128 + signal.SIGTERM
    last = list_checkpoints(config.get_checkpoint_dir())[-1]
    said = " ".join(capfd.readouterr().out.split())
    assert said.count("Stopped by SIGTERM") == 1 and last.name in said


def test_a_stop_before_the_first_step_leaves_nothing(
    tiny_data: Callable[[Family], Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    config = _config("video", tiny_data, tmp_path)
    monkeypatch.setattr(config.pipeline._target, "get_param_groups", lambda self: _send(signal.SIGINT)())
    with pytest.raises(SystemExit) as ended:
        train.main(config)
    assert ended.value.code == 130 and capsys.readouterr().err.count("Stopped by SIGINT") == 1
    assert not config.get_checkpoint_dir().exists()


def _damage(path: Path, how: str) -> None:
    data = bytearray(path.read_bytes())
    if how == "cut":
        data = data[: len(data) // 2]
    elif how == "empty":
        data = bytearray()
    else:
        with zipfile.ZipFile(path) as archive:
            largest = max(archive.infolist(), key=lambda member: member.file_size)
            place = data.index(archive.read(largest))
        data[place + largest.file_size // 2] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize(("number", "expected"), [(signal.SIGTERM, Stopped), (signal.SIGINT, KeyboardInterrupt)])
def test_a_stop_while_a_class_is_made_is_a_stop(number: int, expected: type[BaseException]) -> None:
    """As while a command imports what it needs; Python wraps what comes then into a RuntimeError."""

    class Stopping:
        def __set_name__(self, owner: type, name: str) -> None:
            os.kill(os.getpid(), number)

    with pytest.raises(expected), ended_by_sigterm():
        type("Made", (), {"field": Stopping()})


@pytest.mark.parametrize("how", ["cut", "empty", "one bit"])
def test_a_damaged_checkpoint_gives_way_to_the_one_before(
    how: str, tiny_data: Callable[[Family], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = _config("video", tiny_data, tmp_path)
    config.steps_per_save = 1
    train.main(config)
    expected = _state(config)
    before, last = list_checkpoints(config.get_checkpoint_dir())
    assert [path.name for path in (before, last)] == ["step-000000002.ckpt", "step-000000003.ckpt"]
    _damage(last, how)
    capsys.readouterr()
    assert eval_setup(config.get_base_dir() / "config.yml")[3] == 2
    said = " ".join(capsys.readouterr().out.split())
    assert f"{last.name} is damaged; {before.name} before it is taken" in said
    resume_run(config.get_base_dir())
    assert "3 of 4 steps are made" in capsys.readouterr().out and is_intact(last)
    for name, value in _state(config).items():
        assert torch.equal(value, expected[name]), name
    for path in (before, last):
        _damage(path, how)
    with pytest.raises(ValueError, match="expected a checkpoint that is intact in .*, found 2 damaged"):
        resume_run(config.get_base_dir())


def test_a_full_disk_costs_no_checkpoint(
    tiny_data: Callable[[Family], Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    config = _config("video", tiny_data, tmp_path)
    config.steps_per_save = 2
    save = torch.save

    def fill(state: Any, file: Any) -> None:
        save(state, file)
        if state["step"] == 3:
            with Path("/dev/full").open("wb") as full:
                full.write(b"0")

    with monkeypatch.context() as patch:
        patch.setattr(torch, "save", fill)
        with pytest.raises(SystemExit) as ended:
            train.main(config)
    assert ended.value.code == 1
    (kept,) = list_checkpoints(config.get_checkpoint_dir())
    line = capsys.readouterr().err.splitlines()[-1]
    assert (
        line.startswith(f"Error: {kept.with_name('step-000000003.ckpt')}: expected room") and f"{kept} is kept" in line
    )
    assert not [path for path in config.get_base_dir().iterdir() if "unfinished" in path.name]
    resume_run(config.get_base_dir())
    assert _state(config)


def test_two_trainings_of_one_run_are_refused(tmp_path: Path, tiny_data: Callable[[Family], Path]) -> None:
    config = _config("video", tiny_data, tmp_path)
    reader, writer = os.pipe()
    if (child := os.fork()) == 0:
        hold_run(config.get_base_dir())
        os.write(writer, b"1")
        time.sleep(60)
    try:
        os.read(reader, 1)
        with pytest.raises(ValueError, match="expected a run that no other process trains, found one: give another"):
            config.save_config()
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    config.save_config()
