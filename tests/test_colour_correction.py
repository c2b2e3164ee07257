"""Corrections of colours: what fits, what is learned, what stays, and what is told of it."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import pytest
import torch
from nerfstudio.scripts.eval import ComputePSNR
from nerfstudio.utils.eval_utils import eval_setup
from PIL import Image

from resfields_ns.captures.demo_capture import write_demo_capture
from resfields_ns.data.dynamic_data import DynamicDataManagerConfig
from resfields_ns.dataparsers.owlii import OwliiDataParserConfig
from resfields_ns.host.trainer import ResFieldsTrainerConfig
from resfields_ns.models.colour_correction import ColourCorrection, Correction, Kind, fit_correction
from resfields_ns.models.dynamic_model import DynamicModelConfig
from resfields_ns.models.image_metrics import colour_corrected_metrics, image_metrics
from resfields_ns.pipelines.dynamic_pipeline import DynamicPipeline, DynamicPipelineConfig
from tests.cases import over
from tests.methods import METHODS, tiny_config, trained
from tests.ray_family import without_clouds

KINDS = {kind: kind for kind in get_args(Kind)}
CAMERAS = ["left", "right", "left", "top", "right", "top"]
ModelKind = Literal["none", "gain", "affine"]
_NAMES = ("psnr", "psnr_foreground", "ssim")


def _some_correction(kind: Kind) -> Correction:
    matrix = torch.tensor([[1.3, 0.1, -0.2], [0.0, 0.6, 0.1], [-0.1, 0.2, 0.9]])
    return Correction(matrix.diag().diag() if kind == "gain" else matrix, torch.tensor([0.05, -0.1, 0.2]))


@over("kind", KINDS)
def test_a_fit_finds_the_correction_that_was_made(kind: Kind) -> None:
    torch.manual_seed(0)
    rgb, made = torch.rand(50, 3), _some_correction(kind)
    found = fit_correction(kind, rgb, made(rgb))
    torch.testing.assert_close(found.matrix, made.matrix, rtol=0.0, atol=1e-5)
    torch.testing.assert_close(found.offset, made.offset, rtol=0.0, atol=1e-5)
    back = fit_correction(kind, made(rgb), rgb)
    torch.testing.assert_close(back(made(rgb)), rgb, rtol=0.0, atol=1e-5)


@over("kind", KINDS)
@pytest.mark.parametrize("count", [1, 40])
def test_colours_that_are_all_alike_are_met_and_equal_ones_left(kind: Kind, count: int) -> None:
    rgb, target = torch.tensor([0.2, 0.4, 0.6]).expand(count, 3), torch.tensor([0.3, 0.3, 0.9]).expand(count, 3)
    torch.testing.assert_close(fit_correction(kind, rgb, target)(rgb), target)
    same = fit_correction(kind, rgb, rgb)
    assert torch.equal(same.matrix, torch.eye(3)) and not same.offset.any()


@over("kind", KINDS)
def test_a_correction_makes_no_picture_worse_and_undoes_an_exposure(kind: Kind) -> None:
    torch.manual_seed(0)
    rgb, mask = torch.rand(16, 18, 3), torch.rand(16, 18) > 0.5
    noisy = rgb + 0.1 * torch.randn_like(rgb)
    named = {f"{name}_colour_corrected" for name in image_metrics(rgb, noisy, mask)}
    close = colour_corrected_metrics(kind, rgb, noisy, mask)
    assert close.keys() == named
    foreground = image_metrics(rgb, noisy, mask)["psnr_foreground"]
    assert close["psnr_foreground_colour_corrected"] >= foreground
    exposed = torch.where(mask[..., None], _some_correction(kind)(rgb), rgb)
    assert colour_corrected_metrics(kind, rgb, exposed, mask)["psnr_colour_corrected"] > 80.0
    assert colour_corrected_metrics(kind, rgb, exposed, torch.zeros_like(mask)) == {}


@over("kind", KINDS)
def test_corrections_start_as_the_identity_and_the_first_camera_keeps_it(kind: Kind) -> None:
    torch.manual_seed(0)
    correction, rgb, images = ColourCorrection(kind, CAMERAS), torch.rand(12, 3), torch.arange(6).repeat(2)
    assert torch.equal(correction(rgb, images), rgb)
    for parameter in correction.parameters():
        torch.nn.init.normal_(parameter)
    seen = correction(rgb, images)
    for image, name in enumerate(CAMERAS):
        assert torch.equal(seen[images == image], rgb[images == image]) == (name == "left")
        told = correction.by_camera()[name]
        expected = rgb[image] @ torch.tensor(told["matrix"]).T + torch.tensor(told["offset"])
        torch.testing.assert_close(seen[image], expected)


@over("kind", KINDS)
def test_corrections_are_learned_as_they_were_made(kind: Kind) -> None:
    torch.manual_seed(0)
    correction, made = ColourCorrection(kind, CAMERAS), _some_correction(kind)
    optimizer = torch.optim.Adam(correction.parameters(), lr=0.02)
    for _ in range(600):
        rgb, images = torch.rand(200, 3), torch.randint(6, (200,))
        right = correction.cameras[images] == 1
        target = torch.where(right[:, None], made(rgb), rgb)
        optimizer.zero_grad()
        (correction(rgb, images) - target).square().mean().backward()
        optimizer.step()
    found = correction.corrections
    for camera, expected in enumerate([Correction(torch.eye(3), torch.zeros(3)), made]):
        torch.testing.assert_close(found.matrix[camera], expected.matrix, rtol=0.0, atol=0.01)
        torch.testing.assert_close(found.offset[camera], expected.offset, rtol=0.0, atol=0.01)


GAINS = np.array([0.5, 0.6, 0.7])


@pytest.fixture(scope="module")
def twins(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A capture with a second camera, `twin`, at the place of the first, whose colours are `GAINS` times as bright."""
    capture = tmp_path_factory.mktemp("twins") / "capture"
    write_demo_capture(capture, num_frames=4, size=32)
    shutil.rmtree(capture / "cloud")
    shutil.copytree(capture / "cam_train_1", capture / "twin")
    pictures = list((capture / "twin" / "rgb").iterdir())
    assert pictures
    for path in pictures:
        Image.fromarray(np.rint(np.asarray(Image.open(path)) * GAINS).astype(np.uint8)).save(path)
    return capture


