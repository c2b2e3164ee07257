"""Extracted surfaces: they lie on the field's zero level, look outward, and survive being written."""

from pathlib import Path

import numpy as np
import pytest
import torch
import trimesh
from nerfstudio.data.scene_box import SceneBox
from torch import Tensor, nn

from resfields_ns.captures.camera import Camera, Similarity
from resfields_ns.captures.sequence import Capture, CapturedImage, Frames
from resfields_ns.export.mesh_formats import read_mesh, write_mesh
from resfields_ns.export.surface import Surface, extract_surface
from resfields_ns.fields.densities import LaplaceDensity
from resfields_ns.functional.segments import TimedPoints
from resfields_ns.host.dataparsing import host_outputs
from resfields_ns.models.dynamic_model import DynamicModel, DynamicModelConfig
from resfields_ns.models.samplers import SamplerConfig

BOX = torch.tensor([[-0.7, -0.8, -0.65], [0.75, 0.7, 0.66]])
CENTRE = torch.tensor([0.05, -0.02, 0.01])
CELL = 1.5 / 40


class Sphere(nn.Module):
    """A sphere whose radius grows from 0.3 to 0.6, coloured by where its normals look."""

    density = LaplaceDensity(0.1)

    def raw_and_feature(self, points: TimedPoints) -> tuple[Tensor, Tensor]:
        offsets = points.positions - CENTRE
        return offsets.norm(dim=-1) - 0.3 * (1.0 + points.segments.expand(points.segments.times)), offsets

    def raw_gradient_and_feature(self, points: TimedPoints) -> tuple[Tensor, Tensor, Tensor]:
        sdf, offsets = self.raw_and_feature(points)
        return sdf, nn.functional.normalize(offsets, dim=-1), offsets

    def unit_normals(self, gradient: Tensor) -> Tensor:
        return gradient

    def colour(self, feature: Tensor, view: Tensor) -> Tensor:
        return 0.5 - 0.5 * view


@pytest.fixture
def model() -> DynamicModel:
    """A model whose field is the sphere."""
    config = DynamicModelConfig(sampler=SamplerConfig(kind="occupancy", resolution=8))
    image = CapturedImage(Path("frame.png"), "front", Camera(4, 4, 4.0, 4.0, 2.0, 2.0), 0.0, mask=Path("frame.png"))
    capture = Capture(Frames((0, 1, 2)), (image,), Similarity(np.eye(4)), BOX.double().numpy())
    metadata = host_outputs(capture).metadata
    model = config.setup(scene_box=SceneBox(aabb=BOX), num_train_data=1, metadata=metadata).eval()
    model.field = Sphere()
    return model


def _mesh(surface: Surface) -> trimesh.Trimesh:
    return trimesh.Trimesh(surface.vertices, surface.faces, process=False)


@pytest.mark.parametrize("time", [0.0, 0.25, 1.0])
def test_surface_is_the_zero_level(model: DynamicModel, time: float) -> None:
    radius = 0.3 * (1.0 + time)
    surface = extract_surface(model, time, resolution=40)
    distances = np.linalg.norm(surface.vertices - CENTRE.numpy(), axis=1)
    assert np.abs(distances - radius).max() < 0.05 * CELL
    mesh = _mesh(surface)
    assert mesh.is_watertight
    assert mesh.volume == pytest.approx(4 / 3 * np.pi * radius**3, rel=0.02)  # positive: faces look outward


def test_colours_are_those_seen_along_the_normals(model: DynamicModel) -> None:
    surface = extract_surface(model, 0.0, resolution=40)
    normals = (surface.vertices - CENTRE.numpy()) / np.linalg.norm(surface.vertices - CENTRE.numpy(), axis=1)[:, None]
    assert surface.colours.min() >= 0.0 and surface.colours.max() <= 1.0
    np.testing.assert_allclose(surface.colours, 0.5 + 0.5 * normals, atol=1e-5)


@pytest.mark.parametrize("chunk_size", [997, 10**6])
def test_chunk_size_changes_nothing(model: DynamicModel, chunk_size: int) -> None:
    usual, other = extract_surface(model, 0.5, 20), extract_surface(model, 0.5, 20, chunk_size)
    np.testing.assert_array_equal(usual.faces, other.faces)
    np.testing.assert_allclose(usual.vertices, other.vertices, rtol=0, atol=1e-6)
    np.testing.assert_allclose(usual.colours, other.colours, rtol=0, atol=1e-6)


def test_no_more_points_than_the_chunk_size_are_evaluated_at_once(
    model: DynamicModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = []
    evaluate = Sphere.raw_and_feature

    def record(self: Sphere, points: TimedPoints) -> tuple[Tensor, Tensor]:
        sizes.append(len(points.positions))
        return evaluate(self, points)

    monkeypatch.setattr(Sphere, "raw_and_feature", record)
    extract_surface(model, 0.5, resolution=20, chunk_size=500)
    assert max(sizes) == 500


def test_field_without_a_surface_gives_an_empty_mesh(model: DynamicModel) -> None:
    surface = extract_surface(model, -2.0, resolution=20)
    assert surface.vertices.shape == surface.faces.shape == surface.colours.shape == (0, 3)


def test_unoccupied_cells_are_empty(model: DynamicModel) -> None:
    model.sampler.get_buffer("occupancy")[:, 4:] = False
    middle = float(BOX[:, 0].mean())
    surface = extract_surface(model, 1.0, resolution=40)
    assert surface.vertices[:, 0].min() < middle - 0.5
    assert surface.vertices[:, 0].max() < middle + CELL
    assert _mesh(surface).is_watertight


def _similarity(mirror: bool) -> np.ndarray:
    matrix = 2.5 * trimesh.transformations.euler_matrix(0.3, -1.1, 2.0)
    matrix[:3, 3] = [4.0, -3.0, 10.0]
    matrix[3, 3] = 1.0
    return matrix @ np.diag([-1.0 if mirror else 1.0, 1.0, 1.0, 1.0])


@pytest.mark.parametrize("file_format", ["ply", "obj", "glb"])
@pytest.mark.parametrize("mirror", [False, True])
def test_file_holds_the_moved_surface(model: DynamicModel, tmp_path: Path, file_format: str, mirror: bool) -> None:
    surface, transform = extract_surface(model, 0.5, resolution=20), _similarity(mirror)
    path = tmp_path / "meshes" / f"mesh.{file_format}"
    write_mesh(surface, path, transform)
    assert [*path.parent.iterdir()] == [path]
    mesh = trimesh.load_mesh(path, process=False)
    assert mesh.volume == pytest.approx(2.5**3 * _mesh(surface).volume, rel=1e-4)
    back = trimesh.transform_points(mesh.vertices, np.linalg.inv(transform))
    np.testing.assert_allclose(back, surface.vertices, rtol=0, atol=1e-5)
    np.testing.assert_allclose(read_mesh(path).colours, surface.colours, rtol=0, atol=1.5 / 255)
