"""Runs of scene flow: what they are trained on, what cameras see, and vertices tracked into an animated file."""

import sys
from collections.abc import Callable
from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from resfields_ns.captures.meshes.gltf_sequence import GltfSequence
from resfields_ns.captures.meshes.mesh_files import AnimeFile
from resfields_ns.captures.sequence import TrackedSurfaces
from resfields_ns.commands import render, track
from resfields_ns.data.sceneflow_data import SceneFlowDataManager, SceneFlowDataManagerConfig, VertexBatches
from resfields_ns.dataparsers.mesh_sequence import MeshSequenceParserConfig
from resfields_ns.export.tracked_mesh import track_points
from resfields_ns.fields.sceneflow_field import SceneFlowField, SceneFlowFieldConfig
from resfields_ns.functional.motion import Flow, flow_between_frames
from resfields_ns.functional.segments import TimedPoints
from resfields_ns.host.dataparsing import sequence_of
from resfields_ns.models.sceneflow_model import SceneFlowModel, SceneFlowModelConfig
from resfields_ns.timeline import frames_from_times
from tests.family import Family
from tests.methods import METHODS, tiny_config, trained
from tests.scene_flow_family import SCENE_FLOW_FAMILY
from tests.small_sequences import write_ply_folder

_METHOD = METHODS["sceneflow-resfields"]


@pytest.fixture(scope="module")
def sequence(tiny_data: Callable[[Family], Path]) -> Path:
    return tiny_data(SCENE_FLOW_FAMILY)


