"""Numbers that break: a run stops at once with what broke, and nothing good is lost to it."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from nerfstudio.scripts import train
from nerfstudio.scripts.eval import ComputePSNR
from nerfstudio.utils.eval_utils import eval_setup
from torch import nn
from torch.amp.grad_scaler import GradScaler

from resfields_ns.host.checkpoints import list_checkpoints
from resfields_ns.host.finite_numbers import broken_parameter, broken_step
from tests.cases import over
from tests.family import Family
from tests.methods import METHODS, family_of, tiny_config, trained

TASKS = ("tnerf-resfields", "tnerf-resfields-small", "video-resfields", "sdf-resfields", "sceneflow-resfields")


def _diverge(method: str, data: Path, folder: Path) -> tuple[ValueError, list[str]]:
    """What is said of a run whose rate of learning is far too great, and names of the checkpoints that it leaves."""
    config = tiny_config(METHODS[method], data, folder)
    config.optimizers["field"]["optimizer"].lr = 1e6
    config.steps_per_save = 1
    with pytest.raises(ValueError) as error:
        trained(config)
    checkpoints = list_checkpoints(config.get_checkpoint_dir())
    for path in checkpoints:
        state = torch.load(path, weights_only=True)["pipeline"]
        assert all(values.isfinite().all() for values in state.values() if values.is_floating_point())
    return error.value, [path.name for path in checkpoints]


@over("method", {method: method for method in TASKS})
def test_a_run_that_diverges_stops(method: str, tiny_data: Callable[[Family], Path], tmp_path: Path) -> None:
    error, _ = _diverge(method, tiny_data(family_of(METHODS[method])), tmp_path)
    expected = (
        r"step [0-3]: expected finite numbers, found (the loss \w+|the gradient of the group field) = (nan|inf); "
    )
    assert pytest.RaisesExc(ValueError, match=f"^{expected}.*try a smaller learning rate").matches(error)


def test_a_run_without_masks_that_diverges_stops(demo_capture: Path, tmp_path: Path) -> None:
    data = Path(shutil.copytree(demo_capture, tmp_path / "maskless", ignore=shutil.ignore_patterns("mask")))
    error, _ = _diverge("tnerf-resfields", data, tmp_path / "run")
    assert "step 1: expected finite numbers, found the loss colour = nan" in str(error)


@pytest.mark.parametrize("broken", ["loss", "gradient"])
def test_the_checkpoint_before_is_kept(
    broken: str, tiny_data: Callable[[Family], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch
) -> None:
    """Whatever breaks in a step, the step is named, the last checkpoint stays, and ns-train ends with status 1."""
    method = METHODS["video-resfields"]
    config = tiny_config(method, tiny_data(family_of(method)), tmp_path)
    config.steps_per_save = 1
    step_losses = config.pipeline._target.get_train_loss_dict

    def break_it(self: Any, step: int) -> Any:
        outputs, losses, metrics = step_losses(self, step)
        weight = max(self.model.parameters(), key=torch.numel)
        if step == 3 and broken == "loss":
            losses["colour"] = losses["colour"] * float("inf")
        elif step == 3:
            losses["colour"] = losses["colour"] + 0.0 * (weight - weight.detach()).abs().sqrt().sum()
        return outputs, losses, metrics

    monkeypatch.setattr(config.pipeline._target, "get_train_loss_dict", break_it)
    with pytest.raises(SystemExit) as ended:
        train.main(config)
    assert ended.value.code == 1
    (line,) = (line for line in capsys.readouterr().err.splitlines() if line.startswith("Error: "))
    found = {"loss": "the loss colour = inf", "gradient": "the gradient of the group field = nan"}
    last = config.get_checkpoint_dir() / "step-000000002.ckpt"
    assert (
        line.startswith(f"Error: step 3: expected finite numbers, found {found[broken]}")
        and f"; {last} is kept" in line
    )
    assert list_checkpoints(config.get_checkpoint_dir())[-1] == last


def test_a_scaler_that_skips_steps_is_no_fault() -> None:
    """Gradients too great for half precision are made smaller; only where there is no end to it is something broken."""
    weight = nn.Parameter(torch.ones(2))
    weight.grad = torch.tensor([1.0, float("inf")])
    losses, groups = {"colour": torch.tensor(0.5)}, {"field": [weight]}
    scaler = GradScaler("cpu", init_scale=2.0**16)
    assert broken_step(losses, groups, scaler) is None
    broken = broken_step(losses, groups, GradScaler("cpu", enabled=False))
    assert broken == "the gradient of the group field = inf"
    scaler = GradScaler("cpu", init_scale=2.0**-30)
    scaler.scale(torch.ones(1))
    broken = broken_step(losses, groups, scaler)
    assert broken is not None and "however they are scaled" in broken
    assert broken_step({"colour": torch.tensor(float("nan"))}, {}, GradScaler("cpu")) == "the loss colour = nan"
    assert broken_parameter(nn.Linear(2, 2)) is None


def test_a_run_that_had_broken_is_refused(tiny_run: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(tiny_run.parent, tmp_path / "run"))
    (path,) = list_checkpoints(run / "nerfstudio_models")
    state = torch.load(path, weights_only=True)
    name = next(name for name in state["pipeline"] if name.endswith("layers.0.weight"))
    state["pipeline"][name][0, 0] = float("nan")
    torch.save(state, path)
    with pytest.raises(ValueError, match=f"^{path.name}: expected finite numbers, found NaN or infinity in the param"):
        eval_setup(run / "config.yml", test_mode="inference")


def test_a_metric_that_is_not_finite_is_told_plainly(tiny_run: Path, tmp_path: Path, monkeypatch) -> None:
    model = type(eval_setup(tiny_run)[1].model)
    measure = model.get_image_metrics_and_images
    counter = iter(range(100))

    def break_first(self: Any, outputs: Any, batch: Any) -> Any:
        metrics, pictures = measure(self, outputs, batch)
        return {**metrics, "psnr": float("nan") if next(counter) == 0 else metrics["psnr"]}, pictures

    monkeypatch.setattr(model, "get_image_metrics_and_images", break_first)
    ComputePSNR(tiny_run, tmp_path / "metrics.json").main()
    results = json.loads((tmp_path / "metrics.json").read_text(), parse_constant=pytest.fail)["results"]
    values = [frame["psnr"] for frame in results["per_frame"]]
    assert values[0] is None and results["psnr"] == pytest.approx(sum(values[1:]) / 3)
    assert results["facts"]["not_finite"] == {"psnr": 1}
