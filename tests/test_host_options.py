"""Options that the host declares: they act, are hidden, or are refused where they cannot."""

from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from typing import Any, get_args, get_type_hints

import pytest
import tyro
from nerfstudio.configs.base_config import LoggingConfig, MachineConfig
from tyro.conf import Suppress

from resfields_ns.host.trainer import ResFieldsTrainerConfig
from resfields_ns.options import Options, Traits
from tests.methods import METHODS
from tests.test_options import as_one_line, parse, preset, refusal

_HIDES = get_args(Suppress[int])[1]
_HIDDEN = (
    *("--viewer.relative-log-filename", "--pipeline.datamanager.collate-fn"),
    *("--logging.local-writer.max-log-size", "--logging.local-writer.stats-to-track"),
    *("--prompt", "--preset", "--viewer.num-rays-per-chunk", "--optimizers.field.scheduler.max-steps"),
    *(f"--pipeline.model.{name}" for name in ("prompt", "enable-collider", "collider-params", "loss-coefficients")),
    *("--pipeline.datamanager.masks-on-gpu", "--pipeline.datamanager.images-on-gpu"),
    *("--pipeline.datamanager.patch-size", "--pipeline.datamanager.pixel-sampler"),
    *("--pipeline.datamanager.eval-image-indices", "--pipeline.datamanager.camera-res-scale-factor"),
    *(
        "--pipeline.datamanager.train-num-images-to-sample-from",
        "--pipeline.datamanager.eval-num-images-to-sample-from",
    ),
    *(
        "--pipeline.datamanager.train-num-times-to-repeat-images",
        "--pipeline.datamanager.eval-num-times-to-repeat-images",
    ),
)