def _config(kind: ModelKind, capture: Path, output_dir: Path, steps: int) -> ResFieldsTrainerConfig:
    config = tiny_config(METHODS["tnerf-resfields-small"], capture, output_dir)
    model, datamanager = config.pipeline.model, config.pipeline.datamanager
    assert isinstance(model, DynamicModelConfig) and isinstance(datamanager, DynamicDataManagerConfig)
    model.field = replace(model.field, hidden_dim=64)
    model.colour_correction = kind
    model.hull_start_steps = 20
    datamanager.dataparser = OwliiDataParserConfig(
        train_cameras=("cam_train_1", "twin"), test_cameras=("cam_train_1", "twin")
    )
    assert isinstance(config.pipeline, DynamicPipelineConfig)
    without_clouds(config.pipeline)
    config.optimizers["field"]["optimizer"].lr = 3e-3
    if kind != "none":  # two cameras of one place see the same light: nothing to wait for
        config.optimizers["colour_correction"]["optimizer"].lr = 1e-2
        config.optimizers["colour_correction"]["scheduler"].start_share = 0.0
    config.max_num_iterations = steps
    config.steps_per_eval_image = 1000
    return config


def test_known_exposures_are_learned_and_the_scene_is_that_of_the_first_camera(twins: Path, tmp_path: Path) -> None:
    without = trained(_config("none", twins, tmp_path, steps=250)).pipeline
    corrected = trained(_config("gain", twins, tmp_path, steps=250)).pipeline
    assert isinstance(corrected, DynamicPipeline)
    before, after = _foreground_psnr(without), _foreground_psnr(corrected)
    assert [*before] == [("cam_train_1", "psnr_foreground"), ("twin", "psnr_foreground")]
    assert after["cam_train_1", "psnr_foreground"] > before["cam_train_1", "psnr_foreground"] + 0.8
    fitted = after["twin", "psnr_foreground_colour_corrected"]
    assert fitted > max(after["twin", "psnr_foreground"], before["twin", "psnr_foreground"]) + 1.0
    told = corrected.task_facts()["colour_corrections"]
    assert told["cam_train_1"] == {"matrix": np.eye(3).tolist(), "offset": [0.0, 0.0, 0.0]}
    colour = _mean_foreground(twins / "cam_train_1")  # a colour that the subject does not have would tell little
    seen = np.array(told["twin"]["matrix"]) @ colour + told["twin"]["offset"]
    np.testing.assert_allclose(seen, GAINS * colour, rtol=0.0, atol=0.05)


