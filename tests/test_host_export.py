"""The host's exporters on a trained run: `ns-export pointcloud`."""

import sys
from pathlib import Path

import numpy as np
import pytest
import trimesh
from nerfstudio.scripts import exporter
from scipy.spatial import KDTree

from resfields_ns.models.dynamic_model import DynamicModelConfig
from tests.cases import over
from tests.methods import METHODS, tiny_config, trained

_NORMALS = {
    "open3d": ["--normal-method", "open3d"],
    "model": ["--normal-method", "model_output", "--normal-output-name", "normals_vis"],
}


@pytest.fixture(scope="module")
def hull_run(demo_capture: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The config.yml of a run whose field has the shape of the visual hull."""
    config = tiny_config(METHODS["tnerf-resfields-small"], demo_capture, tmp_path_factory.mktemp("outputs"))
    model = config.pipeline.model
    assert isinstance(model, DynamicModelConfig)
    model.hull_start_steps, model.initial_beta, model.sampler.num_samples = 200, 0.01, 32
    trained(config)
    return config.get_base_dir() / "config.yml"


@over("arguments", _NORMALS)
def test_a_point_cloud_lies_on_the_surface_and_looks_outward(
    arguments: list[str], hull_run: Path, demo_capture: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = ["ns-export", "pointcloud", "--load-config", str(hull_run), "--output-dir", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", [*given, "--num-points", "500", "--num-rays-per-batch", "300", *arguments])
    exporter.entrypoint()

    data = trimesh.load(tmp_path / "point_cloud.ply").metadata["_ply_raw"]["vertex"]["data"]
    points, normals = (np.stack([data[name] for name in names], axis=-1) for names in ("xyz", ("nx", "ny", "nz")))
    meshes = [trimesh.load_mesh(path, process=False) for path in sorted((demo_capture / "mesh").glob("*.ply"))]
    surface = np.concatenate([mesh.vertices for mesh in meshes])
    outward = np.concatenate([mesh.vertex_normals for mesh in meshes])
    distances, nearest = KDTree(surface).query(points)
    assert len(points) > 450
    assert np.median(distances) < 0.05 and np.quantile(distances, 0.9) < 0.2
    np.testing.assert_allclose(np.linalg.norm(normals, axis=-1), 1.0, atol=1e-4)
    assert np.median((normals * outward[nearest]).sum(axis=-1)) > 0.5
