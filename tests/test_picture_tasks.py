"""Pictures from their derivatives, blended and filled in, and sequences of one frame."""

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import trimesh
from nerfstudio.scripts.eval import ComputePSNR
from PIL import Image

from resfields_ns.captures.clips.clip_pixels import ClipPixels, HoldOut
from resfields_ns.captures.clips.footage import open_footage
from resfields_ns.commands import export, render
from resfields_ns.data.picture_supervisions import PICTURE_SUPERVISIONS, mean_colour_loss
from resfields_ns.data.video_data import VideoDataManagerConfig
from resfields_ns.dataparsers.mesh_sequence import MeshSequenceParserConfig
from resfields_ns.dataparsers.video_frames import VideoFramesDataParserConfig as Frames
from resfields_ns.functional.picture_derivatives import gradients_of_picture
from resfields_ns.functional.segments import TimedPoints, TimeSegments
from tests.cases import perturb_parameters
from tests.methods import METHODS, tiny_config, trained
from tests.test_video_fields import FIELDS
from tests.video_family import HEIGHT, NUM_FRAMES, WIDTH, waves


@pytest.mark.parametrize("name", FIELDS)
def test_derivatives_are_those_of_finite_differences(name: str) -> None:
    """In float64, which the hash grid does not have; its second derivatives are zero within a cell."""
    torch.manual_seed(0)
    field: Any = FIELDS[name]()
    perturb_parameters(field, scale=0.05)
    is_grid = name == "hash_grid"
    kind, step, tolerance = (torch.float32, 1e-3, 3e-2) if is_grid else (torch.float64, 1e-5, 1e-3)
    segments = TimeSegments(torch.tensor([0.0, 0.5, 1.0], dtype=kind), (4, 4, 4))
    points = TimedPoints(torch.rand(12, 2, dtype=kind) - 0.5, segments)
    field.to(kind)
    values, (first, second) = field.values_and_derivatives(points, 2)
    assert torch.equal(values, field.values(points))
    for axis in range(2):
        shift = step * torch.eye(2, dtype=kind)[axis]
        after, before = (field.values(points.moved(points.positions + sign * shift)) for sign in (1.0, -1.0))
        slopes, differences = (after - before) / (2.0 * step), (after - 2.0 * values + before) / step**2
        assert (first[..., axis] - slopes).norm() <= tolerance * slopes.norm()
        if is_grid:
            assert (second == 0.0).all()
        else:
            assert (second[..., axis] - differences).norm() <= tolerance * differences.norm() + 1e-3
    loss = second.square().sum() + first.square().sum()
    gradients = torch.autograd.grad(loss, list(field.mlp.parameters()), allow_unused=True)
    assert any(gradient is not None and gradient.abs().max() > 0.0 for gradient in gradients)


def _clip(folder: Path, *pictures: np.ndarray) -> ClipPixels:
    folder.mkdir()
    for frame, picture in enumerate(pictures):
        Image.fromarray(picture.astype(np.uint8)).save(folder / f"{frame}.png")
    return ClipPixels(open_footage(folder), list(range(len(pictures))), *pictures[0].shape[:2])


@pytest.mark.parametrize("name", PICTURE_SUPERVISIONS)
def test_a_solution_made_by_hand_has_no_loss(name: str, tmp_path: Path) -> None:
    """Planes, whose differences are exact everywhere, and parabolas, whose are within."""
    rows, columns = (axis.flatten() for axis in torch.meshgrid(torch.arange(9), torch.arange(8), indexing="ij"))
    plane, bowl = 40 + 3 * rows + 5 * columns, rows**2 + 2 * columns**2
    pictures = [of.view(9, 8, 1).expand(9, 8, 3).numpy() for of in (plane, bowl)]
    supervision = PICTURE_SUPERVISIONS[name](_clip(tmp_path / "clip", *pictures))
    inside = (rows > 0) & (rows < 8) & (columns > 0) & (columns < 7)
    slopes = torch.stack((torch.stack((rows * 2, columns * 4), -1), torch.tensor([[3, 5]]).expand(72, 2)))
    for frame, (picture, pixels, first, second) in enumerate(
        ((plane, inside | True, slopes[1], (0, 0)), (bowl, inside, slopes[0], (2, 4)))
    ):
        known = supervision.known(torch.full((int(pixels.sum()),), frame), rows[pixels], columns[pixels])
        outputs = {
            "rgb": picture[pixels, None].expand(-1, 3) / 255.0,
            "first": first[pixels, None].expand(-1, 3, 2) / 255.0,
            "second": torch.tensor(second).expand(int(pixels.sum()), 3, 2) / 255.0,
        }
        losses = supervision.losses(outputs, known)
        assert all(abs(float(loss)) < 1e-12 for term, loss in losses.items() if term != "mean")
        wrong = {term: of + 0.1 for term, of in outputs.items()}
        assert sum(supervision.losses(wrong, known).values()) > 1e-3
        if name != "values":
            assert torch.allclose(known["mean"], picture.float().mean() / 255.0)


