"""Chunks of a capture: runs of their own, which one run shows to the bit, over all of time."""

import re
import shutil
import sys
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from nerfstudio.cameras.rays import RayBundle
from nerfstudio.data.datamanagers.base_datamanager import VanillaDataManagerConfig
from nerfstudio.plugins.types import MethodSpecification
from nerfstudio.scripts.eval import ComputePSNR

from resfields_ns.commands import chunks, export, export_run, import_run, render
from resfields_ns.dataparsers.owlii import OwliiDataParserConfig
from resfields_ns.host.checkpoints import checkpoint_of, list_checkpoints
from resfields_ns.host.chunk_plan import plan_chunks
from resfields_ns.host.config_file import read_config
from resfields_ns.host.joined_run import join_runs
from resfields_ns.host.resumed_run import resume_run
from resfields_ns.host.trained_run import TrainedRun, load_trained_run
from resfields_ns.models.dynamic_model import DynamicModel, DynamicModelConfig
from tests.cases import over
from tests.methods import CHANGED, METHODS, tiny_config, trained
from tests.ray_family import NUM_FRAMES

FRAMES = ("0:2", "2:4")
_METHOD = "grid-resfields-small"


def _with_corrections() -> MethodSpecification:
    method = deepcopy(METHODS["tnerf-resfields-small"])
    model = method.config.pipeline.model
    assert isinstance(model, DynamicModelConfig)
    model.colour_correction, model.refine_poses, model.refine_times = "affine", True, True
    return method


JOINED = {
    **{name: METHODS[name] for name in ("grid-resfields-small", "hypernerf-resfields")},
    **{name: CHANGED[name] for name in ("background-field", "learned-occupancy")},
    "corrected": _with_corrections(),
}


def _chunk(method: MethodSpecification, frames: str, data: Path, folder: Path) -> Path:
    """The folder of a run that is trained on some frames."""
    config = tiny_config(method, data, folder)
    datamanager = config.pipeline.datamanager
    assert isinstance(datamanager, VanillaDataManagerConfig)
    assert isinstance(dataparser := datamanager.dataparser, OwliiDataParserConfig)
    dataparser.frames, config.timestamp = frames, f"frames-{frames.replace(':', '-')}"
    trained(config)
    return config.get_base_dir()


