"""Cameras that are a little wrong: corrections are as said, tell of themselves, and find their way back."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from nerfstudio.pipelines.base_pipeline import Pipeline
from nerfstudio.scripts.eval import ComputePSNR
from scipy.spatial.transform import Rotation
from torch import Tensor

from resfields_ns.captures.camera import Camera, Similarity
from resfields_ns.captures.capture_writer import write_cameras
from resfields_ns.captures.demo_capture import write_demo_capture
from resfields_ns.captures.poses import camera_around_origin
from resfields_ns.captures.sequence import Capture, CapturedImage, Frames
from resfields_ns.data.dynamic_data import DynamicDataManagerConfig
from resfields_ns.dataparsers.owlii import OwliiDataParserConfig
from resfields_ns.fields.densities import LaplaceDensity
from resfields_ns.fields.dynamic_field import DynamicField
from resfields_ns.functional.segments import TimedPoints
from resfields_ns.host.dataparsing import sequence_of
from resfields_ns.host.ray_bundles import ray_times
from resfields_ns.host.trainer import ResFieldsTrainerConfig
from resfields_ns.models.camera_refinement import CameraRefinement
from resfields_ns.models.dynamic_model import DynamicModelConfig
from resfields_ns.models.fixed_losses import fixed_losses
from resfields_ns.models.rendering import Rays, render
from resfields_ns.models.samplers import SamplerConfig, UniformSampler
from resfields_ns.pipelines.dynamic_pipeline import DynamicPipeline, DynamicPipelineConfig
from tests.cases import over
from tests.family import Family
from tests.methods import METHODS, seed_everything, tiny_config, trained
from tests.ray_family import RAY_FAMILY, without_clouds

_NAMES = ("left", "right", "left", "top", "right", "top")
_FRAMES = (0, 0, 2, 1, 3, 4)
_NUM_FRAMES = 5
_METRES = 0.8


def _camera(seed: int) -> Camera:
    random = np.random.default_rng(seed)
    rotation = Rotation.from_rotvec(random.normal(size=3)).as_matrix()
    return Camera(32, 24, 30.0, 31.0, 15.0, 13.0, pose=np.column_stack([rotation, random.normal(size=3)]))


def _capture(rate: float | None = None) -> Capture:
    """Three cameras, which move, a batch's order of images."""
    images = tuple(
        CapturedImage(Path(f"{index}.png"), name, _camera(index), float(frame))
        for index, (name, frame) in enumerate(zip(_NAMES, _FRAMES, strict=True))
    )
    to_world = Similarity.of(_METRES, np.zeros(3))
    return Capture(Frames(tuple(range(_NUM_FRAMES)), rate), images, to_world, np.array([[-1.0] * 3, [1.0] * 3]))


def _rays(capture: Capture, pixels: np.ndarray, images: Tensor, cameras: list[Camera]) -> Rays:
    """Rays through pixels of the images' cameras, at the times of their frames."""
    seen = [cameras[image].rays(pixel) for image, pixel in zip(images.tolist(), pixels, strict=True)]
    origins, directions = (torch.from_numpy(np.stack(part)).float() for part in zip(*seen, strict=True))
    return Rays(origins, directions, capture.frame_index[images] / (capture.num_frames - 1))


def _moved(camera: Camera, rotation: np.ndarray, translation: np.ndarray) -> Camera:
    """In its own axes."""
    axes = camera.pose[:, :3]
    turned = axes @ Rotation.from_rotvec(rotation).as_matrix()
    return replace(camera, pose=np.column_stack([turned, camera.centre + axes @ translation]))


@pytest.fixture
def batch() -> tuple[Capture, np.ndarray, Tensor]:
    """A capture, and pixels of its images, one image after the other."""
    images = torch.arange(len(_NAMES)).repeat_interleave(7)
    return _capture(), np.random.default_rng(0).uniform(0.0, 24.0, (len(images), 2)), images


def test_no_correction_leaves_rays_as_they_are_bit_for_bit(batch: tuple[Capture, np.ndarray, Tensor]) -> None:
    capture, pixels, images = batch
    rays = _rays(capture, pixels, images, [image.camera for image in capture.images])
    refined = CameraRefinement(capture, poses=True, times=True)(rays, images)
    for name in ("origins", "directions", "times"):
        assert torch.equal(getattr(refined, name), getattr(rays, name))
    assert refined.segments is not None and refined.segments.sizes == (7,) * len(_NAMES)