def test_the_loss_of_the_mean_expects_its_square() -> None:
    rgb = torch.rand(200_000, 3, generator=torch.manual_seed(0))
    assert float(mean_colour_loss(rgb, torch.full_like(rgb, 0.3))) == pytest.approx(0.01 * 0.04, abs=1e-5)


def test_the_stronger_gradients_are_blended(tmp_path: Path) -> None:
    left = np.zeros((6, 8, 3))
    left[2:4, 2] = 200
    right = np.full((6, 8, 3), 60)
    right[3, 5:] = 255
    first, second = _clip(tmp_path / "first", left, left), _clip(tmp_path / "second", right)
    supervision = PICTURE_SUPERVISIONS["gradients"](first, second)
    pixels = torch.arange(48)
    mixed = supervision.gradients(torch.ones(48, dtype=torch.long), pixels // 8, pixels % 8).view(6, 8, 3, 2)
    own, other = (gradients_of_picture(torch.from_numpy(of / 255.0).float()) for of in (left, right))
    assert torch.allclose(mixed[:, :4], own[:, :4]) and torch.allclose(mixed[:, 5:], other[:, 5:])


def test_masks_of_different_sizes_are_drawn_from_evenly() -> None:
    masks = [np.zeros((5, 8), bool) for _ in range(3)]
    masks[0][1:3, 2:5], masks[1][4, 7] = True, True
    masks[2][:] = True
    hold_out = HoldOut.of_masks(masks)
    assert hold_out.counts.tolist() == [6, 1, 40] and hold_out.held_out_frames.tolist() == [False, False, True]
    seen, held = torch.tensor([0, 1]), torch.tensor([0, 1, 2])
    for frame, drawn in zip(seen, hold_out.draw_seen(seen, 4000), strict=True):
        assert torch.equal(drawn.unique(), (~hold_out.mask(int(frame))).nonzero()[:, 0])
    for frame, drawn in zip(held, hold_out.draw_held_out(held, 4000), strict=True):
        assert torch.equal(drawn.unique(), hold_out.mask(int(frame)).nonzero()[:, 0])
    assert all(np.array_equal(hold_out.mask(frame).view(5, 8), mask) for frame, mask in enumerate(masks))


def _run(
    data: Path, output: Path, supervision: str = "values", steps: int = 4, hidden_dim: int = 16, **options: Any
) -> Path:
    """The config.yml of a tiny run on pictures."""
    config = tiny_config(METHODS["video-resfields-small"], data, output)
    datamanager = config.pipeline.datamanager
    assert isinstance(datamanager, VideoDataManagerConfig)
    datamanager.supervision = supervision  # pyright: ignore[reportAttributeAccessIssue]
    datamanager.samples_per_batch = 200
    config.pipeline.model.field.hidden_dim = hidden_dim  # pyright: ignore[reportAttributeAccessIssue]
    datamanager.dataparser = Frames(data=data, **options)
    config.max_num_iterations = steps
    config.optimizers["field"]["optimizer"].lr = 2e-3
    trained(config)
    return config.get_base_dir() / "config.yml"


def _evaluated(run: Path, folder: Path) -> dict[str, Any]:
    ComputePSNR(run, folder / "metrics.json", folder / "pictures").main()
    assert list((folder / "pictures").glob("eval_img_*.png"))
    return json.loads((folder / "metrics.json").read_text())["results"]


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    Image.fromarray(waves()[0]).save(tmp_path / "picture.png")
    return tmp_path / "picture.png"


def _command(monkeypatch: pytest.MonkeyPatch, entrypoint: Callable[[], None], *arguments: object) -> None:
    monkeypatch.setattr(sys, "argv", ["command", *map(str, arguments)])
    entrypoint()


def test_a_picture_is_a_video_of_one_frame(picture: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = _run(picture, tmp_path / "run")
    results = _evaluated(run, tmp_path)
    assert results["facts"]["frames"] == [0] and results["facts"]["video"] == "picture.png"
    assert {"psnr_train", "psnr_test"} <= results.keys()
    for movie in (["video", "--scale", 2], ["time"], ["freeze", "--seconds", 0.1]):
        common = ["--load-config", run, "--output-path", tmp_path / movie[0]]
        _command(monkeypatch, render.entrypoint, *movie, *common)
        assert list((tmp_path / str(movie[0])).glob("*.png"))


def test_options_of_layers_over_time_are_refused_for_a_picture(picture: Path, tmp_path: Path) -> None:
    config = tiny_config(METHODS["video-resfields-small"], picture, tmp_path)
    config.pipeline.model.field = replace(config.pipeline.model.field, rank=5)  # pyright: ignore
    config.pipeline.model.field.hidden_dim = 64  # pyright: ignore
    with pytest.raises(
        ValueError, match=r"^--pipeline.model.field.rank: expected 10, .* while .*png has no second frame"
    ):
        config.setup(local_rank=0, world_size=1).setup()


def test_a_mesh_is_a_sequence_of_one_frame(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trimesh.creation.icosphere(subdivisions=1).export(tmp_path / "ball.ply")
    config = tiny_config(METHODS["sdf-resfields-small"], tmp_path / "ball.ply", tmp_path / "run")
    datamanager: Any = config.pipeline.datamanager
    datamanager.dataparser = MeshSequenceParserConfig(data=tmp_path / "ball.ply", image_size=16)
    trained(config)
    run = config.get_base_dir() / "config.yml"
    assert _evaluated(run, tmp_path)["facts"]["frames"] == [0]
    common = ["--load-config", run, "--output-dir", tmp_path / "meshes", "--resolution", 16]
    _command(monkeypatch, export.entrypoint, *common)
    assert list((tmp_path / "meshes").glob("*.ply"))


@pytest.mark.parametrize("supervision", ["gradients", "laplacians"])
def test_a_picture_comes_from_its_derivatives(tmp_path: Path, supervision: str) -> None:
    """Large enough that the Siren starts with waves that are longer than pixels."""
    Image.fromarray(waves(1, 48, 64)[0]).save(tmp_path / "picture.png")
    run = _run(tmp_path / "picture.png", tmp_path / "run", supervision, steps=80, hidden_dim=32)
    results = _evaluated(run, tmp_path)
    assert results["psnr_test"] > {"gradients": 28.0, "laplacians": 15.0}[supervision]
    assert results["gradient_error"] < {"gradients": 0.3, "laplacians": 0.8}[supervision]


def test_a_picture_is_blended_into_a_video(picture: Path, tmp_path: Path) -> None:
    video = tmp_path / "video"
    _clip(video, *waves()[:2])
    results = _evaluated(_run(video, tmp_path / "run", "gradients", blend_with=picture), tmp_path)
    assert "gradient_error" in results and "psnr_train" not in results


@pytest.mark.parametrize("kind", ["picture", "folder"])
def test_what_a_mask_covers_is_not_seen_but_measured(tmp_path: Path, kind: str) -> None:
    video = tmp_path / "video"
    _clip(video, *waves())
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[3:6, 4:9] = 255
    _clip(tmp_path / "folder", *[np.roll(mask, frame, axis=1) for frame in range(NUM_FRAMES)])
    Image.fromarray(mask).save(tmp_path / "picture.png")
    path = tmp_path / {"picture": "picture.png", "folder": "folder"}[kind]
    dataparser = Frames(data=video, inpaint=path)
    datamanager: Any = VideoDataManagerConfig(dataparser=dataparser, data=video, samples_per_batch=5000).setup(
        device="cpu"
    )
    for (points, _), inside in ((datamanager.next_train(0), False), (datamanager.next_eval(0), True)):
        y, x = (points.positions.double() + 1.0).mul(0.5 * torch.tensor([HEIGHT - 1, WIDTH - 1])).round().long().T
        frames = (points.segments.expand(points.segments.times) * (NUM_FRAMES - 1)).round().long()
        x = (x - frames * (kind == "folder")) % WIDTH
        assert ((torch.from_numpy(mask)[y, x] > 0) == inside).all()
    results = _evaluated(_run(video, tmp_path / "run", inpaint=path), tmp_path)
    assert results["facts"]["held_out_pixels"] == 15 / (HEIGHT * WIDTH) and results["psnr_test"] > 0.0


@pytest.mark.parametrize(
    ("options", "shape", "value", "message"),
    [
        (
            "inpaint",
            (HEIGHT, WIDTH + 1),
            255,
            r"--inpaint: expected 16x12 pixels as .*picture.png has, found 17x12 in .*",
        ),
        ("inpaint", (HEIGHT, WIDTH), 0, r"--inpaint: expected a mask that is white in part, found .* all black"),
        (
            "inpaint",
            (HEIGHT, WIDTH),
            255,
            r"--inpaint: expected .*white in part, found .*, which leaves nothing to train on",
        ),
        (
            "blend_with",
            (HEIGHT + 2, WIDTH),
            9,
            r"--blend-with: expected 16x12 pixels as .*, found 16x14 in .*other.png",
        ),
    ],
)
def test_pictures_that_do_not_fit(
    picture: Path, options: str, shape: tuple[int, int], value: int, message: str
) -> None:
    other = picture.parent / "other.png"
    Image.fromarray(np.full(shape, value, np.uint8)).save(other)
    given: dict[str, Any] = {options: other}
    with pytest.raises(ValueError, match=f"^{message}$"):
        Frames(data=picture, **given).setup()


def test_another_number_of_masks_than_frames(tmp_path: Path) -> None:
    _clip(tmp_path / "video", *waves())
    _clip(tmp_path / "masks", *waves()[:2])
    with pytest.raises(ValueError, match=r"^--inpaint: expected one frame, or 5 as .*video has, found 2 in .*masks$"):
        Frames(data=tmp_path / "video", inpaint=tmp_path / "masks").setup()
