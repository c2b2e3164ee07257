"""rf-import-released on videos: checkpoints as the released code writes them become runs."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from nerfstudio.scripts.eval import ComputePSNR

from resfields_ns.captures.clips.clip_pixels import HoldOut
from resfields_ns.commands import import_released
from resfields_ns.fields.siren_field import SirenField, SirenFieldConfig
from resfields_ns.fields.value_field import Picture
from resfields_ns.functional.intersections import pixel_coordinates
from resfields_ns.functional.segments import TimedPoints
from resfields_ns.host.trained_run import load_trained_run
from resfields_ns.released.released_method import released_shape
from resfields_ns.released.released_siren import siren_parameters
from tests.cases import perturb_parameters
from tests.family import Family
from tests.video_family import HEIGHT, NUM_FRAMES, VIDEO_FAMILY, WIDTH

CONFIGS = {
    "residual": SirenFieldConfig(residual_layers=(1, 3), rank=2, num_layers=4, hidden_dim=8),
    "plain": SirenFieldConfig(residual_layers=(), num_layers=2, hidden_dim=12),
}


def _field(config: SirenFieldConfig) -> SirenField:
    torch.manual_seed(0)
    field = config.setup(num_frames=NUM_FRAMES, quantity=Picture(HEIGHT, WIDTH))
    perturb_parameters(field, scale=0.03)
    return field.eval()


def _checkpoint(field: SirenField) -> dict[str, Any]:
    """What Lightning saves of a network."""
    parameters = siren_parameters(field).items()
    tensors = {name: parameter.detach().reshape(released_shape(name, parameter)) for name, parameter in parameters}
    return {"global_step": 700, "state_dict": {f"model.{name}": tensor for name, tensor in tensors.items()}}


@pytest.fixture
def rf_import(
    monkeypatch: pytest.MonkeyPatch, tiny_data: Callable[[Family], Path], tmp_path: Path
) -> Callable[..., Path]:
    """Run rf-import-released on a checkpoint and the tiny video; returns the run's config.yml."""

    def run(content: dict[str, Any], *options: str) -> Path:
        torch.save(content, tmp_path / "last.ckpt")
        common = [str(tmp_path / "last.ckpt"), "--data", str(tiny_data(VIDEO_FAMILY)), "--output-dir", str(tmp_path)]
        monkeypatch.setattr(sys, "argv", ["rf-import-released", *common, *options])
        import_released.entrypoint()
        (config,) = tmp_path.rglob("config.yml")
        return config

    return run


@pytest.mark.parametrize("name", CONFIGS)
def test_an_imported_run_shows_what_its_source_says(
    name: str, rf_import: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = CONFIGS[name]
    field = _field(config)
    run = load_trained_run(rf_import(_checkpoint(field)))
    points = pixel_coordinates(torch.arange(HEIGHT * WIDTH), HEIGHT, WIDTH)
    for frame in (0, NUM_FRAMES - 1):
        picture = run.model.get_outputs_for_camera(run.eval_dataset.cameras[frame : frame + 1])["rgb"]
        expected = field.values(TimedPoints.at(points, frame / (NUM_FRAMES - 1))).clamp(0.0, 1.0)
        assert torch.allclose(picture.view(-1, 3), expected, atol=1e-3) and picture.std() > 0.01
    report = capsys.readouterr().out.splitlines()
    assert f"Method: Siren of a video, {config.num_layers} hidden layers of width {config.hidden_dim}" in report
    assert f"Residual layers: {'1, 3 of rank 2' if config.residual_layers else 'none'}" in report


def test_an_imported_run_is_evaluated_on_the_released_pixels(rf_import: Callable[..., Path], tmp_path: Path) -> None:
    ComputePSNR(rf_import(_checkpoint(_field(CONFIGS["residual"]))), tmp_path / "metrics.json").main()
    results = json.loads((tmp_path / "metrics.json").read_text())["results"]
    assert results["facts"]["steps"] == 700 and results["facts"]["held_out_pixels"] == 19 / (HEIGHT * WIDTH)
    assert {"psnr_train", "psnr_test"} <= results.keys()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"model.net.1.weight": torch.zeros(8, 7)},
            r"Siren; net.1.weight: expected \[8, 8\], found \[8, 7\]",
        ),
        ({"model.net.2.weights_t": torch.zeros(9)}, r"net.2.weights_t: expected none, found \[9\]"),
        ({"model.net.1.weights_t": torch.zeros(4, 2)}, r"net.3.weights_t: expected \[4, 2\], found \[5, 2\]"),
        (
            {"model.net.0.weight": torch.zeros(8, 4)},
            r"expected a dynamic field \(sdf_net.*, found no such",
        ),
    ],
)
def test_checkpoints_that_do_not_fit(
    change: dict[str, Any], message: str, rf_import: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    content = _checkpoint(_field(CONFIGS["residual"]))
    content["state_dict"] |= change
    with pytest.raises(SystemExit, match="1"):
        rf_import(content)
    assert pytest.RaisesExc(ValueError, match=message).matches(ValueError(capsys.readouterr().err.strip()))


def test_wrong_number_of_frames(rf_import: Callable[..., Path], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="1"):
        rf_import(_checkpoint(_field(CONFIGS["residual"])), "--frames", "0:3")
    assert "--frames: expected the 5 frames that" in capsys.readouterr().err


def test_held_out_pixels_are_those_of_the_released_code() -> None:
    np.random.seed(42)  # noqa: NPY002
    expected = np.stack([np.sort(np.random.choice(np.arange(90), 9, replace=False)) for _ in range(4)])  # noqa: NPY002
    np.testing.assert_array_equal(HoldOut.choose(4, 90, 0.1, 0.0, seed=42).pixels, expected)