def test_corrected_rays_are_those_of_corrected_cameras(batch: tuple[Capture, np.ndarray, Tensor]) -> None:
    capture, pixels, images = batch
    refinement = CameraRefinement(capture, poses=True, times=True)
    for parameter in refinement.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    rotations, translations, delays = map(_with_zero, refinement.parameters())
    places = [capture.camera_names.index(name) for name in _NAMES]
    corrected = [
        _moved(image.camera, rotations[place], translations[place])
        for image, place in zip(capture.images, places, strict=True)
    ]
    given = _rays(capture, pixels, images, [image.camera for image in capture.images])
    expected = _rays(capture, pixels, images, corrected)
    refined = refinement(given, images)
    torch.testing.assert_close(refined.origins, expected.origins, rtol=0.0, atol=1e-5)
    torch.testing.assert_close(refined.directions, expected.directions, rtol=0.0, atol=1e-5)
    moments = (np.array(_FRAMES) + delays[places]) / (_NUM_FRAMES - 1)
    assert refined.segments is not None
    torch.testing.assert_close(refined.segments.times, torch.from_numpy(moments).float().clamp(0.0, 1.0))
    assert torch.equal(refined.segments.expand(refined.segments.times), refined.times)
    told = refinement.by_camera()
    for name, place in zip(_NAMES, places, strict=True):
        assert told[name]["moved_mm"] == pytest.approx(1000.0 * _METRES * np.linalg.norm(translations[place]), rel=1e-5)
        assert told[name]["turned_degrees"] == pytest.approx(np.rad2deg(np.linalg.norm(rotations[place])), rel=1e-5)
        assert told[name]["delay_frames"] == pytest.approx(delays[place])
        assert "delay_ms" not in told[name]
    assert not any(told["left"].values())


def test_delays_are_told_in_milliseconds_where_the_rate_is_known() -> None:
    refinement = CameraRefinement(_capture(rate=25.0), poses=False, times=True)
    with torch.no_grad():
        next(refinement.parameters()).copy_(torch.tensor([0.5, -1.0]))
    assert [camera["delay_ms"] for camera in refinement.by_camera().values()] == pytest.approx([0.0, 20.0, -40.0])


def test_rays_follow_their_corrections_as_finite_differences_do(batch: tuple[Capture, np.ndarray, Tensor]) -> None:
    capture, pixels, images = batch
    rays = _rays(capture, pixels, images, [image.camera for image in capture.images])
    rays = Rays(rays.origins.double(), rays.directions.double(), rays.times.double())
    refinement = CameraRefinement(capture, poses=True, times=True).double()

    def refined(*corrections: Tensor) -> tuple[Tensor, ...]:
        named: dict[str, Tensor] = dict(zip(("rotation", "translation", "delay"), corrections, strict=True))
        made = torch.func.functional_call(refinement, named, (rays, images))
        return made.origins, made.directions, made.times

    for std in (0.0, 0.2):
        generator = torch.Generator().manual_seed(0)
        inside = 0.25 + std * torch.rand(2, generator=generator, dtype=torch.float64)
        poses = std * torch.randn(2, 2, 3, generator=generator, dtype=torch.float64)
        corrections = [part.requires_grad_() for part in (*poses, inside)]
        rays.times.clamp_(0.1, 0.8)
        assert torch.autograd.gradcheck(refined, corrections)


FIELDS = {"time": "tnerf-resfields", "latent-code": "dynerf-resfields", "planes": "hexplane-resfields"}


