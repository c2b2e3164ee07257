"""The Owlii dataparser and its dataset: cameras, times and depths agree with the matrices and surfaces on disk."""

import shutil
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import trimesh
from nerfstudio.data.dataparsers.base_dataparser import DataparserOutputs
from PIL import Image

from resfields_ns.captures import large_arrays
from resfields_ns.captures.large_arrays import allocate, make_rows
from resfields_ns.captures.sequence import Capture
from resfields_ns.data.dynamic_dataset import DynamicDataset
from resfields_ns.dataparsers.owlii import Owlii, OwliiDataParserConfig, owlii_specification
from resfields_ns.files import DiskFullError
from resfields_ns.host.dataparsing import sequence_of

_POINTS = np.random.default_rng(0).uniform(-0.6, 0.6, size=(50, 3))


def _parse(capture: Path, split: str = "train", **options: Any) -> DataparserOutputs:
    return OwliiDataParserConfig(data=capture, **options).setup().get_dataparser_outputs(split)


def _matrices(outputs: DataparserOutputs, capture: Path, index: int) -> tuple[np.ndarray, np.ndarray]:
    frame = list(sequence_of(outputs).frames.numbers)[int(sequence_of(outputs).frame_index[index])]
    archive = np.load(
        capture / sequence_of(outputs).images[index].camera_name / "cameras_sphere.npz",
        allow_pickle=False,
    )
    return archive[f"world_mat_{frame}"], archive[f"scale_mat_{frame}"]


def _project_by_cameras(outputs: DataparserOutputs, index: int, points: np.ndarray) -> np.ndarray:
    """Pixels of normalised points by nerfstudio's own parameters, in float64."""
    cameras = outputs.cameras
    pose = cameras.camera_to_worlds[index].double().numpy()
    local = (points - pose[:, 3]) @ pose[:, :3]
    x = cameras.cx[index].item() - cameras.fx[index].item() * local[:, 0] / local[:, 2]
    y = cameras.cy[index].item() + cameras.fy[index].item() * local[:, 1] / local[:, 2]
    return np.stack([x, y], axis=-1)


def _project_by_matrix(matrix: np.ndarray, points: np.ndarray) -> np.ndarray:
    homogeneous = np.column_stack([points, np.ones(len(points))]) @ matrix[:3].T
    return homogeneous[:, :2] / homogeneous[:, 2:]


