"""Visual hulls: they hold the surface, and nothing that any mask of their frame rules out."""

import math
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from nerfstudio.cameras.cameras import Cameras
from nerfstudio.data.dataparsers.base_dataparser import DataparserOutputs
from PIL import Image
from torch import Tensor

from resfields_ns.captures.camera import Camera, Lens
from resfields_ns.captures.demo_capture import write_demo_capture
from resfields_ns.captures.meshes.mesh_points import read_points
from resfields_ns.captures.sequence import Capture
from resfields_ns.data.dynamic_dataset import DynamicDataset
from resfields_ns.data.pixel_samplers import grow_mask
from resfields_ns.data.visual_hull import carve_visual_hull
from resfields_ns.dataparsers.owlii import OwliiDataParserConfig
from resfields_ns.functional.rays import cell_centres
from resfields_ns.host.dataparsing import host_cameras, sequence_of
from resfields_ns.models.dynamic_model import DynamicModelConfig
from resfields_ns.pipelines.dynamic_pipeline import DynamicPipeline, DynamicPipelineConfig
from tests.methods import METHODS, tiny_config, trained
from tests.ray_family import without_clouds


@pytest.fixture(scope="module")
def outputs(demo_capture: Path) -> DataparserOutputs:
    return OwliiDataParserConfig(data=demo_capture).setup().get_dataparser_outputs("train")


@pytest.fixture(scope="module")
def masks(outputs: DataparserOutputs) -> Tensor:
    return DynamicDataset(outputs).load_arrays()["mask"]


def _carve(
    outputs: DataparserOutputs, masks: Tensor, resolution: int, conservative: bool, least_views: int = 0
) -> Tensor:
    frames, num_frames = sequence_of(outputs).frame_index, sequence_of(outputs).num_frames
    return carve_visual_hull(
        outputs.cameras, masks, frames, num_frames, outputs.scene_box.aabb, resolution, conservative, least_views
    )


@pytest.mark.parametrize("resolution", [8, 32, 48])
@pytest.mark.parametrize("surfaces", ["clouds", "meshes"])
def test_holds_the_surface_of_every_frame(
    outputs: DataparserOutputs, masks: Tensor, surfaces: str, resolution: int
) -> None:
    hull = _carve(outputs, masks, resolution, conservative=True)
    lower, upper = outputs.scene_box.aabb
    for frame, path in enumerate(getattr(sequence_of(outputs, Capture), surfaces)):
        cells = ((read_points(path) - lower) / (upper - lower) * resolution).long().clamp(0, resolution - 1)
        assert hull[frame][tuple(cells.T)].all()


@pytest.mark.parametrize("conservative", [True, False])
def test_carves_empty_space(outputs: DataparserOutputs, masks: Tensor, conservative: bool) -> None:
    share = _carve(outputs, masks, 32, conservative).float().mean(dim=(1, 2, 3))
    assert ((share > 0.02) & (share < 0.6)).all()


def test_conservative_hull_holds_the_other(outputs: DataparserOutputs, masks: Tensor) -> None:
    wide, narrow = (_carve(outputs, masks, 24, conservative) for conservative in (True, False))
    assert (wide | ~narrow).all()
    assert wide.sum() > narrow.sum()


@pytest.mark.parametrize("conservative", [True, False])
def test_foreground_everywhere_carves_nothing(outputs: DataparserOutputs, masks: Tensor, conservative: bool) -> None:
    assert _carve(outputs, torch.ones_like(masks), 16, conservative).all()


@pytest.mark.parametrize("conservative", [True, False])
def test_images_carve_their_own_frame_alone(outputs: DataparserOutputs, masks: Tensor, conservative: bool) -> None:
    frames = sequence_of(outputs).frame_index
    emptied = masks.clone()
    emptied[frames == 2] = False
    before, after = (_carve(outputs, m, 16, conservative) for m in (masks, emptied))
    others = torch.tensor([0, 1, 3])
    assert torch.equal(before[others], after[others])
    assert before[2].any()
    assert not after[2].any()