@over("method", FIELDS)
def test_pictures_follow_corrections_as_finite_differences_do(
    method: str, tiny_data: Callable[[Family], Path], tmp_path: Path
) -> None:
    """Opacities and distances of rays whose samples stay where they are, through field and density, in float64."""
    config = tiny_config(METHODS[method], tiny_data(RAY_FAMILY), tmp_path)
    model = config.pipeline.model
    assert isinstance(model, DynamicModelConfig)
    model.refine_poses = model.refine_times = True
    seed_everything()
    pipeline = config.pipeline.setup(device="cpu")
    bundle, _ = pipeline.datamanager.next_train(0)
    made, refinement = pipeline.model.double(), _refinement(pipeline)
    rays = Rays(bundle.origins.double(), bundle.directions.double(), ray_times(bundle, 0.0).double())
    images = bundle.camera_indices[:, 0]
    made.sampler.train(False)
    samples = made.sampler(rays.origins, rays.directions, rays.times, keep_all=True)
    made.sampler.forward = lambda *args, **kwargs: samples
    weights = torch.rand(len(images), 2, dtype=torch.float64)

    def seen() -> Tensor:
        rendering = render(made.field, made.sampler, refinement(rays, images), 1.0)
        return (weights * torch.cat((rendering.accumulation, rendering.distance), dim=1)).sum()

    with torch.no_grad():
        for parameter in refinement.parameters():
            parameter.uniform_(0.1, 0.3).mul_(1.0 if parameter is refinement.delay else 0.1)
    parameters = list(refinement.parameters())
    gradients = torch.autograd.grad(seen(), parameters)
    step = 1e-6
    for parameter, gradient in zip(parameters, gradients, strict=True):
        for place in np.ndindex(*parameter.shape):
            values = []
            for sign in (-1.0, 1.0):
                with torch.no_grad():
                    parameter[place] += sign * step
                    values.append(seen().item())
                    parameter[place] -= sign * step
            assert gradient[place].item() == pytest.approx((values[1] - values[0]) / (2 * step), rel=1e-3, abs=1e-6)
            assert gradient[place] != 0.0


def _config(
    capture: Path, output_dir: Path, steps: int, poses: bool = False, times: bool = False
) -> ResFieldsTrainerConfig:
    config = tiny_config(METHODS["tnerf-resfields-small"], capture, output_dir)
    model = config.pipeline.model
    assert isinstance(model, DynamicModelConfig) and isinstance(config.pipeline, DynamicPipelineConfig)
    model.refine_poses, model.refine_times = poses, times
    config.max_num_iterations = steps
    config.steps_per_eval_image = 1000
    return config


def _refinement(pipeline: Pipeline) -> CameraRefinement:
    assert isinstance(pipeline, DynamicPipeline) and pipeline.model.camera_refinement is not None
    return pipeline.model.camera_refinement


CHOICES = {"poses": (True, False), "times": (False, True), "both": (True, True)}


@over("choice", CHOICES)
def test_a_run_with_refinement_resumes_exactly(
    choice: tuple[bool, bool], tiny_data: Callable[[Family], Path], tmp_path: Path
) -> None:
    poses, times = choice
    data = tiny_data(RAY_FAMILY)
    whole_config = _config(data, tmp_path / "whole", 4, poses, times)
    whole_config.steps_per_save, whole_config.save_only_latest_checkpoint = 1, False
    whole = trained(whole_config)
    resumed_config = _config(data, tmp_path / "resumed", 2, poses, times)
    resumed_config.load_dir, resumed_config.load_step = whole_config.get_checkpoint_dir(), 1
    resumed = trained(resumed_config).pipeline.state_dict()
    for name, expected in whole.pipeline.state_dict().items():
        assert torch.equal(resumed[name], expected), name
    learned = {name: value for name, value in resumed.items() if "camera_refinement" in name}
    assert len(learned) == 2 * poses + times and all(value.all() for value in learned.values())
    numbers = ({"moved_mm", "turned_degrees"} if poses else set()) | ({"delay_frames"} if times else set())
    assert isinstance(whole.pipeline, DynamicPipeline)
    told = whole.pipeline.task_facts()["camera_refinement"]
    assert len(told) == 4 and all(camera.keys() == numbers for camera in told.values())


def test_a_run_with_refinement_reloads_and_is_evaluated(tiny_data: Callable[[Family], Path], tmp_path: Path) -> None:
    trainer = trained(_config(tiny_data(RAY_FAMILY), tmp_path / "run", 2, poses=True, times=True))
    ComputePSNR(trainer.config.get_base_dir() / "config.yml", tmp_path / "metrics.json").main()
    told = json.loads((tmp_path / "metrics.json").read_text())["results"]["facts"]["camera_refinement"]
    assert told == _refinement(trainer.pipeline).by_camera()
    assert told["cam_train_3"]["moved_mm"] > 0.0 < told["cam_train_3"]["turned_degrees"]