def _mean_foreground(camera: Path) -> np.ndarray:
    """The mean colour of a camera's foreground, in [0, 1]."""
    colours = [
        np.asarray(Image.open(path))[np.asarray(Image.open(camera / "mask" / path.name)) > 0]
        for path in (camera / "rgb").iterdir()
    ]
    return np.concatenate(colours).mean(axis=0) / 255.0


def _foreground_psnr(pipeline: Any) -> dict[tuple[str, str], float]:
    """Means of a pipeline's evaluation, by camera and metric."""
    found: dict[tuple[str, str], list[float]] = {}
    pipeline.eval()
    with torch.no_grad():
        for frame in pipeline.evaluate_frames(None):
            for name in frame:
                if name.startswith("psnr_foreground"):
                    found.setdefault((frame["camera"], name), []).append(frame[name])
    return {key: float(np.mean(values)) for key, values in found.items()}


@over("kind", KINDS)
def test_a_run_with_corrections_resumes_reloads_and_is_evaluated(kind: Kind, twins: Path, tmp_path: Path) -> None:
    whole_config = _config(kind, twins, tmp_path / "whole", steps=4)
    whole_config.steps_per_save, whole_config.save_only_latest_checkpoint = 1, False
    whole = trained(whole_config)
    resumed_config = _config(kind, twins, tmp_path / "resumed", steps=2)
    resumed_config.load_dir, resumed_config.load_step = whole_config.get_checkpoint_dir(), 1
    resumed = trained(resumed_config).pipeline.state_dict()
    for name, expected in whole.pipeline.state_dict().items():
        assert torch.equal(resumed[name], expected), name
    config = whole.config.get_base_dir() / "config.yml"
    _, pipeline, _, _ = eval_setup(config)
    loaded = pipeline.state_dict()
    learned = {name: values for name, values in whole.pipeline.state_dict().items() if "colour_correction" in name}
    assert len(learned) == 2
    for name, values in learned.items():
        assert values.any() and torch.equal(loaded[name], values)
    ComputePSNR(config, tmp_path / "metrics.json").main()
    results = json.loads((tmp_path / "metrics.json").read_text())["results"]
    for name in _NAMES:
        assert {name, f"{name}_colour_corrected"} <= results.keys()


def test_corrections_wait_until_the_scene_is_known(twins: Path, tmp_path: Path) -> None:
    config = _config("gain", twins, tmp_path, steps=4)
    config.optimizers["colour_correction"]["scheduler"].start_share = 0.6
    config.steps_per_save, config.save_only_latest_checkpoint = 1, False
    trained(config)
    for step in range(1, 4):
        state = torch.load(config.get_checkpoint_dir() / f"step-{step:09d}.ckpt", weights_only=True)["pipeline"]
        assert state["_model.colour_correction.gain"].any() == (step >= 0.6 * 4)


def test_a_single_camera_cannot_be_corrected(twins: Path, tmp_path: Path) -> None:
    config = _config("gain", twins, tmp_path, steps=4)
    assert isinstance(config.pipeline.datamanager, DynamicDataManagerConfig)
    config.pipeline.datamanager.dataparser = OwliiDataParserConfig(train_cameras=("twin",), test_cameras=("twin",))
    message = r"model.colour-correction: expected none for a single training camera \(twin\), as .*, got gain$"
    with pytest.raises(ValueError, match=f"^{message}"):
        config.setup(local_rank=0, world_size=1).setup()
