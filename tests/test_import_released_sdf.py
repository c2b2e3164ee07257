"""rf-import-released on temporal signed distances: released times are made ours, frame 0 of an .anime is left out."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from resfields_ns.commands import import_released
from resfields_ns.fields.siren_field import SirenField, SirenFieldConfig
from resfields_ns.fields.value_field import ImplicitSurface
from resfields_ns.functional.segments import TimedPoints, TimeSegments
from resfields_ns.host.dataparsing import sequence_of
from resfields_ns.host.trained_run import load_trained_run
from resfields_ns.models.sdf_model import SDFModel
from resfields_ns.released.released_method import released_shape
from resfields_ns.released.released_siren import siren_parameters, take_our_times
from tests.cases import perturb_parameters
from tests.small_sequences import write_anime, write_ply_folder

NUM_FRAMES = 3  # of the .anime, without its frame 0


def _field(residual_layers: tuple[int, ...] = (1, 2), num_frames: int = NUM_FRAMES) -> SirenField:
    torch.manual_seed(0)
    config = SirenFieldConfig(residual_layers=residual_layers, rank=2, num_layers=3, hidden_dim=8)
    field = config.setup(num_frames=num_frames, quantity=ImplicitSurface())
    perturb_parameters(field, scale=0.03)
    return field.eval()


def _released_values(field: SirenField, points: torch.Tensor, frame: int, num_frames: int) -> torch.Tensor:
    """What the released code says: times 2 i / (N + 2) - 1 as input, coefficients looked up by the frame."""
    segments = TimeSegments.single(torch.tensor([frame / (num_frames - 1)]), len(points))
    times = torch.full_like(points[:, :1], 2.0 * frame / (num_frames + 2) - 1.0)
    return field.mlp(torch.cat((times, points), dim=1), segments)[:, 0]


def _checkpoint(field: SirenField) -> dict[str, Any]:
    parameters = siren_parameters(field).items()
    tensors = {name: parameter.detach().reshape(released_shape(name, parameter)) for name, parameter in parameters}
    return {"global_step": 700, "state_dict": {f"model.{name}": tensor.clone() for name, tensor in tensors.items()}}


@pytest.fixture
def rf_import(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Path]:
    """Run rf-import-released on a checkpoint and a sequence; returns the run's config.yml."""

    def run(content: dict[str, Any], data: Path, *options: str) -> Path:
        torch.save(content, tmp_path / "last.ckpt")
        common = [str(tmp_path / "last.ckpt"), "--data", str(data), "--output-dir", str(tmp_path / "runs")]
        monkeypatch.setattr(sys, "argv", ["rf-import-released", *common, *options])
        import_released.entrypoint()
        (config,) = tmp_path.rglob("config.yml")
        return config

    return run


@pytest.mark.parametrize(
    ("write", "residual_layers", "num_frames", "numbers"),
    [(write_anime, (1, 2), 3, [1, 2, 3]), (write_anime, (), 3, [1, 2, 3]), (write_ply_folder, (1,), 4, [0, 1, 2, 3])],
    ids=["anime", "anime plain", "ply"],
)
def test_an_imported_run_says_what_its_source_says(
    write: Callable[[Path], Path],
    residual_layers: tuple[int, ...],
    num_frames: int,
    numbers: list[int],
    rf_import: Callable[..., Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    field = _field(residual_layers, num_frames)
    run = load_trained_run(rf_import(_checkpoint(field), write(tmp_path)))
    assert list(sequence_of(run.train_dataset).frames.numbers) == numbers and isinstance(run.model, SDFModel)
    points = 2.0 * torch.rand(50, 3) - 1.0
    for frame in range(num_frames):
        found = run.model.surface_level(points, frame / (num_frames - 1))
        torch.testing.assert_close(found, _released_values(field, points, frame, num_frames), rtol=1e-3, atol=1e-4)
    assert "Method: Siren of signed distances, 3 hidden layers of width 8" in capsys.readouterr().out


def test_our_times_are_a_change_of_the_first_layer() -> None:
    field, points = _field(), 2.0 * torch.rand(20, 3, dtype=torch.float64) - 1.0
    field = field.double()
    expected = [_released_values(field, points, frame, NUM_FRAMES) for frame in range(NUM_FRAMES)]
    take_our_times(field, NUM_FRAMES)
    for frame in range(NUM_FRAMES):
        found = field.values(TimedPoints.at(points, frame / (NUM_FRAMES - 1)))[:, 0]
        torch.testing.assert_close(found, expected[frame], rtol=1e-9, atol=1e-9)


def test_checkpoints_that_do_not_fit(
    rf_import: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = write_anime(tmp_path)
    for field, options, message in [
        (_field((0, 1)), (), "expected a first layer that is not residual"),
        (_field(), ("--frames", "0:2"), "--frames: expected the 3 frames that"),
    ]:
        with pytest.raises(SystemExit, match="1"):
            rf_import(_checkpoint(field), data, *options)
        assert message in capsys.readouterr().err
