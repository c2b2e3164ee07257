"""Every registered method trains, resumes exactly, survives a kill, reloads, renders and evaluates."""

import json
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from nerfstudio.scripts.eval import ComputePSNR
from nerfstudio.utils.eval_utils import eval_setup

from resfields_ns.data.dynamic_dataset import DynamicDataset
from resfields_ns.host.trainer import capture_random_state, restore_random_state
from resfields_ns.models import dynamic_model
from resfields_ns.models.dynamic_model import DynamicModelConfig
from tests.cases import over
from tests.family import Family
from tests.methods import CHANGED, FAMILIES, METHODS, VARIANTS, family_of, seed_everything, tiny_config, trained
from tests.ray_family import STILL_FAMILY


@dataclass(frozen=True)
class Run:
    """The config.yml of a run, and the family of its method."""

    config: Path
    family: Family


@pytest.fixture(scope="module", params=list(VARIANTS.values()), ids=list(VARIANTS))
def run(request, tiny_data: Callable[[Family], Path], tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A short run of a variant of a method."""
    family = request.param.family
    config = request.param.config(tiny_data(family), tmp_path_factory.mktemp("run"))
    trained(config)
    return Run(config.get_base_dir() / "config.yml", family)


def test_reloads_and_renders(run: Run) -> None:
    _, pipeline, _, _ = eval_setup(run.config)
    camera, _ = pipeline.datamanager.next_eval_image(0)
    outputs = pipeline.model.get_outputs_for_camera(camera)
    size = (int(camera.height), int(camera.width))
    for name, channels in {"rgb": 3, "accumulation": 1, "depth": 1, **run.family.outputs}.items():
        assert outputs[name].shape == (*size, channels)
        assert outputs[name].isfinite().all()
    assert outputs["rgb"].min() >= 0.0 and outputs["rgb"].max() <= 1.0 + 1e-5


def test_a_checkpoint_of_another_shape_is_refused(run: Run) -> None:
    _, pipeline, checkpoint, step = eval_setup(run.config)
    state = torch.load(checkpoint, weights_only=True)["pipeline"]
    state.pop(next(iter(state)))
    with pytest.raises(RuntimeError, match="Missing key"):
        pipeline.load_pipeline(state, step)


def test_evaluates(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without reading the images of training, which may be many."""
    monkeypatch.setattr(DynamicDataset, "load_arrays", lambda _: pytest.fail("evaluating drew batches"))
    ComputePSNR(run.config, tmp_path / "metrics.json", tmp_path / "pictures").main()
    results = json.loads((tmp_path / "metrics.json").read_text(), parse_constant=pytest.fail)["results"]
    for name in run.family.metrics:
        values = [frame[name] for frame in results["per_frame"] if name in frame]
        if any(value is not None for value in values):
            assert results[name] == pytest.approx(np.mean([value for value in values if value is not None]))
        else:
            assert len(values) == len(run.family.frames) == results["facts"]["frames_without_surface"]
    facts = results["facts"]
    assert facts["frames"] == [frame["frame"] for frame in results["per_frame"]] == list(run.family.frames)
    assert facts["seed"] == 0 and facts["steps"] == 4 and facts.items() >= run.family.facts.items()
    pictures = sorted((tmp_path / "pictures").glob("eval_img_*.png"))
    assert len(pictures) == len(results["per_frame"])


def test_metrics_are_those_of_an_evaluation_without_pictures(
    demo_capture: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which computes no normals of pictures."""
    pipeline = trained(tiny_config(METHODS["tnerf-resfields"], demo_capture, tmp_path / "outputs")).pipeline
    expected = pipeline.get_average_eval_image_metrics(output_path=tmp_path / "pictures")
    assert list((tmp_path / "pictures").glob("*normals*"))
    with monkeypatch.context() as patch:
        patch.setattr(dynamic_model, "rendered_normals", lambda *_: pytest.fail("normals were computed"))
        found = pipeline.get_average_eval_image_metrics()
    assert found["psnr"] == expected["psnr"] and found["per_frame"] == expected["per_frame"]
    camera, _ = pipeline.datamanager.next_eval_image(0)
    assert "normals" in pipeline.eval().model.get_outputs_for_camera(camera)


@over("family", {family.learning.method: family for family in FAMILIES.values()})
def test_a_hundred_steps_improve_the_metric(
    family: Family, tiny_data: Callable[[Family], Path], tmp_path: Path
) -> None:
    learning = family.learning
    config = tiny_config(METHODS[learning.method], tiny_data(family), tmp_path)
    config.max_num_iterations = 100
    config.optimizers["field"]["optimizer"].lr = learning.learning_rate
    learning.enlarge(config.pipeline.datamanager, config.pipeline.model)
    seed_everything()
    trainer = config.setup(local_rank=0, world_size=1)
    trainer.setup()
    before = trainer.pipeline.get_average_eval_image_metrics()[learning.metric]
    trainer.train()
    change = trainer.pipeline.get_average_eval_image_metrics()[learning.metric] - before
    assert change * np.sign(learning.change) >= abs(learning.change)


RESUMED = {name: (method, family_of(method)) for name, method in (METHODS | CHANGED).items()}
RESUMED["still-scene"] = METHODS["nerf-resfields-small"], STILL_FAMILY


@over("case", RESUMED)
def test_resuming_equals_not_stopping(case, tiny_data: Callable[[Family], Path], tmp_path: Path) -> None:
    method, family = case
    data = tiny_data(family)
    whole_config = tiny_config(method, data, tmp_path / "whole")
    whole = trained(whole_config)

    class Killed(Exception):
        pass

    def kill(step: int, **_) -> None:
        if step == 2:
            raise Killed

    killed_config = tiny_config(method, data, tmp_path / "killed")
    killed_config.steps_per_save = 1
    trainer = killed_config.setup(local_rank=0, world_size=1)
    seed_everything()
    trainer.setup()
    original = trainer.pipeline.get_train_loss_dict
    trainer.pipeline.get_train_loss_dict = lambda step: (kill(step), original(step))[1]
    with pytest.raises(Killed):
        trainer.train()

    resumed_config = tiny_config(method, data, tmp_path / "resumed")
    resumed_config.load_dir = killed_config.get_checkpoint_dir()
    resumed_config.max_num_iterations = whole_config.max_num_iterations - 2
    torch.manual_seed(99)
    resumed = trained(resumed_config)
    for (name, expected), actual in zip(
        whole.pipeline.state_dict().items(), resumed.pipeline.state_dict().values(), strict=True
    ):
        assert torch.equal(expected, actual), name


def test_random_state_continues() -> None:
    state = capture_random_state()
    drawn = random.random(), np.random.rand(), torch.rand(3)  # noqa: NPY002
    restore_random_state(state)
    again = random.random(), np.random.rand(), torch.rand(3)  # noqa: NPY002
    assert drawn[:2] == again[:2] and torch.equal(drawn[2], again[2])


KILLED_RUN = """
import sys
from dataclasses import replace
from pathlib import Path
from tests.methods import CHANGED, FAMILIES, METHODS, tiny_config
config = tiny_config(METHODS["tnerf-resfields-small"], Path(sys.argv[1]), Path(sys.argv[2]))
config.max_num_iterations, config.steps_per_save = 100_000, 1
trainer = config.setup(local_rank=0, world_size=1)
trainer.setup()
trainer.train()
"""


def test_a_kill_leaves_a_whole_checkpoint(demo_capture: Path, tmp_path: Path) -> None:
    """Killed while it saves at every step, a run leaves at least one checkpoint, and each loads."""
    command = [sys.executable, "-c", KILLED_RUN, str(demo_capture), str(tmp_path)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 120
        while len(list(tmp_path.rglob("step-*.ckpt"))) == 0 and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(0.5)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    checkpoints = list(tmp_path.rglob("nerfstudio_models/*"))
    assert checkpoints
    for checkpoint in checkpoints:
        assert torch.load(checkpoint, weights_only=True)["step"] >= 0


@pytest.mark.parametrize(("data", "name"), [("clips/clip.mp4", "clips"), ("clip.mp4", "here"), (".", "here")])
def test_a_run_has_the_name_of_its_datas_folder(
    data: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = tmp_path / "here"
    (here / "clips").mkdir(parents=True)
    for path in (here / "clip.mp4", here / "clips" / "clip.mp4"):
        path.touch()
    monkeypatch.chdir(here)
    config = replace(METHODS["video-resfields-small"].config, output_dir=Path("outputs"), experiment_name=None)
    config.pipeline = replace(config.pipeline, datamanager=replace(config.pipeline.datamanager, data=Path(data)))
    config.timestamp = "now"
    assert config.get_base_dir() == Path("outputs") / name / "video-resfields-small" / "now"


def test_load_dir_without_checkpoints_is_an_error(demo_capture: Path, tmp_path: Path) -> None:
    config = tiny_config(METHODS["tnerf-resfields"], demo_capture, tmp_path)
    config.load_dir = tmp_path
    with pytest.raises(ValueError, match=r"--load-dir: expected step-\*\.ckpt files in .*, found none"):
        config.setup(local_rank=0, world_size=1).setup()


@pytest.fixture
def capture_without_masks(demo_capture: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(demo_capture, tmp_path / "maskless", ignore=shutil.ignore_patterns("mask")))


def test_trains_without_masks(capture_without_masks: Path, tmp_path: Path) -> None:
    trainer = trained(tiny_config(METHODS["tnerf-resfields"], capture_without_masks, tmp_path / "run"))
    assert trainer.step == 3


def test_a_start_from_masks_needs_masks(capture_without_masks: Path, tmp_path: Path) -> None:
    config = tiny_config(METHODS["tnerf-resfields-small"], capture_without_masks, tmp_path / "run")
    with pytest.raises(ValueError, match="expected a mask folder in every camera, found none"):
        config.setup(local_rank=0, world_size=1).setup()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"depth_loss_weight": 0.1}, "model.depth-loss-weight: expected a depth folder in every camera, found none"),
        (
            {"density": "nerf", "sparsity_loss_weight": 0.1},
            "--pipeline.model.sparsity-loss-weight: .* density is nerf",
        ),
    ],
)
def test_losses_that_nothing_feeds_are_refused(
    options: dict[str, Any], message: str, demo_capture: Path, tmp_path: Path
) -> None:
    capture = shutil.copytree(demo_capture, tmp_path / "depthless", ignore=shutil.ignore_patterns("depth"))
    config = tiny_config(METHODS["tnerf-resfields"], Path(capture), tmp_path / "run")
    config.pipeline.model = replace(config.pipeline.model, **options)
    with pytest.raises(ValueError, match=f"^{message}"):
        config.setup(local_rank=0, world_size=1).setup()


def test_depth_of_a_batch_is_that_of_the_images(demo_capture: Path, tmp_path: Path) -> None:
    config = tiny_config(METHODS["tnerf-resfields-rgbd"], demo_capture, tmp_path)
    datamanager = config.pipeline.setup(device="cpu").datamanager
    _, batch = datamanager.next_train(0)
    assert (batch["depth"] > 0.0).any()
    for (image, row, column), depth in zip(batch["indices"].tolist(), batch["depth"], strict=True):
        assert datamanager.train_dataset[image]["depth"][row, column].item() == pytest.approx(depth.item(), rel=1e-5)


def test_the_depth_loss_pulls_the_surface_to_the_depth(demo_capture: Path, tmp_path: Path) -> None:
    """In a few steps on depth alone, the depth loss falls."""
    config = tiny_config(METHODS["tnerf-resfields-rgbd"], demo_capture, tmp_path)
    config.max_num_iterations = 30
    changes = {"sparsity_loss_weight": 0.0, "sparsity_start_step": 70_000, "depth_loss_weight": 10.0}
    config.pipeline.model = replace(config.pipeline.model, **changes)
    trainer = trained(config)
    start = tiny_config(METHODS["tnerf-resfields-rgbd"], demo_capture, tmp_path).setup(local_rank=0, world_size=1)
    start.setup()
    assert _depth_loss(trainer.pipeline) < 0.7 * 10.0 / 0.1 * _depth_loss(start.pipeline)


def _depth_loss(pipeline: Any) -> float:
    torch.manual_seed(5)
    return pipeline.get_train_loss_dict(0)[1]["depth"].item()


def test_no_residual_layers_is_the_plain_network(demo_capture: Path, tmp_path: Path) -> None:
    config = tiny_config(METHODS["tnerf-resfields"], demo_capture, tmp_path)
    model = config.pipeline.model
    assert isinstance(model, DynamicModelConfig)
    model.field = replace(model.field, residual_layers=())
    names = [name for name, _ in trained(config).pipeline.model.named_parameters()]
    assert not any("basis" in name or "coefficients" in name for name in names)