@pytest.mark.parametrize("method", METHODS)
def test_options_of_the_host_that_do_nothing_are_not_shown(method: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse(method, "--help")
    shown = capsys.readouterr().out
    assert "--pipeline.model.eval-num-rays-per-chunk" in shown
    assert not [name for name in _HIDDEN if name in shown]


@pytest.mark.parametrize("arguments", ["patch-size 2", "pixel-sampler.num-rays-per-batch 5"])
def test_options_of_the_host_that_do_nothing_are_unknown(arguments: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Of one method's config: of what is unknown, tyro tells where all subcommands have something like it."""
    name, value = f"--pipeline.datamanager.{arguments}".split()
    with pytest.raises(SystemExit):
        tyro.cli(ResFieldsTrainerConfig, default=preset("tnerf-resfields"), args=[name, value])
    said = as_one_line(capsys)
    assert "Unrecognized" in said and name in said


_ALWAYS_ACT = {
    *("output_dir", "method_name", "experiment_name", "timestamp", "relative_model_dir", "data", "vis"),
    *("load_dir", "load_config", "save_only_latest_checkpoint", "max_num_iterations", "steps_per_save"),
    *("gradient_accumulation_steps", "machine.seed", "machine.device_type"),
    *("machine.num_devices", "machine.num_machines"),
    *("logging.max_buffer_size", "logging.profiler", "logging.local_writer.enable"),
    *("viewer.websocket_host", "viewer.websocket_port", "viewer.max_num_display_images"),
    "viewer.quit_on_train_completion",
    *("pipeline.datamanager.data", "pipeline.datamanager.dataparser.data"),
    *("pipeline.datamanager.train_num_rays_per_batch", "pipeline.model.eval_num_rays_per_chunk"),
    *(
        f"optimizers.{group}.optimizer.{name}"
        for group in ("field", "codes", "planes", "background", "colour_correction", "camera_poses", "camera_times")
        for name in ("lr", "eps", "max_norm", "weight_decay")
    ),
}
"""Options of the host that act wherever what holds them does: each was looked up in the host's code and ours."""


def _free_options(config: Any, path: str = "", below: frozenset[str] = frozenset()) -> Iterator[str]:
    """Paths of the options of a tree of configs that the host declares, and that are neither hidden nor conditional."""
    if isinstance(config, dict):
        for key, value in config.items():
            yield from _free_options(value, f"{path}{key}.", below)
    if not is_dataclass(config) or isinstance(config, type):
        return
    hints = get_type_hints(type(config), include_extras=True)
    bases = [base for base in type(config).__mro__ if base.__module__.startswith("nerfstudio.")]
    of_host = {name for base in bases for name in vars(base).get("__annotations__", {})}
    if isinstance(config, Options):
        below |= {path + name for name in config.below}
    for entry in fields(config):
        value, where = getattr(config, entry.name), path + entry.name
        if entry.name == "_target" or _HIDES in get_args(hints[entry.name]):
            continue
        if is_dataclass(value) or entry.name == "optimizers":
            yield from _free_options(value, f"{where}.", below)
        elif entry.name in of_host and not Traits.of(entry).acts and where not in below:
            yield where


@pytest.mark.parametrize("method", METHODS)
def test_every_option_of_the_host_is_known_to_act_or_conditional_or_hidden(method: str) -> None:
    assert set(_free_options(preset(method))) <= _ALWAYS_ACT


def test_what_is_known_to_act_is_there() -> None:
    assert {path for method in METHODS for path in _free_options(preset(method))} == _ALWAYS_ACT


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--machine.num-devices 0", "--machine.num-devices: expected at least 1, got 0"),
        ("--machine.num-machines 0", "--machine.num-machines: expected at least 1, got 0"),
        ("--machine.num-machines 2", "--machine.dist-url: expected tcp://HOST:PORT with several machines, got auto"),
        (
            "--machine.num-machines 2 --machine.dist-url tcp://here:1 --machine.machine-rank 2",
            "--machine.machine-rank: expected less than num-machines, 2, got 2",
        ),
        (
            "--machine.num-devices 2 --machine.device-type mps",
            "--machine.device-type: expected cuda or cpu with several processes, got mps",
        ),
        ("--machine.seed -1", "--machine.seed: expected 0 to 4294967295, got -1"),
        ("--logging.max-buffer-size 0", "--logging.max-buffer-size: expected at least 1, got 0"),
        ("--logging.steps-per-log 0", "--logging.steps-per-log: expected at least 1 with local-writer.enable True"),
        ("--gradient-accumulation-steps field 0", "--gradient-accumulation-steps: expected at least 1, got 0"),
        ("--gradient-accumulation-steps planes 2", "--gradient-accumulation-steps: expected no planes, as the model"),
    ],
)
def test_options_of_the_host_have_bounds(arguments: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert message in refusal(capsys, "tnerf-resfields", *arguments.split())


@pytest.mark.parametrize(
    "arguments",
    [
        "--vis tensorboard --logging.relative-log-dir logs --steps-per-eval-batch 5 --log-gradients True",
        "--vis viewer --logging.relative-log-dir logs --logging.profiler pytorch",
        "--vis viewer --logging.steps-per-log 5",
        "--vis tensorboard --logging.local-writer.enable False --logging.steps-per-log 0",
        "--load-dir run --load-scheduler False --machine.seed 3",
        "--vis viewer_legacy --viewer.max-num-display-images 3 --viewer.websocket-port-default 7011",
        "--viewer.image-format png --viewer.make-share-url True --viewer.websocket-port 7010",
        "--machine.num-devices 2 --machine.dist-url tcp://here:1",
        "--machine.num-machines 2 --machine.machine-rank 1 --machine.dist-url tcp://here:1",
        "--gradient-accumulation-steps field 2 --pipeline.datamanager.eval-num-rays-per-batch 50",
    ],
)
def test_options_of_the_host_that_act_are_accepted(arguments: str) -> None:
    assert parse("tnerf-resfields", *arguments.split()) != preset("tnerf-resfields")


def test_a_run_of_an_earlier_version_keeps_its_machine_and_logging() -> None:
    config = replace(preset("tnerf-resfields"), machine=MachineConfig(seed=3), logging=LoggingConfig(steps_per_log=7))
    config.check_options()
    assert (config.machine.seed, config.logging.steps_per_log) == (3, 7)