@over("choice", CHOICES)
def test_steps_of_known_shapes_have_the_same_losses(
    choice: tuple[bool, bool], tiny_data: Callable[[Family], Path], tmp_path: Path
) -> None:
    config = _config(tiny_data(RAY_FAMILY), tmp_path, 4, *choice)
    seed_everything()
    pipeline = config.pipeline.setup(device="cpu")
    assert isinstance(pipeline, DynamicPipeline)
    pipeline._start_from_hull(0)
    pipeline.train()
    pipeline.model.sampler.eval()
    for parameter in _refinement(pipeline).parameters():
        torch.nn.init.normal_(parameter, std=0.05)
    rays, batch = pipeline.datamanager.next_train(0)
    sizes = pipeline.datamanager.train_rays.segment_sizes
    if choice[1]:
        runs = batch["indices"][:, 0].unique_consecutive(return_counts=True)[1]
        assert tuple(runs.tolist()) == sizes
    torch.manual_seed(1)
    expected = pipeline.model.get_loss_dict(pipeline.model(rays), batch)
    torch.manual_seed(1)
    fixed = fixed_losses(pipeline.model, sizes, rays.origins, rays.directions, ray_times(rays, 0.0), batch)
    for name, loss in expected.items():
        torch.testing.assert_close(fixed[name], loss, rtol=1e-5, atol=1e-7)


def test_pictures_of_an_evaluation_have_cameras_as_they_are_given(
    tiny_data: Callable[[Family], Path], tmp_path: Path
) -> None:
    seed_everything()
    pipeline = _config(tiny_data(RAY_FAMILY), tmp_path, 4, True, True).pipeline.setup(device="cpu")
    rays, _ = pipeline.datamanager.next_train(0)
    pipeline.eval()
    with torch.no_grad():
        before = pipeline.model(rays)["rgb"]
        for parameter in _refinement(pipeline).parameters():
            torch.nn.init.normal_(parameter, std=0.3)
        assert torch.equal(pipeline.model(rays)["rgb"], before)


def test_wrong_cameras_of_a_capture_are_pulled_back_while_its_scene_is_learned(tmp_path: Path) -> None:
    """Two of four, each turned by 1 degree and moved by 1 cm: where they see the scene comes closer to right."""
    data, size = tmp_path / "capture", 48
    write_demo_capture(data, num_frames=3, size=size)
    shutil.rmtree(data / "cloud")
    right = _first_cameras(data)
    random = np.random.default_rng(1)
    for name in ("cam_train_3", "cam_train_8"):
        error = random.normal(size=(2, 3))
        error *= np.array([[np.deg2rad(1.0)], [0.01 / _METRES]]) / np.linalg.norm(error, axis=1, keepdims=True)
        capture = _read(data)
        write_cameras(data / name, [_moved(right[name], *error).moved(capture.to_world)] * 3, capture.to_world)
    config = _config(data, tmp_path / "run", 200, poses=True)
    model, datamanager = config.pipeline.model, config.pipeline.datamanager
    assert isinstance(model, DynamicModelConfig) and isinstance(datamanager, DynamicDataManagerConfig)
    model.field = replace(model.field, hidden_dim=64)
    model.hull_start_steps, datamanager.train_num_rays_per_batch = 150, 192
    without_clouds(config.pipeline)
    refinement = _refinement(trained(config).pipeline)
    assert refinement.rotation is not None and refinement.translation is not None
    rotations, translations = _with_zero(refinement.rotation), _with_zero(refinement.translation)
    points, given, pixels = random.uniform(-0.4, 0.4, (200, 3)), _first_cameras(data), {}
    for place, name in enumerate(refinement.names):
        expected = right[name].project(points)[0]
        seen = given[name], _moved(given[name], rotations[place], translations[place])
        pixels[name] = [np.linalg.norm(camera.project(points)[0] - expected, axis=1).mean() for camera in seen]
    before, after = np.sum([*pixels.values()], axis=0)
    assert before > 2.0 and after < 0.6 * before, pixels


def _read(data: Path) -> Capture:
    return sequence_of(OwliiDataParserConfig(data=data).setup().get_dataparser_outputs("train"), Capture)


def _first_cameras(data: Path) -> dict[str, Camera]:
    return {image.camera_name: image.camera for image in _read(data).images if image.frame == 0}


@pytest.mark.parametrize("option", ["refine_poses", "refine_times"])
def test_a_single_camera_cannot_be_refined(option: str, tiny_data: Callable[[Family], Path], tmp_path: Path) -> None:
    config = _config(tiny_data(RAY_FAMILY), tmp_path, 4, option == "refine_poses", option == "refine_times")
    assert isinstance(config.pipeline.datamanager, DynamicDataManagerConfig)
    config.pipeline.datamanager.dataparser = OwliiDataParserConfig(train_cameras=("cam_train_3",))
    message = rf"model.{option.replace('_', '-')}: expected False for a single training camera \(cam_train_3\), as .*"
    with pytest.raises(ValueError, match=f"^{message}, got True$"):
        config.setup(local_rank=0, world_size=1).setup()