@pytest.fixture(scope="module")
def run(sequence: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """The config.yml of a short run, and its pipeline."""
    config = tiny_config(_METHOD, sequence, tmp_path_factory.mktemp("run"))
    pipeline = trained(config).pipeline
    pipeline.eval()
    return config.get_base_dir() / "config.yml", pipeline


def _datamanager(data: Path, output_dir: Path, samples: int = 60, **parser: Any) -> SceneFlowDataManager:
    config = tiny_config(_METHOD, data, output_dir).pipeline.datamanager
    assert isinstance(config, SceneFlowDataManagerConfig)
    config.samples_per_batch = samples
    config.dataparser = replace(config.dataparser, **parser) if data.is_file() else MeshSequenceParserConfig(**parser)
    return config.setup(device="cpu")


class TrueFlow(SceneFlowField):
    """Answers with the flow of the vertices it was made of, whose order of points it expects."""

    def __init__(self, positions: Tensor) -> None:
        super().__init__(SceneFlowFieldConfig(), len(positions))
        self.true_flow = flow_between_frames(positions)

    def flow(self, points: TimedPoints) -> Flow:
        frame = int(frames_from_times(points.segments.times, self.num_frames))
        return Flow(self.true_flow.forward[frame], self.true_flow.backward[frame])


# what is trained on


def test_batches_lead_from_frame_to_frame() -> None:
    positions = torch.randn(5, 7, 3)
    points, batch = VertexBatches(positions).take(torch.tensor([0, 2, 4]), torch.tensor([[1, 3]]).expand(3, 2))
    expected = torch.tensor([[0, 1], [0, 3], [2, 1], [2, 3], [4, 1], [4, 3]])
    assert torch.equal(points, positions[expected[:, 0], expected[:, 1]])
    assert batch["has_forward"].tolist() == [True] * 4 + [False] * 2
    assert batch["has_backward"].tolist() == [False] * 2 + [True] * 4
    for name, step in (("forward", 1), ("backward", -1)):
        has = batch[f"has_{name}"]
        reached = positions[expected[has, 0] + step, expected[has, 1]]
        torch.testing.assert_close((points + batch[name])[has], reached)


@pytest.mark.parametrize("samples", [3, 7, 50])
def test_a_batch_has_a_vertex_once(samples: int) -> None:
    positions = torch.arange(5 * 7 * 3).float().view(5, 7, 3)
    points, _ = VertexBatches(positions).draw(torch.tensor([1, 3]), samples)
    first, second = points.view(2, -1, 3)
    assert len(first) == min(samples, 7)
    for drawn, frame in ((first, 1), (second, 3)):
        assert len(drawn.unique(dim=0)) == len(drawn)
        assert all((positions[frame] == point).all(dim=-1).any() for point in drawn)


def test_held_out_vertices_are_not_trained_on(sequence: Path, tmp_path: Path) -> None:
    datamanager = _datamanager(sequence, tmp_path)
    seen, held_out = datamanager.train_batches.positions, datamanager.eval_batches.positions
    everything = sequence_of(datamanager.train_dataset, TrackedSurfaces).positions
    assert seen.shape == (4, 34, 3) and held_out.shape == (4, 8, 3)
    rows = torch.cat((seen, held_out), dim=1).transpose(0, 1).flatten(start_dim=1)
    assert torch.equal(rows.unique(dim=0), everything.transpose(0, 1).flatten(start_dim=1).unique(dim=0))


def test_a_batch_larger_than_the_mesh_is_all_of_it(sequence: Path, tmp_path: Path) -> None:
    coordinates, batch = _datamanager(sequence, tmp_path, samples=200_000).next_train(0)
    assert coordinates.segments.sizes == (34,) * 4 and coordinates.positions.shape == (4 * 34, 3)
    assert batch["forward"].shape == (4 * 34, 3)


def test_frames_of_other_topology_are_refused(tmp_path: Path) -> None:
    message = "meshes: expected one topology, the 42 vertices and 80 triangles of frame 0 at every frame, found 162"
    with pytest.raises(ValueError, match=message):
        _datamanager(write_ply_folder(tmp_path), tmp_path)


def test_a_folder_of_one_topology_trains(tmp_path: Path) -> None:
    datamanager = _datamanager(write_ply_folder(tmp_path), tmp_path, frames="::2")
    assert datamanager.train_batches.positions.shape == (2, 34, 3)


def test_a_single_frame_is_refused(sequence: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"^.*sequence\.anime: expected 2 or more frames for scene flow, found 1$"):
        _datamanager(sequence, tmp_path, frames="1:2")


@pytest.mark.parametrize(
    ("config", "options", "message"),
    [
        (SceneFlowModelConfig, {"num_points": 0}, "model.num-points: expected at least 1, got 0"),
        (SceneFlowModelConfig, {"point_radius": 0.0}, "model.point-radius: expected above 0, got 0.0"),
        (
            SceneFlowDataManagerConfig,
            {"train_share": 1.0},
            "datamanager.train-share: expected above 0 and below 1, got 1.0",
        ),
    ],
)
def test_impossible_options_are_refused(config: type, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}$"):
        config(**options)


# what cameras see


def test_points_are_on_the_mesh_at_its_frames(run: tuple[Path, Any]) -> None:
    model: SceneFlowModel = run[1].model
    for frame in range(4):
        points, motion, true_motion = model.moving_points(torch.tensor(frame / 3))
        torch.testing.assert_close(points, model.surface[frame])
        expected = model.surface[min(frame + 1, 3)] - model.surface[min(frame, 2)]
        torch.testing.assert_close(true_motion, expected)
        assert motion.shape == points.shape


def test_points_move_with_the_flow_between_frames(run: tuple[Path, Any]) -> None:
    model: SceneFlowModel = run[1].model
    _, motion, _ = model.moving_points(torch.tensor(1 / 3))
    for share in (0.25, 0.5):
        points, _, _ = model.moving_points(torch.tensor((1 + share) / 3))
        torch.testing.assert_close(points, model.surface[1] + share * motion, atol=1e-5, rtol=0)


def test_a_true_field_has_the_colours_of_the_truth(run: tuple[Path, Any]) -> None:
    model, cameras = copy(run[1].model), run[1].datamanager.eval_dataset.cameras
    model._modules = {**model._modules, "field": TrueFlow(model.surface)}
    for camera in range(4):
        outputs = model.get_outputs_for_camera(cameras[camera : camera + 1])
        seen = outputs["accumulation"][..., 0] > 0.0
        assert 0.05 < seen.float().mean() < 0.9
        torch.testing.assert_close(outputs["rgb"][seen], outputs["true_motion"][seen], atol=1e-3, rtol=0)
        assert (outputs["rgb"][~seen] == 1.0).all() and (outputs["true_motion"][~seen] == 0.0).all()


def test_rf_render_shows_the_points(run: tuple[Path, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    arguments = ["--load-config", str(run[0]), "--output-path", str(tmp_path / "movie"), "--slow-motion", "2"]
    monkeypatch.setattr(sys, "argv", ["rf-render", "time", *arguments])
    render.entrypoint()
    assert len(list((tmp_path / "movie").iterdir())) == 7


# tracking


def test_the_true_flow_leads_along_the_truth() -> None:
    positions = torch.randn(5, 7, 3)
    for start in range(5):
        tracked = track_points(TrueFlow(positions), positions[start], start)
        torch.testing.assert_close(tracked, positions, atol=1e-5, rtol=0)
        assert torch.equal(tracked[start], positions[start])


@pytest.fixture
def rf_track(run: tuple[Path, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., None]:
    """Run rf-track on the short run, into the given file of `tmp_path`."""

    def start(name: str, *options: str) -> None:
        common = ["--load-config", str(run[0]), "--output-path", str(tmp_path / name)]
        monkeypatch.setattr(sys, "argv", ["rf-track", *common, *options])
        track.entrypoint()

    return start


@pytest.mark.parametrize("units", ["normalised", "world"])
def test_rf_track_writes_the_tracked_mesh(
    rf_track: Callable[..., None],
    run: tuple[Path, Any],
    sequence: Path,
    units: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    rf_track("tracked.glb", "--start-frame", "2", "--fps", "12", "--units", units)
    model, surfaces = run[1].model, sequence_of(run[1].datamanager.train_dataset, TrackedSurfaces)
    tracked = track_points(model.field, surfaces.positions[2], 2)
    written, source = GltfSequence(tmp_path / "tracked.glb", fps=12.0), AnimeFile(sequence)
    assert len(written) == 4
    start = source.frame(2).vertices if units == "world" else surfaces.positions[2]
    np.testing.assert_allclose(written.frame(2).vertices, start, atol=1e-5 * float(np.abs(start).max()))
    scale = 1.0 / surfaces.meshes.normalisation.scale if units == "world" else 1.0
    for frame in range(4):
        moved = written.frame(frame).vertices - written.frame(2).vertices
        expected = scale * (tracked[frame] - tracked[2]).numpy()
        np.testing.assert_allclose(moved, expected, atol=1e-5 * scale)
        np.testing.assert_array_equal(written.frame(frame).faces, source.frame(0).faces)
    errors = (tracked - surfaces.positions).norm(dim=-1).mean(dim=-1)
    assert f"Wrote 4 frames to {tmp_path / 'tracked.glb'}; the vertices are {errors.mean():.4f} from" in (
        " ".join(capsys.readouterr().out.split())
    )


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("tracked.ply", [], "--output-path: expected a name in .glb, found"),
        ("tracked.glb", ["--start-frame", "4"], "--start-frame: expected 0 to 3, got 4"),
        ("tracked.glb", ["--fps", "0"], "--fps: expected above 0, got 0.0"),
    ],
)
def test_rf_track_names_mistakes(
    rf_track: Callable[..., None], name: str, options: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="1"):
        rf_track(name, *options)
    assert f"Error: {message}" in capsys.readouterr().err


def test_rf_track_needs_scene_flow(
    tiny_run: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(
        sys, "argv", ["rf-track", "--load-config", str(tiny_run), "--output-path", str(tmp_path / "tracked.glb")]
    )
    with pytest.raises(SystemExit, match="1"):
        track.entrypoint()
    message = "Error: --load-config: expected a run of sceneflow-resfields, found DynamicModel"
    assert message in capsys.readouterr().err