def _run(command: Any, *arguments: str | Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", [command.__name__, *map(str, arguments)])
        command.entrypoint()


@pytest.fixture(scope="module")
def parts(demo_capture: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Runs on chunks; not to be changed."""
    folder = tmp_path_factory.mktemp("parts")
    return [_chunk(METHODS[_METHOD], frames, demo_capture, folder) for frames in FRAMES]


@pytest.fixture(scope="module")
def joined(parts: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return join_runs(parts, tmp_path_factory.mktemp("joined"))


def _shown(run: TrainedRun, frame: int) -> dict[str, torch.Tensor]:
    """What a run shows of a frame, and where it has its surface then."""
    model = run.model
    assert isinstance(model, DynamicModel)
    points = 2.0 * torch.rand(500, 3, generator=torch.Generator().manual_seed(0)) - 1.0
    with torch.no_grad():
        shown = model.get_outputs_for_camera(run.eval_dataset.cameras[frame : frame + 1])
        shown["level"] = model.surface_level(points, run.time_of(frame))
        shown["occupied"] = model.occupied(points, run.time_of(frame))
    shown["colours"] = model.surface_colours(points, run.time_of(frame)).detach()
    return shown


@over("method", JOINED)
def test_a_joined_run_shows_what_its_chunks_did(
    method: MethodSpecification, demo_capture: Path, tmp_path: Path
) -> None:
    runs = [_chunk(method, frames, demo_capture, tmp_path / "parts") for frames in FRAMES]
    expected = [_shown(load_trained_run(run / "config.yml"), frame) for run in runs for frame in range(2)]
    run = join_runs(runs[::-1], tmp_path / "outputs")
    shutil.rmtree(tmp_path / "parts")
    whole = load_trained_run(run / "config.yml")
    assert whole.num_frames == len(expected)
    for frame, chunk in enumerate(expected):
        found = _shown(whole, frame)
        assert found.keys() == chunk.keys()
        assert all(torch.equal(found[name], chunk[name]) for name in chunk)


def test_rays_of_all_times_come_back_in_their_order(joined: Path) -> None:
    run = load_trained_run(joined / "config.yml")
    times = torch.tensor([run.time_of(frame) for frame in range(NUM_FRAMES)] + [1.4 / 3, 1.6 / 3])
    rays = run.eval_dataset.cameras[0:1].generate_rays(0, keep_shape=False)[::7]
    with torch.no_grad():
        moments = torch.arange(len(rays)) % len(times)
        together = _rgb(run, rays, times[moments])
        alone = torch.stack([_rgb(run, rays, time.expand(len(rays))) for time in times])
    torch.testing.assert_close(together, alone[moments, torch.arange(len(rays))], rtol=0.0, atol=1e-5)
    assert torch.equal(alone[4], alone[1]) and torch.equal(alone[5], alone[2])  # between chunks: the nearer frame
    assert not torch.equal(alone[1], alone[2])


def _rgb(run: TrainedRun, rays: RayBundle, times: torch.Tensor) -> torch.Tensor:
    rgb = run.model.get_outputs(replace(rays, times=times[:, None]))["rgb"]
    assert isinstance(rgb, torch.Tensor)
    return rgb


def test_commands_take_a_joined_run_as_any_other(joined: Path, tmp_path: Path) -> None:
    config = joined / "config.yml"
    ComputePSNR(load_config=config, output_path=tmp_path / "metrics.json").main()
    assert f'"frames": {list(range(NUM_FRAMES))}'.replace(" ", "") in re.sub(
        r"\s", "", (tmp_path / "metrics.json").read_text()
    )
    _run(render, "time", "--load-config", config, "--output-path", tmp_path / "film", "--residual-scale", "0")
    assert len(list((tmp_path / "film").iterdir())) == NUM_FRAMES
    _run(export, "--load-config", config, "--output-dir", tmp_path / "meshes", "--resolution", "16")
    assert len(list((tmp_path / "meshes").glob("*.ply"))) == NUM_FRAMES
    _run(export_run, "--load-config", config, "--output-path", tmp_path / "run.safetensors")
    _run(import_run, tmp_path / "run.safetensors", "--output-dir", tmp_path / "imported")
    (imported,) = (tmp_path / "imported").glob("run/*/*/config.yml")
    ours, theirs = (_shown(load_trained_run(path), 2) for path in (config, imported))
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_a_joined_run_is_not_trained_further(joined: Path, demo_capture: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(str(joined))}: expected .* found a joined run"):
        resume_run(joined)
    config = tiny_config(METHODS[_METHOD], demo_capture, tmp_path)
    config.load_dir = joined / "nerfstudio_models"
    with pytest.raises(ValueError, match="^--load-dir: expected .* found a joined run"):
        config.setup(local_rank=0, world_size=1).setup()
    config = read_config(joined / "config.yml", "--load-config")
    config.output_dir = tmp_path
    with pytest.raises(ValueError, match="^--load-config: expected a run to train, found a joined one"):
        config.setup(local_rank=0, world_size=1).setup()


def _replaced(name: str, old: str, new: str, run: Path) -> None:
    text = (run / name).read_text()
    assert old in text
    (run / name).write_text(text.replace(old, new))


def _stopped(run: Path) -> None:
    (last,) = list_checkpoints(run / "nerfstudio_models")
    last.rename(checkpoint_of(last.parent, 1))


MISTAKES: dict[str, tuple[Callable[[Path], None], str]] = {
    "method": (
        partial(_replaced, "config.yml", f"method_name: {_METHOD}", "method_name: tnerf-resfields"),
        "expected what .*frames-0-2 was trained with, grid-resfields-small, found tnerf-resfields",
    ),
    "option": (
        partial(_replaced, "config.yml", "resolution: 64", "resolution: 32"),
        r"sampler\.resolution 64, found 32",
    ),
    "camera": (
        partial(_replaced, "config.yml", "- cam_train_8", "- cam_train_6"),
        "train-cameras cam_train_1 .* found",
    ),
    "gap": (
        partial(_replaced, "config.yml", "frames: '2:4'", "frames: '3:4'"),
        "--frames: expected chunks that go on where the one before them ends, in its step, found 0:2 and 3:4",
    ),
    "step": (partial(_replaced, "config.yml", "frames: '2:4'", "frames: '2:4:2'"), "in its step, found 0:2 and 2:4:2"),
    "numbers": (partial(_replaced, "sequence.json", '"frames": [2, 3]', '"frames": [3, 4]'), "expected the 4 frames"),
    "space": (partial(_replaced, "sequence.json", '"box": [[-', '"box": [[-3'), "expected the space of all frames"),
    "steps": (_stopped, "4 steps, found 2: rf-resume goes on with one that was stopped"),
    "record": (lambda run: (run / "sequence.json").unlink(), "expected a run with the record sequence.json"),
}


@over("mistake", MISTAKES)
def test_runs_that_do_not_fit_together_are_refused(
    mistake: tuple[Callable[[Path], None], str], parts: list[Path], tmp_path: Path
) -> None:
    spoil, message = mistake
    run = Path(shutil.copytree(parts[1], tmp_path / "spoilt"))
    spoil(run)
    with pytest.raises(ValueError, match=message):
        join_runs([parts[0], run], tmp_path / "outputs")
    assert not (tmp_path / "outputs").exists()


def test_fewer_than_two_runs_and_joined_ones_are_refused(parts: list[Path], joined: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="^RUNS: expected two or more runs, got 1"):
        join_runs(parts[:1], tmp_path)
    with pytest.raises(ValueError, match="expected a run that was trained as one, found a joined one"):
        join_runs([joined, parts[1]], tmp_path)


@pytest.mark.parametrize(
    ("count", "arguments", "message"),
    [
        (3, [], "^--chunks: expected 2 or more, of 2 or more of the 4 frames each, got 3"),
        (1, [], "^--chunks: expected 2 or more"),
        (2, ["--timestamp", "mine"], "^--timestamp: expected none"),
        (2, ["--load-config", "config.yml"], "^--load-config: expected options"),
    ],
)
def test_chunks_that_cannot_be_are_refused(count: int, arguments: list[str], message: str, demo_capture: Path) -> None:
    data = [] if "--load-config" in arguments else ["--data", str(demo_capture)]
    with pytest.raises(ValueError, match=message):
        plan_chunks([_METHOD, *data, *arguments], count)


@pytest.mark.parametrize("options", [("--jobs", "0"), ("--threads", "0"), ("--cluster.partition", "gpu")])
def test_options_that_do_nothing_are_refused(options: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        _run(chunks, "--chunks", "2", *options, "--", _METHOD)
    assert capsys.readouterr().err.startswith(f"Error: {options[0].partition('.')[0]}: expected ")


def test_other_tasks_are_refused() -> None:
    with pytest.raises(ValueError, match="^METHOD: expected a method of dynamic scenes, .* got video-resfields"):
        plan_chunks(["video-resfields"], 2)


def test_a_chunk_that_failed_is_trained_by_the_same_command(
    demo_capture: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The other one goes on, stays as it is, and is joined with it; other options are refused from then on."""
    data = Path(shutil.copytree(demo_capture, tmp_path / "data"))
    picture = sorted((data / "cam_train_1" / "rgb").iterdir())[-1]
    content = picture.read_bytes()
    picture.write_bytes(content[:100])
    options = ["--data", str(data), "--output-dir", str(tmp_path), "--max-num-iterations", "2"]
    options += ["--machine.device-type", "cpu", "--pipeline.datamanager.train-num-rays-per-batch", "64"]
    options += ["--pipeline.model.hull-start-steps", "2"]
    command = ["--chunks", "2", "--jobs", "2", "--", _METHOD, *options]
    with pytest.raises(SystemExit, match="1 of 2 chunks failed: frames-2-4;"):
        _run(chunks, *command)
    runs = tmp_path / "data" / _METHOD
    assert picture.name in (runs / "logs" / "frames-2-4.log").read_text()
    (first,) = list_checkpoints(runs / "frames-0-2" / "nerfstudio_models")
    written = first.stat().st_mtime_ns
    picture.write_bytes(content)
    _run(chunks, *command)
    assert first.stat().st_mtime_ns == written
    assert "frames-2-4: done" in capsys.readouterr().out
    (run,) = runs.glob("2*-*-*")
    assert load_trained_run(run / "config.yml").num_frames == NUM_FRAMES
    _, plan = plan_chunks([_METHOD, *options, "--machine.seed", "7"], 2)
    with pytest.raises(ValueError, match="^--machine.seed: expected 42, with which .* has begun, got 7"):
        plan.prepare()