class _Balls(DynamicField):
    """A scene that is known: coloured balls that go their ways."""

    def __init__(self) -> None:
        torch.nn.Module.__init__(self)
        self.density = LaplaceDensity(0.02)
        self.colour = lambda feature, directions: feature
        self.starts = torch.tensor([[-0.4, 0.1, 0.2], [0.3, -0.3, -0.2], [0.1, 0.4, -0.1]])
        self.paths = torch.tensor([[0.5, 0.2, -0.3], [-0.2, 0.5, 0.3], [0.2, -0.4, 0.5]])

    def raw_and_feature(self, points: TimedPoints) -> tuple[Tensor, Tensor]:
        times = points.segments.expand(points.segments.times)[:, None, None]
        distances = (points.positions[:, None] - self.starts - times * self.paths).norm(dim=-1)
        colours = 0.5 + 0.5 * (8.0 * points.positions + distances.argmin(dim=1)[:, None]).sin()
        return distances.amin(dim=1) - 0.25, colours


def test_wrong_cameras_of_a_scene_that_is_known_are_found_again() -> None:
    """Turned by 1 degree, moved by 1 cm and half a frame behind; the first is right."""
    names = ("front", "side", "back", "above")
    turned, moved = np.deg2rad(1.0), 0.01 / _METRES
    random = np.random.default_rng(0)
    right = [
        camera_around_origin(azimuth, elevation, 3.0, (64, 64), 100.0)
        for azimuth, elevation in ((0.0, 10.0), (80.0, 20.0), (190.0, 0.0), (270.0, 60.0))
    ]
    errors = random.normal(size=(2, 4, 3))
    errors *= np.array([turned, moved])[:, None, None] / np.linalg.norm(errors, axis=-1, keepdims=True)
    errors[:, 0] = 0.0
    delays = np.array([0.0, 0.5, -0.4, 0.0])
    wrong = [_moved(camera, *error) for camera, error in zip(right, errors.swapaxes(0, 1), strict=True)]
    images = tuple(
        CapturedImage(Path("0.png"), name, camera, float(frame))
        for frame in range(1, 4)
        for name, camera in zip(names, wrong, strict=True)
    )
    box = np.array([[-1.0] * 3, [1.0] * 3])
    capture = Capture(Frames(tuple(range(_NUM_FRAMES))), images, Similarity.of(_METRES, np.zeros(3)), box)
    refinement = CameraRefinement(capture, poses=True, times=True)
    scene = _Balls()
    sampler = UniformSampler(SamplerConfig(num_samples=40), torch.from_numpy(box).float(), _NUM_FRAMES)
    torch.manual_seed(0)
    refinement_groups = refinement.parameter_groups()
    optimizer = torch.optim.Adam(
        [
            {"params": refinement_groups["camera_poses"], "lr": 1e-3},
            {"params": refinement_groups["camera_times"], "lr": 2e-2},
        ]
    )
    steps = 150
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.05, total_iters=steps)
    rows = torch.arange(len(images)).repeat_interleave(20)
    behind = torch.from_numpy(delays).float()[rows % 4] / (_NUM_FRAMES - 1)
    for _ in range(steps):
        pixels = random.uniform(12.0, 52.0, (len(rows), 2))
        given = _rays(capture, pixels, rows, wrong * 3)
        true = _rays(capture, pixels, rows, right * 3)
        with torch.no_grad():
            target = render(scene, sampler, Rays(true.origins, true.directions, true.times + behind), 1.0)
        seen = render(scene, sampler, refinement(given, rows), 1.0)
        loss = (seen.rgb - target.rgb).abs().mean() + (seen.accumulation - target.accumulation).abs().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    found = [_with_zero(parameter) for parameter in refinement.parameters()]
    np.testing.assert_allclose(found[2], delays, rtol=0.0, atol=0.05)
    points = random.uniform(-0.5, 0.5, (100, 3))
    for place in range(1, 4):
        corrected = _moved(wrong[place], found[0][place], found[1][place])
        expected = right[place].project(points)[0]
        before, after = (np.abs(camera.project(points)[0] - expected).mean() for camera in (wrong[place], corrected))
        assert after < 0.1 * before, (before, after)


def _with_zero(parameter: Tensor) -> np.ndarray:
    values = parameter.numpy(force=True)
    return np.concatenate([np.zeros_like(values[:1]), values])