def _grown_by_a_pixel(mask: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.max_pool2d(mask[None].float(), 3, stride=1, padding=1)[0] > 0


def _distance_to_surface(mesh: trimesh.Trimesh, points: np.ndarray) -> np.ndarray:
    """Distance of each point to the nearest triangle, over all triangles."""
    distances = []
    for point in points:
        near = trimesh.triangles.closest_point(mesh.triangles, np.broadcast_to(point, (len(mesh.faces), 3)))
        distances.append(np.linalg.norm(near - point, axis=1).min())
    return np.array(distances)


@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_points_land_on_their_pixels(demo_capture: Path, split: str) -> None:
    outputs = _parse(demo_capture, split)
    for index in range(len(outputs.image_filenames)):
        world, scale = _matrices(outputs, demo_capture, index)
        expected = _project_by_matrix(world @ scale, _POINTS)
        np.testing.assert_allclose(_project_by_cameras(outputs, index, _POINTS), expected, atol=1e-3)


def test_rays_of_pixels_pass_through_their_points(demo_capture: Path) -> None:
    outputs = _parse(demo_capture)
    for index in range(0, len(outputs.image_filenames), 3):
        world, scale = _matrices(outputs, demo_capture, index)
        pixels = _project_by_matrix(world @ scale, _POINTS)
        coordinates = torch.from_numpy(pixels[:, ::-1].copy()).float()
        indices = torch.full((len(_POINTS), 1), index)
        rays = outputs.cameras.generate_rays(camera_indices=indices, coords=coordinates)
        offset = torch.from_numpy(_POINTS).float() - rays.origins
        along = (offset * rays.directions).sum(dim=-1, keepdim=True)
        assert (along > 0).all()
        torch.testing.assert_close(along * rays.directions, offset, atol=2e-6, rtol=0)


def test_world_and_normalised_space_are_inverse(demo_capture: Path) -> None:
    outputs = _parse(demo_capture)
    _, scale = _matrices(outputs, demo_capture, 0)
    world = torch.from_numpy(_POINTS @ scale[:3, :3].T + scale[:3, 3]).float()
    transform = outputs.dataparser_transform
    normalised = outputs.dataparser_scale * (world @ transform[:, :3].T + transform[:, 3])
    torch.testing.assert_close(normalised, torch.from_numpy(_POINTS).float(), atol=1e-6, rtol=0)
    np.testing.assert_array_equal(sequence_of(outputs).to_world.matrix, scale)


def test_images_are_ordered_by_camera_then_frame(demo_capture: Path) -> None:
    outputs = _parse(demo_capture, frames="1:4:2")
    cameras = OwliiDataParserConfig().train_cameras
    expected = [demo_capture / camera / "rgb" / f"00000{frame}.png" for camera in cameras for frame in (1, 3)]
    assert outputs.image_filenames == expected
    capture = sequence_of(outputs, Capture)
    assert [image.mask for image in capture.images] == [path.parents[1] / "mask" / path.name for path in expected]
    assert [image.depth for image in capture.images] == [path.parents[1] / "depth" / path.name for path in expected]
    assert capture.clouds == tuple(demo_capture / "cloud" / f"00000{frame}.ply" for frame in (1, 3))
    assert capture.meshes == tuple(demo_capture / "mesh" / f"00000{frame}.ply" for frame in (1, 3))
    assert list(sequence_of(outputs).frames.numbers) == [1, 3]
    assert sequence_of(outputs).frame_index.tolist() == [0, 1] * 4
    assert outputs.mask_filenames is None


@pytest.mark.parametrize(
    ("frames", "times"),
    [("::", [0, 1 / 3, 2 / 3, 1]), ("::2", [0, 1]), ("1:4", [0, 0.5, 1]), ("2", [0])],
)
def test_times_run_from_0_to_1_over_the_chosen_frames(demo_capture: Path, frames: str, times: list[float]) -> None:
    outputs = _parse(demo_capture, "test", frames=frames)
    assert sequence_of(outputs).num_frames == len(times)
    assert outputs.cameras.times is not None
    torch.testing.assert_close(outputs.cameras.times, torch.tensor(times, dtype=torch.float32)[:, None])


def test_one_camera_and_one_frame(demo_capture: Path) -> None:
    outputs = _parse(demo_capture, frames="2", train_cameras=("cam_train_3",))
    assert outputs.cameras.shape == (1,)
    assert outputs.cameras.fx.shape == (1, 1)


@pytest.mark.parametrize("kind", ["mesh", "cloud"])
def test_ground_truth_covers_the_masks_and_no_more(demo_capture: Path, kind: str) -> None:
    outputs = _parse(demo_capture)
    masks = DynamicDataset(outputs).load_arrays()["mask"]
    for index, mask in enumerate(masks):
        capture = sequence_of(outputs, Capture)
        files = capture.meshes if kind == "mesh" else capture.clouds
        assert files is not None
        path = files[capture.images[index].frame]
        surface = trimesh.load(path, process=False)
        assert isinstance(surface, trimesh.Trimesh | trimesh.PointCloud)
        pixels = _project_by_cameras(outputs, index, np.asarray(surface.vertices))
        columns, rows = np.floor(pixels).astype(int).T
        touched = torch.zeros_like(mask)
        touched[rows, columns] = True
        assert not (touched & ~_grown_by_a_pixel(mask)).any()
        assert not (mask & ~_grown_by_a_pixel(touched)).any()


@pytest.mark.parametrize("split", ["train", "test"])
def test_depth_along_the_rays_lands_on_the_surface(demo_capture: Path, split: str) -> None:
    outputs = _parse(demo_capture, split)
    dataset = DynamicDataset(outputs)
    half_a_millimetre = 0.5 * sequence_of(outputs, Capture).depth_unit
    for index in range(0, len(dataset), 3):
        item = dataset[index]
        assert torch.equal(item["depth"] > 0, item["mask"])
        rays = outputs.cameras.generate_rays(camera_indices=index)
        points = (rays.origins + item["depth"] * rays.directions)[item["mask"][..., 0]].double().numpy()
        capture = sequence_of(outputs, Capture)
        assert capture.meshes is not None
        mesh = trimesh.load(capture.meshes[capture.images[index].frame])
        assert isinstance(mesh, trimesh.Trimesh)
        assert _distance_to_surface(mesh, points[::9]).max() < 1.1 * half_a_millimetre


def test_z_depth_and_ray_depth_of_a_plane(demo_capture: Path, tmp_path: Path) -> None:
    """A wall at z = 2 m: z-depth becomes 2 m / cos(angle to the axis), ray depth stays as it is."""
    capture = _copy(demo_capture, tmp_path)
    for path in capture.glob("*/depth/*.png"):
        Image.fromarray(np.full((32, 32), 2000, np.uint16)).save(path)
    as_z = DynamicDataset(_parse(capture))[0]["depth"][..., 0]
    as_ray = DynamicDataset(_parse(capture, depth_kind="ray"))[0]["depth"][..., 0]
    outputs = _parse(capture)
    forward = -outputs.cameras.camera_to_worlds[0, :, 2]
    cosines = outputs.cameras.generate_rays(camera_indices=0).directions @ forward
    scale = 0.8  # metres of a normalised unit in the demo capture
    torch.testing.assert_close(as_ray, torch.full((32, 32), 2.0 / scale))
    torch.testing.assert_close(as_z, 2.0 / scale / cosines)


def test_images_are_the_files_values(demo_capture: Path) -> None:
    outputs = _parse(demo_capture)
    dataset = DynamicDataset(outputs)
    arrays = dataset.load_arrays()
    for index in range(0, len(dataset), 5):
        pixels = torch.from_numpy(np.array(Image.open(outputs.image_filenames[index])))
        file = sequence_of(outputs, Capture).images[index].mask
        assert file is not None
        mask = torch.from_numpy(np.array(Image.open(file))) > 127
        item = dataset[index]
        assert torch.equal(arrays["image"][index], pixels)
        assert torch.equal(arrays["mask"][index], mask)
        assert torch.equal(item["image"], pixels.float() / 255.0)
        assert torch.equal(item["mask"], mask[..., None])
        assert item["image_idx"] == index


def test_alpha_is_dropped(demo_capture: Path, tmp_path: Path) -> None:
    capture = _copy(demo_capture, tmp_path)
    path = capture / "cam_train_1" / "rgb" / "000000.png"
    pixels = np.random.default_rng(0).integers(0, 256, size=(32, 32, 4), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    assert np.array_equal(DynamicDataset(_parse(capture)).get_numpy_image(0), pixels[..., :3])


def test_mask_threshold(demo_capture: Path, tmp_path: Path) -> None:
    capture = _copy(demo_capture, tmp_path)
    for path in capture.glob("*/mask/*.png"):
        Image.fromarray(np.arange(32 * 32, dtype=np.uint16).reshape(32, 32).astype(np.uint8)).save(path)
    for threshold in (0, 127, 254):
        mask = DynamicDataset(_parse(capture, mask_threshold=threshold)).load_arrays()["mask"][0]
        assert int(mask.sum()) == 4 * (255 - threshold)


@pytest.mark.parametrize("image_scale", [0.5, 0.3])
def test_smaller_images_see_the_same_scene(demo_capture: Path, image_scale: float) -> None:
    whole, small = _parse(demo_capture), _parse(demo_capture, image_scale=image_scale)
    size = int(32 * image_scale)
    np.testing.assert_allclose(
        _project_by_cameras(small, 5, _POINTS) / size, _project_by_cameras(whole, 5, _POINTS) / 32, atol=1e-5
    )
    dataset = DynamicDataset(small)
    arrays, item = dataset.load_arrays(), dataset[5]
    assert arrays["image"].shape == (16, size, size, 3)
    assert (item["image"].shape, item["depth"].shape) == ((size, size, 3), (size, size, 1))
    coverage = DynamicDataset(whole).load_arrays()["mask"].float().mean()
    torch.testing.assert_close(arrays["mask"].float().mean(), coverage, atol=0.02, rtol=0)
    readings = np.unique(DynamicDataset(_parse(demo_capture, depth_kind="ray"))[5]["depth"].numpy())
    small_readings = DynamicDataset(_parse(demo_capture, depth_kind="ray", image_scale=image_scale))[5]["depth"]
    assert np.isin(small_readings.numpy(), readings).all()


def test_folders_that_may_be_left_out(demo_capture: Path, tmp_path: Path) -> None:
    capture = _copy(demo_capture, tmp_path)
    (capture / "aabb.txt").unlink()
    (capture / "cloud").rename(capture / "elsewhere")
    for camera in capture.glob("cam_*"):
        (camera / "rgb").rename(camera / "image")
        (camera / "mask").rename(camera / "other_mask")
        (camera / "depth").rename(camera / "other_depth")
    outputs = _parse(capture)
    assert outputs.scene_box.aabb.tolist() == [[-1.0] * 3, [1.0] * 3]
    assert sequence_of(outputs, Capture).clouds is None
    dataset = DynamicDataset(outputs)
    assert dataset.load_arrays().keys() == {"image"}
    assert dataset[0].keys() == {"image_idx", "image"}


def test_scene_box_is_the_files(demo_capture: Path) -> None:
    box = _parse(demo_capture).scene_box.aabb
    numbers = [float(text) for text in (demo_capture / "aabb.txt").read_text().strip("[] \n").split(",")]
    torch.testing.assert_close(box.flatten(), torch.tensor(numbers))


def test_is_known_to_nerfstudio_as_timed() -> None:
    assert Owlii.includes_time
    assert isinstance(owlii_specification.config, OwliiDataParserConfig)


def _copy(capture: Path, folder: Path) -> Path:
    return Path(shutil.copytree(capture, folder / "capture"))


def test_arrays_too_large_for_memory_lie_in_files(demo_capture: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = DynamicDataset(_parse(demo_capture))
    in_memory = {**dataset.load_arrays(), "depth": dataset.load_depth()}
    files: list[Any] = []
    open_file = tempfile.TemporaryFile
    monkeypatch.setattr(large_arrays, "LARGEST_IN_MEMORY", 20_000)
    monkeypatch.setattr(tempfile, "TemporaryFile", lambda: files.append(open_file()) or files[-1])
    mapped = {**dataset.load_arrays(), "depth": dataset.load_depth()}
    assert len(files) == sum(array.numel() * array.element_size() > 20_000 for array in in_memory.values()) >= 2
    for name, array in in_memory.items():
        assert torch.equal(mapped[name], array)


def test_arrays_that_the_disk_has_no_room_for_are_one_line() -> None:
    """A file that is mapped and finds the disk full ends a process without a word."""
    for make in (allocate, partial(make_rows, make=np.zeros, description="")):
        with pytest.raises(DiskFullError, match=r"^/.*: expected room for an array of 35184.4 GB, found .*TMPDIR"):
            make((2**5, 2**40), np.uint8)
