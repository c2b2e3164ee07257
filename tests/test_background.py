"""Without masks: backgrounds of the scene's own, plates and a field, and what they do for what moves before them."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import torch
from nerfstudio.cameras.rays import Frustums, RaySamples
from nerfstudio.field_components.field_heads import FieldHeadNames
from PIL import Image
from torch import Tensor

from resfields_ns.captures.capture_writer import PLATE_FILE
from resfields_ns.captures.sequence import Capture
from resfields_ns.data.dynamic_data import DynamicDataManagerConfig
from resfields_ns.data.plates import DIFFERENT, TOLERANCE, Plates, check_plates, find_exposed, find_plates
from resfields_ns.dataparsers.owlii import OwliiDataParserConfig
from resfields_ns.fields.background_field import BackgroundField
from resfields_ns.functional.losses import opacity_cross_entropy, opacity_where_known
from resfields_ns.functional.rays import distance_past_box, intersect_box
from resfields_ns.host.dataparsing import sequence_of
from resfields_ns.host.trainer import ResFieldsTrainerConfig
from resfields_ns.models.background import NUM_SAMPLES, background_loss, render_background, what_hides
from resfields_ns.models.dynamic_model import DynamicModelConfig
from tests.methods import METHODS, tiny_config, trained
from tests.ray_family import without_clouds
from tests.room_scene import CAMERAS, NUM_FRAMES, ORBIT, ROCKING, ROOM, look, paint, write_room_capture

Background = Literal["color", "plate", "field"]
TRAIN = tuple(CAMERAS)[1:]
SWING = 15.0
BOX = torch.tensor([[-1.0, -0.5, -0.7], [1.0, 0.5, 0.7]])


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The capture without plates."""
    folder = tmp_path_factory.mktemp("room") / "capture"
    write_room_capture(folder)
    return folder