def _slow_hull(
    cameras: Cameras, masks: Tensor, frame_index: Tensor, box: Tensor, resolution: int, least_views: int
) -> Tensor:
    """Cell by cell: kept unless its centre falls on the background of an image, or too few of its frame see it."""
    hull = torch.ones(int(frame_index.max()) + 1, *[resolution] * 3, dtype=torch.bool)
    views = torch.zeros_like(hull, dtype=torch.long)
    for image, frame in enumerate(frame_index.tolist()):
        pose = cameras.camera_to_worlds[image].double()
        for cell in torch.cartesian_prod(*[torch.arange(resolution)] * 3):
            centre = box[0] + (cell + 0.5) / resolution * (box[1] - box[0])
            right, up, back = (pose[:, :3].T @ (centre.double() - pose[:, 3])).tolist()
            if back >= 0.0:
                continue
            column = math.floor(cameras.cx[image].item() + cameras.fx[image].item() * right / -back)
            row = math.floor(cameras.cy[image].item() + cameras.fy[image].item() * up / back)
            if 0 <= row < masks.shape[1] and 0 <= column < masks.shape[2]:
                views[frame][tuple(cell)] += 1
                hull[frame][tuple(cell)] &= masks[image, row, column]
    for frame in range(len(hull)):
        if (frame_index == frame).sum() >= least_views:
            hull[frame] &= views[frame] >= least_views
    return hull


@pytest.mark.parametrize("least_views", [0, 1, 2])
def test_agrees_with_a_loop_over_cells(least_views: int) -> None:
    """With cameras that see the box in part, one of them from within it, and pixels that are not square."""
    poses = torch.eye(4)[:3].repeat(3, 1, 1)
    poses[0, :, 3] = torch.tensor([0.3, -0.2, 3.0])
    poses[1, :, 3] = torch.tensor([0.05, 0.02, 0.03])
    poses[2] = torch.tensor([[0.0, 0.0, 1.0, 2.5], [0.0, 1.0, 0.0, 0.1], [-1.0, 0.0, 0.0, -0.2]])
    cameras = Cameras(poses, fx=30.0, fy=22.0, cx=9.0, cy=8.0, width=20, height=16)
    masks = torch.rand(3, 16, 20, generator=torch.Generator().manual_seed(0)) < 0.6
    box, frames = torch.tensor([[-1.0, -0.8, -1.2], [1.0, 0.8, 1.0]]), torch.tensor([0, 0, 1])
    hull = carve_visual_hull(cameras, masks, frames, 2, box, 9, conservative=False, least_views=least_views)
    assert torch.equal(hull, _slow_hull(cameras, masks, frames, box, 9, least_views))
    assert 0 < hull.sum() < hull.numel()


@pytest.mark.parametrize("conservative", [True, False])
def test_cameras_that_see_all_have_the_same_hull_however_many_must(
    outputs: DataparserOutputs, masks: Tensor, conservative: bool
) -> None:
    hull, seen_by_two = (
        _carve(outputs, masks, 64, conservative),
        _carve(outputs, masks, 64, conservative, least_views=2),
    )
    assert torch.equal(hull, seen_by_two)


def test_a_column_behind_the_subject_that_one_camera_sees_is_no_part_of_it() -> None:
    """One camera sees all of the box, the other its half x > 0; the subject hides what is behind it from the first."""
    poses = torch.eye(4)[:3].repeat(2, 1, 1)
    poses[0, :, 3] = torch.tensor([0.0, 0.0, 30.0])
    poses[1] = torch.tensor([[1.0, 0.0, 0.0, 1.0], [0.0, 0.0, 1.0, 30.0], [0.0, -1.0, 0.0, 0.0]])
    cameras = Cameras(poses, fx=290.0, fy=290.0, cx=10.0, cy=10.0, width=20, height=20)
    masks = torch.zeros(2, 20, 20, dtype=torch.bool)
    masks[0, 8:12] = True
    masks[1, 8:12] = True
    box, frames = torch.tensor([[-1.0] * 3, [1.0] * 3]), torch.tensor([0, 0])
    hulls = [carve_visual_hull(cameras, masks, frames, 1, box, 16, False, views)[0] for views in (0, 2)]
    assert hulls[0][:7, 8].all() and not hulls[1][:7].any()
    assert torch.equal(hulls[0][9:], hulls[1][9:]) and hulls[1].any()


@pytest.mark.parametrize("lens", [Lens(), Lens(k1=0.3, k2=-0.02, p1=0.02), Lens(k1=-0.3, k3=0.01, p2=-0.03)])
def test_carves_through_lenses(lens: Lens) -> None:
    """As the camera projects; what lies farther out than the lens model holds is not carved."""
    pose = np.column_stack([np.diag([1.0, -1.0, -1.0]), [0.1, 0.2, 1.4]])
    camera = Camera(60, 48, 24.0, 26.0, 31.0, 25.0, lens, pose)
    cameras = host_cameras([camera], torch.zeros(1))
    masks = torch.rand(1, 48, 60, generator=torch.Generator().manual_seed(0)) < 0.6
    box = torch.tensor([[-1.0] * 3, [1.0] * 3])
    hull = carve_visual_hull(cameras, masks, torch.tensor([0]), 1, box, 16, conservative=False)
    centres = cell_centres(torch.arange(16**3), (16, 16, 16), box).double().numpy()
    local = camera.to_camera(centres)
    squares = (local[:, :2] ** 2).sum(axis=-1) / local[:, 2] ** 2
    radii = np.linspace(0.0, 3.0, 3001)
    farther = np.diff(radii * (1.0 + lens.k1 * radii**2 + lens.k2 * radii**4 + lens.k3 * radii**6)) > 0.0
    limit = np.inf if farther.all() else radii[np.argmin(farther)]
    pixels, seen = camera.project(centres)
    seen &= squares < limit**2
    columns, rows = np.where(seen[:, None], pixels, 0.0).astype(np.int64).T
    expected = ~seen | masks[0].numpy()[rows, columns]
    assert (hull.flatten().numpy() != expected).mean() < 1e-3
    assert (seen & ~expected).sum() > 100 and (lens.k1 >= 0.0 or (squares > limit**2).any())


