"""What a terminal is told: how far a training is, what to do after it, and nothing that concerns other packages."""

import os
import re
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
from nerfstudio.utils import writer

from resfields_ns.commands.command_line import run_command
from resfields_ns.host import progress
from resfields_ns.host.foreign_warnings import quiet_host, quiet_others
from resfields_ns.host.host_configs import SequenceLoggingConfig
from resfields_ns.pipelines.sequence_pipeline import SequencePipeline
from tests.methods import METHODS, tiny_config, trained
from tests.test_docs import Command, check_command


def test_the_line_tells_steps_rate_time_left_and_the_last_psnr(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = [0.0]
    monkeypatch.setattr(progress, "monotonic", lambda: clock[0])
    writer.setup_local_writer(SequenceLoggingConfig(), max_iter=400, banner_messages=["Viewer at 7007"])
    for step in range(200):
        clock[0] += 0.5
        writer.put_time(writer.EventName.ITER_TRAIN_TIME, 0.1, step, update_eta=True)
        if step in (55, 105):
            writer.put_dict("Eval Images Metrics", {"num_rays": 4, "psnr_foreground": 9.0 + step, "ssim": 0.5}, step)
        writer.write_out_storage()
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == ["Viewer at 7007", "step 1 of 400 (0%)"]
    assert "step 41 of 400 (10%)  2 steps/s  0:03:00 left" in lines
    assert "step 56 of 400 (14%)  2 steps/s  0:02:52 left  PSNR_foreground 64.00 dB at step 56" in lines
    assert lines[-1] == "step 191 of 400 (47%)  2 steps/s  0:01:44 left  PSNR_foreground 114.00 dB at step 106"


def test_measures_of_other_tasks_are_told_by_name(capsys: pytest.CaptureFixture[str]) -> None:
    writer.setup_local_writer(SequenceLoggingConfig(), max_iter=10)
    writer.put_time(writer.EventName.ITER_TRAIN_TIME, 0.1, 0)
    writer.put_dict("Eval Images Metrics Dict (all images)", {"chamfer_l1_x1000": 12.3456}, 0)
    writer.write_out_storage()
    assert capsys.readouterr().out == "step 1 of 10 (10%)  chamfer_l1_x1000 12.35 at step 1\n"


def test_a_training_tells_its_psnr_and_what_is_next(
    demo_capture: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tiny_config(METHODS["tnerf-resfields"], demo_capture, tmp_path)
    config.steps_per_eval_image = 2
    trained(config)
    told = capsys.readouterr().out
    assert re.search(r"^step 4 of 4 \(100%\)  .*  PSNR [\d.]+ dB at step 3$", told, flags=re.MULTILINE)
    commands = re.findall(r"^  \w+(?: \w+)*  +((?:ns|rf)-.*)$", told.partition("What is next:\n")[2], re.MULTILINE)
    assert [command.split()[0] for command in commands] == [
        "ns-viewer",
        "ns-eval",
        "rf-render",
        "rf-export",
        "rf-report",
    ]
    run = config.get_base_dir()
    assert (run / "config.yml").is_file() and all(str(run) in command for command in commands)


@pytest.mark.parametrize("method", METHODS)
def test_what_is_next_can_be_typed(method: str, capsys: pytest.CaptureFixture[str]) -> None:
    kind = METHODS[method].config.pipeline._target
    assert issubclass(kind, SequencePipeline)
    for command in kind.next_commands(object.__new__(kind), Path("a folder/run")).values():
        check_command(Command(command, whole=True), capsys)


def _shown() -> list[str]:
    """The modules whose warnings are shown."""
    modules = ("resfields_ns.fields.warps", "nerfstudio.cameras.cameras", "torch.nn", "resfields_nsx")
    with warnings.catch_warnings(record=True) as seen:
        for module in modules:
            warnings.warn_explicit(module, UserWarning, f"{module}.py", 1, module)
    return [str(warning.message) for warning in seen]


def test_our_own_warnings_are_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["rf-nothing"])
    with warnings.catch_warnings():
        warnings.resetwarnings()
        quiet_host()
        assert _shown() == ["resfields_ns.fields.warps", "torch.nn", "resfields_nsx"]
        run_command(lambda: None)
        assert _shown() == ["resfields_ns.fields.warps"]


def test_warnings_that_were_asked_for_are_shown() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        quiet_others()
        quiet_host()
        assert len(_shown()) == 4


def test_nothing_is_said_that_concerns_other_packages(tiny_run: Path, tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONWARNINGS"}
    command = [sys.executable, "-m", "resfields_ns.commands.render", "freeze", "--frame", "1", "--seconds", "0.1"]
    command += ["--scale", "0.25", "--load-config", str(tiny_run), "--output-path", str(tmp_path / "film")]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert "Warning" not in ended.stderr