@pytest.fixture(scope="module")
def moving_room(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The capture by cameras that swing."""
    folder = tmp_path_factory.mktemp("moving") / "capture"
    write_room_capture(folder, swing=SWING)
    return folder


def _parser(data: Path) -> OwliiDataParserConfig:
    return OwliiDataParserConfig(data=data, train_cameras=TRAIN, test_cameras=("cam0",))


def _capture(data: Path) -> Capture:
    return sequence_of(_parser(data).setup().get_dataparser_outputs("train"), Capture)


def _images(capture: Capture) -> Tensor:
    return torch.from_numpy(np.stack([image.read_colours() for image in capture.images]))


def _config(
    background: Background, data: Path, out: Path, change: Callable[[DynamicModelConfig], Any] = lambda model: None
) -> ResFieldsTrainerConfig:
    config = tiny_config(METHODS["tnerf-resfields-small"], data, out)
    without_clouds(config.pipeline)
    assert isinstance(config.pipeline.datamanager, DynamicDataManagerConfig)
    config.pipeline.datamanager.dataparser = replace(_parser(data), data=OwliiDataParserConfig.data)
    model = config.pipeline.model
    assert isinstance(model, DynamicModelConfig)
    model.background = background
    if background == "color":
        model.sampler.kind, model.hull_start_steps = "uniform", 0
    change(model)
    return config


# Plates


@pytest.mark.parametrize("orbit", [ORBIT, ROCKING])
def test_a_plate_is_known_where_the_room_shows(orbit: float, tmp_path: Path) -> None:
    """Also of a ball that never leaves its place, where a median over time would show it in place of the room."""
    write_room_capture(tmp_path / "capture", orbit=orbit)
    capture = _capture(tmp_path / "capture")
    images = _images(capture)
    plates = find_plates(capture, images)
    shows_ball = 0
    for camera, name in enumerate(TRAIN):
        empty = look(name, None)[0].astype(int)
        pictures = np.stack([look(name, frame, orbit)[0].astype(int) for frame in range(NUM_FRAMES)])
        hidden = np.mean(np.abs(pictures - empty).max(axis=-1) > TOLERANCE, axis=0)
        known = plates.known[camera].numpy()
        wrong = np.abs(plates.colours[camera].numpy() - empty).max(axis=-1) > TOLERANCE
        assert wrong[known].mean() < 0.002
        assert known[hidden <= 0.25].all() and known[hidden <= 0.5].mean() > 0.98
        assert orbit == ORBIT or known[hidden == 1.0].mean() < 0.1
        shows_ball += (np.abs(np.median(pictures, axis=0) - empty).max(axis=-1) > TOLERANCE).sum()
    assert plates.names == TRAIN and shows_ball > (500 if orbit == ROCKING else 0)
    masks = np.stack([look(name, frame, orbit)[1] for name in TRAIN for frame in range(NUM_FRAMES)])
    found = plates.masks(images).numpy()
    assert (found & masks).sum() > 0.9 * (found | masks).sum()


def test_exposed_frames_of_large_pictures() -> None:
    """Found in smaller ones, they are the frames in which the room shows."""
    pictures = np.stack([look("cam1", frame)[0] for frame in range(NUM_FRAMES)])
    hidden = np.stack([look("cam1", frame)[1] for frame in range(NUM_FRAMES)])
    factor, cut = 13, np.s_[:, :517, :509]
    large, covered = (array.repeat(factor, axis=1).repeat(factor, axis=2)[cut] for array in (pictures, hidden))
    exposed = find_exposed(large)
    assert exposed.shape == covered.shape
    sure = exposed.any(axis=0) & (covered.sum(axis=0) > 1)
    assert sure.mean() > 0.2
    assert (exposed & covered)[:, sure].mean() < 0.02
    assert (exposed | covered)[:, sure].mean() > 0.95


def test_what_stands_half_of_the_time_is_unknown(room: Path, tmp_path: Path) -> None:
    """A camera before which a patch stands in every second frame."""
    folder = tmp_path / "capture"
    shutil.copytree(room, folder)
    for path in sorted((folder / "cam1" / "rgb").iterdir())[::2]:
        picture = np.array(Image.open(path))
        picture[:6, :6] = 255 - picture[:6, :6]
        Image.fromarray(picture).save(path)
    capture = _capture(folder)
    plates = find_plates(capture, _images(capture))
    changed = np.abs(255 - 2 * look("cam1", None)[0][:6, :6].astype(int)).max(axis=-1) > TOLERANCE
    assert changed.mean() > 0.9
    assert not plates.known[0][:6, :6][torch.from_numpy(changed)].any()


def test_a_plate_that_is_given_is_known_everywhere(tmp_path: Path) -> None:
    write_room_capture(tmp_path / "capture", plates=True)
    capture = _capture(tmp_path / "capture")
    images = _images(capture)
    plates = find_plates(capture, images)
    assert plates.known.all()
    assert torch.equal(plates.colours, torch.from_numpy(np.stack([look(name, None)[0] for name in TRAIN])))
    masks = np.stack([look(name, frame)[1] for name in TRAIN for frame in range(NUM_FRAMES)])
    found = plates.masks(images).numpy()
    assert (found & masks).sum() > 0.95 * (found | masks).sum()


def test_pixels_before_a_plate() -> None:
    """Known and masked, known and not, unknown: what is behind, and whether it is surely hidden or seen."""
    plates = Plates(
        torch.tensor([100, 150, 200], dtype=torch.uint8).expand(1, 1, 3, 3).clone(),
        torch.tensor([[[True, True, False]]]),
        torch.tensor([0]),
        ("cam",),
    )
    plate = torch.tensor([100.0, 150.0, 200.0])
    shown = torch.stack((plate + torch.tensor([0.0, DIFFERENT, 0.0]), plate + TOLERANCE + 1.0, 0.0 * plate)) / 255.0
    indices = torch.tensor([[0, 0, 0], [0, 0, 1], [0, 0, 2]])
    found = plates.at(indices, shown, torch.tensor([True, False, True]))
    torch.testing.assert_close(found["behind"], torch.stack((plate / 255.0, plate / 255.0, shown[2])))
    assert found["known"].tolist() == [True, True, False]
    assert found["hidden"].tolist() == [True, False, False]
    assert found["seen"].tolist() == [False, False, False]
    same = plates.at(indices, found["behind"], torch.zeros(3, dtype=torch.bool))
    assert same["seen"].tolist() == [True, True, False] and not same["hidden"].any()


def test_masks_are_what_differs_from_a_plate() -> None:
    """By more than noise and faint shadows, but for specks and small holes; all that is unknown."""
    plates = Plates(
        torch.full((1, 40, 40, 3), 100, dtype=torch.uint8),
        torch.ones(1, 40, 40, dtype=torch.bool).index_fill(1, torch.arange(30, 40), False),
        torch.tensor([0]),
        ("cam",),
    )
    picture, expected = torch.full((1, 40, 40, 3), 100, dtype=torch.uint8), torch.zeros(1, 40, 40, dtype=torch.bool)
    picture[:, 4:12, 4:12] += DIFFERENT + 1
    picture[:, 7:9, 7:9] = 100
    picture[:, 4:12, 20:30] += DIFFERENT
    picture[:, 20, 20] = 255
    expected[:, 4:12, 4:12], expected[:, 30:] = True, True
    assert torch.equal(plates.masks(picture), expected)


def test_cameras_without_plates_are_refused(room: Path, tmp_path: Path) -> None:
    capture = _capture(room)
    first, second = capture.images[:2]
    moved = replace(second, camera=replace(second.camera, pose=second.camera.pose + np.eye(3, 4) * 0.01))
    message = (
        "^--pipeline.model.background plate: expected cameras that stand still, found cam1 moving between .*000.png"
    )
    with pytest.raises(ValueError, match=message):
        check_plates(replace(capture, images=(first, moved, *capture.images[2:])))
    with pytest.raises(ValueError, match="expected cameras that stand still in 3 frames or more, found 2 of cam1"):
        check_plates(replace(capture, images=capture.images[:2]))
    write_room_capture(tmp_path / "capture", plates=True)
    check_plates(replace(_capture(tmp_path / "capture"), images=_capture(tmp_path / "capture").images[:1]))
    Image.new("RGB", (4, 4)).save(tmp_path / "capture" / "cam2" / PLATE_FILE)
    with pytest.raises(ValueError, match=r"cam2/plate.png: expected 40x40 pixels as the camera's images, found 4x4"):
        _capture(tmp_path / "capture")


def test_moving_cameras_are_refused_before_training(demo_capture: Path, tmp_path: Path) -> None:
    config = _config("plate", demo_capture, tmp_path)
    dataparser = OwliiDataParserConfig(train_cameras=("cam_test",), test_cameras=("cam_train_1",))
    config.pipeline.datamanager.dataparser = dataparser  # pyright: ignore[reportAttributeAccessIssue]
    with pytest.raises(ValueError, match="background plate: expected cameras that stand still, found cam_test moving"):
        config.setup(local_rank=0, world_size=1).setup()


def test_before_moving_cameras_a_field_has_no_masks_to_sample_by(moving_room: Path, tmp_path: Path) -> None:
    config = _config("field", moving_room, tmp_path, lambda model: setattr(model.sampler, "kind", "occupancy"))
    message = (
        "^model.sampler.kind: expected hierarchical, learned-occupancy or uniform, as cameras move and "
        "model.background field leaves masks, got occupancy$"
    )
    with pytest.raises(ValueError, match=message):
        config.setup(local_rank=0, world_size=1).setup()


# Rendering


def _rays(count: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    origins = 3.0 * torch.nn.functional.normalize(torch.randn(count, 3, generator=generator), dim=-1)
    targets = 1.5 * (torch.rand(count, 3, generator=generator) - 0.5)
    return origins, torch.nn.functional.normalize(targets - origins, dim=-1)


def test_a_background_ray_is_walked_from_sample_to_sample() -> None:
    torch.manual_seed(0)
    field = BackgroundField().double().eval()
    with torch.no_grad():
        field.encoding.hash_table.mul_(3e3)
        origins, directions = (each.double() for each in _rays(6))
        box = BOX.double()
        found = render_background(field, origins, directions, box)
        for ray in range(6):
            start = distance_past_box(origins[ray : ray + 1], directions[ray : ray + 1], box).item()
            passed, expected = 1.0, torch.zeros(3, dtype=torch.float64)
            for sample in range(NUM_SAMPLES):
                share = (sample + 0.5) / NUM_SAMPLES
                position = origins[ray] + directions[ray] * (start + share / (1.0 - share))
                zero = torch.zeros(1, 1, dtype=torch.float64)
                outputs = field(RaySamples(Frustums(position[None], directions[ray, None], zero, zero, zero)))
                opacity = 1.0
                if sample < NUM_SAMPLES - 1:
                    near, far = (edge / (NUM_SAMPLES - edge) for edge in (sample, sample + 1))
                    opacity = 1.0 - np.exp(-outputs[FieldHeadNames.DENSITY].item() * (far - near))
                expected += passed * opacity * outputs[FieldHeadNames.RGB][0]
                passed *= 1.0 - opacity
            torch.testing.assert_close(found[ray].double(), expected, atol=1e-5, rtol=0)
    assert found.std() > 0.01


def test_the_background_lies_outside_the_box() -> None:
    origins, directions = _rays(200)
    distances = distance_past_box(origins, directions, BOX)
    near, far = intersect_box(origins, directions, BOX)
    meets = near < far
    assert 20 < meets.sum() < 200
    assert torch.equal(distances[meets], far[meets])
    beyond = origins + directions * (distances[:, None] + 0.01)
    assert not ((beyond > BOX[0]) & (beyond < BOX[1])).all(dim=-1).any()


def test_what_is_seen_before_another_background(room: Path, tmp_path: Path) -> None:
    """C = C_scene + (1 - opacity) C_behind, ray by ray, and RGBA is what the background has no part in."""
    trainer = _config("field", room, tmp_path).setup(local_rank=0, world_size=1)
    trainer.setup()
    model, rays = trainer.pipeline.model.eval(), trainer.pipeline.datamanager.next_train(0)[0]
    with torch.no_grad():
        outputs = model(rays)
        rendering, opacity = outputs["rendering"], outputs["accumulation"]
        known = torch.ones_like(rendering.rgb[:, 0], dtype=torch.bool)
        alone = rendering.before(torch.zeros_like(rendering.rgb), known).rgb
        behind = outputs["background"]
        assert opacity.min() < 0.1 and opacity.max() > 0.9
        torch.testing.assert_close(rendering.rgb, alone + (1.0 - opacity) * behind)
        rgba = model.get_rgba_image(outputs)
    torch.testing.assert_close(rgba[:, :3] * opacity + (1.0 - opacity) * behind, outputs["rgb"], atol=1e-5, rtol=0)


def test_opacity_where_it_is_known() -> None:
    accumulation, opaque = torch.tensor([0.0, 0.3, 0.9, 0.5]), torch.tensor([1.0, 1.0, 0.0, 0.0])
    empty = torch.tensor([0.0, 0.0, 1.0, 0.0])
    parts = [opacity_cross_entropy(accumulation[chosen], opaque[chosen]) for chosen in ([0, 1], [2])]
    torch.testing.assert_close(opacity_where_known(accumulation, opaque, empty), sum(parts) / 2)
    assert opacity_where_known(accumulation, torch.zeros(4), torch.zeros(4)) == 0.0


def test_a_background_ray_ends_where_a_number_can_say(monkeypatch: pytest.MonkeyPatch) -> None:
    """The last stratum ends at infinity, which its random position may be rounded to."""
    monkeypatch.setattr("resfields_ns.models.background.stratum_positions", lambda *size: torch.ones(6, NUM_SAMPLES))
    origins, directions = _rays(6)
    assert torch.isfinite(render_background(BackgroundField(), origins, directions, BOX)).all()


def test_what_hides_a_background(moving_room: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before a background that is known, it is the ball; of pictures with more pixels, blocks are looked at."""
    capture = _capture(moving_room)
    images, masks = (
        torch.from_numpy(
            np.stack([look(image.camera_name, image.frame, swing=SWING)[kind] for image in capture.images])
        )
        for kind in (0, 1)
    )
    outputs = _parser(moving_room).setup().get_dataparser_outputs("train")

    def show_room(field: object, origins: Tensor, directions: Tensor, box: Tensor) -> Tensor:
        along = (origins * directions).sum(dim=-1)
        reach = -along + (along.square() + ROOM**2 - origins.square().sum(dim=-1)).sqrt()
        return torch.from_numpy(paint((origins + directions * reach[:, None]).numpy())).float()

    monkeypatch.setattr("resfields_ns.models.background.render_background", show_room)
    found = what_hides(BackgroundField(), outputs.cameras, images, BOX)
    assert (found & masks).sum() > 0.95 * (found | masks).sum()
    monkeypatch.setattr("resfields_ns.models.background._LONGER_SIDE", 20)
    in_blocks = what_hides(BackgroundField(), outputs.cameras, images, BOX)
    assert torch.equal(in_blocks[:, ::2, ::2], found[:, 1::2, 1::2]) and torch.equal(
        in_blocks, in_blocks[:, ::2, ::2].repeat_interleave(2, 1).repeat_interleave(2, 2)
    )


def test_a_background_is_learned_where_nothing_is_before_it() -> None:
    """From what is known to be behind, or else from pixels, as far as they are uncovered; the scene has no part."""
    shown, image = torch.full((4, 3), 0.5), torch.tensor([0.5, 0.6, 0.9, 0.1])[:, None].expand(-1, 3)
    uncovered = torch.tensor([1.0, 1.0, 0.0, 0.0])
    assert background_loss(shown, {"image": image}, uncovered).item() == pytest.approx(0.05)
    behind, known = torch.full((4, 3), 0.2), torch.tensor([True, False, False, True])
    told = {"image": image, "behind": behind, "known": known}
    assert background_loss(shown, told, uncovered).item() == pytest.approx(0.3)


# Learning


def _learned(
    background: Background,
    data: Path,
    out: Path,
    steps: int = 40,
    change: Callable[[DynamicModelConfig], Any] = lambda model: None,
) -> tuple[float, float]:
    """PSNR on the ball (dB) and overlap of opacity and mask, in the camera that is held out, after some steps."""

    def enlarge(model: DynamicModelConfig) -> None:
        model.sampler.num_samples = 16
        if background != "color":
            model.hull_start_steps = 200
        if background == "field":
            model.background_start_steps = 200
        change(model)

    config = _config(background, data, out, enlarge)
    config.pipeline.datamanager.train_num_rays_per_batch = 96  # pyright: ignore[reportAttributeAccessIssue]
    config.optimizers["field"]["optimizer"].lr = 2e-3 if background == "color" else 1e-3
    config.max_num_iterations = steps
    config.steps_per_eval_batch = 0
    pipeline = trained(config).pipeline.eval()
    dataset, errors, overlaps = pipeline.datamanager.eval_dataset, [], []
    assert dataset is not None
    for index in (0, 3, 6):
        outputs, item = pipeline.model.get_outputs_for_camera(dataset.cameras[index : index + 1]), dataset[index]
        mask, opaque = item["mask"][..., 0], outputs["accumulation"][..., 0] > 0.5
        errors.append((outputs["rgb"] - item["image"])[mask].square().mean().item())
        overlaps.append(((mask & opaque).sum() / (mask | opaque).sum()).item())
    return -10.0 * np.log10(np.mean(errors)), float(np.mean(overlaps))


@pytest.fixture(scope="module")
def baseline(room: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[float, float]:
    """What is learned before a colour."""
    return _learned("color", room, tmp_path_factory.mktemp("color"), steps=250)


@pytest.mark.parametrize("background", ["plate", "field"])
def test_without_masks_the_subject_is_learned_before_its_own_background(
    background: Background, room: Path, baseline: tuple[float, float], tmp_path: Path
) -> None:
    psnr, overlap = _learned(background, room, tmp_path)
    assert overlap > baseline[1] + 0.3
    assert psnr > baseline[0] + 1.0


def test_a_subject_that_never_leaves_its_place_is_learned(tmp_path: Path) -> None:
    """Before plain medians over time the overlap is 0.2, before clean plates that are given 0.9."""
    write_room_capture(tmp_path / "capture", orbit=ROCKING)
    _, overlap = _learned("plate", tmp_path / "capture", tmp_path / "out")
    assert overlap > 0.5


def test_a_subject_is_learned_before_a_background_that_cameras_move_before(moving_room: Path, tmp_path: Path) -> None:
    """Where scene and background learn from each other's colours, the scene gives way: the overlap is 0.1."""
    _, overlap = _learned("field", moving_room, tmp_path, 80, lambda model: setattr(model.sampler, "kind", "uniform"))
    assert overlap > 0.4