@pytest.mark.parametrize("conservative", [True, False])
def test_what_no_image_sees_is_kept(conservative: bool) -> None:
    """A camera within the box that sees background only carves before it, not behind it."""
    cameras = Cameras(torch.eye(4)[None, :3], fx=10.0, fy=10.0, cx=10.0, cy=10.0, width=20, height=20)
    nothing, box = torch.zeros(1, 20, 20, dtype=torch.bool), torch.tensor([[-1.0] * 3, [1.0] * 3])
    hull = carve_visual_hull(cameras, nothing, torch.tensor([0]), 1, box, 8, conservative)
    assert hull[..., 4:].all()
    assert not hull[0, 3:5, 3:5, :3].any()


@pytest.mark.parametrize("radius", [0, 1, 3, 30])
def test_a_mask_grows_by_whole_pixels(radius: int) -> None:
    mask = torch.rand(9, 12, generator=torch.Generator().manual_seed(1)) < 0.05
    expected = torch.zeros_like(mask)
    for row, column in mask.nonzero().tolist():
        expected[max(row - radius, 0) : row + radius + 1, max(column - radius, 0) : column + radius + 1] = True
    assert mask.any()
    assert torch.equal(grow_mask(mask, radius), expected)
    assert not grow_mask(torch.zeros_like(mask), radius).any()


@pytest.mark.parametrize("conservative", [True, False])
def test_an_empty_mask_among_others_carves_nothing(
    outputs: DataparserOutputs, masks: Tensor, conservative: bool
) -> None:
    """The hull of its frame is that of the other cameras; a frame whose masks are all empty is empty."""
    frames = sequence_of(outputs).frame_index
    names = [image.camera_name for image in sequence_of(outputs).images]
    second = torch.tensor([name == "cam_train_3" for name in names])
    lost, full, gone = masks.clone(), masks.clone(), masks.clone()
    lost[(frames == 2) & second] = False
    full[(frames == 2) & second] = True
    gone[frames == 2] = False
    assert torch.equal(_carve(outputs, lost, 16, conservative), _carve(outputs, full, 16, conservative))
    assert _carve(outputs, lost, 16, conservative)[2].any()
    assert not _carve(outputs, gone, 16, conservative)[2].all()
    assert torch.equal(
        _carve(outputs, gone, 16, conservative)[[0, 1, 3]], _carve(outputs, masks, 16, conservative)[[0, 1, 3]]
    )


def test_a_frame_with_a_lost_mask_is_learned_as_its_neighbours_are(tmp_path: Path) -> None:
    """A camera's mask of frame 5 is black: its picture is not learned from as an empty one."""
    write_demo_capture(tmp_path / "capture", num_frames=8, size=32)
    shutil.rmtree(tmp_path / "capture" / "cloud")
    Image.fromarray(np.zeros((32, 32), np.uint8)).save(tmp_path / "capture" / "cam_train_3" / "mask" / "000005.png")
    config = tiny_config(METHODS["tnerf-resfields-small"], tmp_path / "capture", tmp_path)
    model = config.pipeline.model
    assert isinstance(model, DynamicModelConfig) and isinstance(config.pipeline, DynamicPipelineConfig)
    model.field = replace(model.field, hidden_dim=64)
    model.hull_start_steps = 60
    config.optimizers["field"]["optimizer"].lr = 3e-3
    config.max_num_iterations = 150
    config.steps_per_eval_image = 1000
    without_clouds(config.pipeline)
    pipeline = trained(config).pipeline
    assert isinstance(pipeline, DynamicPipeline)
    with torch.no_grad():
        frames = pipeline.eval().evaluate_frames(None)
    psnr = {frame["frame"]: frame["psnr_foreground"] for frame in frames}
    assert np.isfinite(list(psnr.values())).all()
    assert psnr[5] > min(psnr[4], psnr[6]) - 3.0
