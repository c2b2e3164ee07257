"""rf-render and rf-export end to end on a run trained for a moment."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import trimesh
from PIL import Image

from resfields_ns.captures.meshes.gltf_sequence import GltfSequence
from resfields_ns.captures.meshes.mesh_files import read_mesh_file
from resfields_ns.commands import export, render
from resfields_ns.export import mesh_set
from resfields_ns.export.surface import Surface
from resfields_ns.files import write_aside
from resfields_ns.models.dynamic_model import DynamicModel

Command = Callable[..., None]


@pytest.fixture
def rf_render(monkeypatch: pytest.MonkeyPatch, tiny_run: Path, tmp_path: Path) -> Command:
    """Run rf-render on the tiny run, at a quarter of the size, into the given file of `tmp_path`."""

    def run(mode: str, name: str, *options: str) -> None:
        common = ["--load-config", str(tiny_run), "--output-path", str(tmp_path / name), "--scale", "0.25"]
        monkeypatch.setattr(sys, "argv", ["rf-render", mode, *common, *options])
        render.entrypoint()

    return run


@pytest.fixture
def rf_export(monkeypatch: pytest.MonkeyPatch, tiny_run: Path, tmp_path: Path) -> Command:
    """Run rf-export on the tiny run, into the folder `meshes` of `tmp_path`."""

    def run(*options: str) -> None:
        common = ["--load-config", str(tiny_run), "--output-dir", str(tmp_path / "meshes"), "--resolution", "16"]
        monkeypatch.setattr(sys, "argv", ["rf-export", *common, *options])
        export.entrypoint()

    return run


def _pictures(folder: Path) -> np.ndarray:
    return np.stack([np.array(Image.open(path)) for path in sorted(folder.iterdir())])


@pytest.mark.parametrize(
    ("mode", "options", "count"),
    [
        ("time", ["--slow-motion", "2"], 7),
        ("time", ["--frames", "1:4:2", "--camera", "cam_test"], 2),
        ("freeze", ["--frame", "3", "--seconds", "0.5", "--fps", "8"], 4),
        ("orbit", ["--seconds", "0.5", "--fps", "8"], 4),
        ("dataset", [], 4),
        ("dataset", ["--split", "train"], 16),
    ],
)
def test_render(rf_render: Command, tmp_path: Path, mode: str, options: list[str], count: int) -> None:
    rf_render(mode, "movie", *options)
    pictures = _pictures(tmp_path / "movie")
    assert pictures.shape == (count, 8, 8, 3)
    assert pictures[:, 0].min() > 200 and pictures.min() < 200  # something before a white background


def test_turns_go_around_as_often(rf_render: Command, tmp_path: Path) -> None:
    rf_render("freeze", "twice", "--seconds", "1", "--fps", "6", "--turns", "2")
    pictures = _pictures(tmp_path / "twice")
    assert np.array_equal(pictures[:3], pictures[3:]) and not np.array_equal(pictures[0], pictures[1])


def test_outputs_and_runs_stand_side_by_side(rf_render: Command, tiny_run: Path, tmp_path: Path) -> None:
    options = ["dataset", "--camera", "cam_test"]
    alone = []
    for output in ("rgb", "depth", "normals"):
        rf_render(options[0], output, *options[1:], "--output", output)
        alone.append(_pictures(tmp_path / output))
    rf_render(options[0], "all", *options[1:], "--output", "rgb", "depth", "normals")
    assert np.array_equal(_pictures(tmp_path / "all"), np.concatenate(alone, axis=2))
    rf_render(options[0], "runs", *options[1:], "--load-config", str(tiny_run), str(tiny_run))
    assert np.array_equal(_pictures(tmp_path / "runs"), np.concatenate([alone[0]] * 2, axis=2))
    rf_render(options[0], "grid", *options[1:], "--load-config", *[str(tiny_run)] * 2, "--output", "rgb", "depth")
    row = np.concatenate(alone[:2], axis=2)
    assert np.array_equal(_pictures(tmp_path / "grid"), np.concatenate([row, row], axis=1))


def test_the_truth_stands_on_the_left(rf_render: Command, demo_capture: Path, tmp_path: Path) -> None:
    """Of one camera, at its own frames, on the background of the run."""
    rf_render("dataset", "beside", "--camera", "cam_train_3", "--split", "train", "--truth", "--scale", "1")
    rf_render("dataset", "alone", "--camera", "cam_train_3", "--split", "train", "--scale", "1")
    pictures = _pictures(tmp_path / "beside")
    assert pictures.shape == (4, 32, 64, 3)
    assert np.array_equal(pictures[:, :, 32:], _pictures(tmp_path / "alone"))
    seen = _pictures(demo_capture / "cam_train_3" / "rgb")
    inside = (_pictures(demo_capture / "cam_train_3" / "mask") > 127).reshape(4, 32, 32)
    assert np.abs(pictures[:, :, :32].astype(int) - seen)[inside].max() <= 1
    assert (pictures[:, :, :32][~inside] == 255).all()


def test_render_camera_path(rf_render: Command, tmp_path: Path) -> None:
    pose = torch.eye(4)
    pose[2, 3] = 3.0
    camera = {"camera_to_world": pose.flatten().tolist(), "fov": 40.0, "aspect": 1.0}
    cameras = [{**camera, "render_time": time} for time in (0.0, 1.0, 0.0)]
    content = {"camera_path": cameras, "render_width": 24, "render_height": 32, "seconds": 1.0}
    (tmp_path / "path.json").write_text(json.dumps(content))
    rf_render("camera-path", "movie", "--camera-path-filename", str(tmp_path / "path.json"))
    pictures = _pictures(tmp_path / "movie")
    assert pictures.shape == (3, 8, 6, 3)
    assert np.array_equal(pictures[0], pictures[2]) and not np.array_equal(pictures[0], pictures[1])


@pytest.mark.parametrize("output", ["depth", "normals", "accumulation"])
def test_render_other_outputs(rf_render: Command, tmp_path: Path, output: str) -> None:
    rf_render("dataset", "movie", "--output", output)
    assert len(np.unique(_pictures(tmp_path / "movie"))) > 5


@pytest.mark.parametrize("name", ["movie.mp4", "movie.gif"])
def test_render_files(rf_render: Command, tmp_path: Path, name: str) -> None:
    rf_render("orbit", name, "--seconds", "0.2", "--fps", "10")
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize(
    ("mode", "name", "options", "message"),
    [
        ("time", "movie.avi", [], "--output-path: expected a name in .mp4 or .gif"),
        ("time", "movie.mp4", ["--camera", "front"], "--camera: expected one of cam_train_1, .*found 'front'"),
        ("time", "movie.mp4", ["--frames", "0:9"], "--frames: expected frames below 4, found '0:9'"),
        ("time", "movie.mp4", ["--slow-motion", "0"], "--slow-motion: expected above 0, got 0"),
        ("time", "movie.mp4", ["--scale", "0"], "--scale: expected above 0, got 0"),
        ("time", "movie.mp4", ["--scale", "0.01"], "--scale: expected at least one pixel of 32 x 32"),
        ("freeze", "movie.mp4", ["--frame", "4"], "--frame: expected 0 to 3, got 4"),
        ("orbit", "movie.mp4", ["--fps", "-1"], "--fps: expected above 0, got -1"),
        ("orbit", "movie.mp4", ["--seconds", "nan"], "--seconds: expected above 0, got nan"),
        ("camera-path", "movie.mp4", ["--camera-path-filename", "no.json"], "--camera-path-filename: .*no.json"),
        ("orbit", "movie.mp4", ["--turns", "0"], "--turns: expected above 0, got 0"),
        (
            "dataset",
            "movie.mp4",
            ["--camera", "front"],
            "--camera: expected one of cam_test of --split test, found 'fr",
        ),
        ("time", "movie.mp4", ["--load-config", "no.yml"], "--load-config: .*found no file no.yml"),
    ],
)
def test_mistakes_in_rendering_are_one_line(
    rf_render: Command,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    mode: str,
    name: str,
    options: list[str],
    message: str,
) -> None:
    with pytest.raises(SystemExit) as stopped:
        rf_render(mode, name, *options)
    assert stopped.value.code == 1
    _assert_one_line(capsys.readouterr().err, message)
    assert list(tmp_path.iterdir()) == []


def _assert_one_line(errors: str, message: str) -> None:
    lines = [line for line in errors.splitlines() if line.startswith("Error: ")]
    assert len(lines) == 1 and errors.splitlines()[-1] == lines[0]
    assert pytest.RaisesExc(ValueError, match=message).matches(ValueError(lines[0]))


def test_config_of_something_else(rf_render: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "config.yml").write_text("a: 1\n")
    with pytest.raises(SystemExit):
        rf_render("time", "movie.mp4", "--load-config", str(tmp_path / "config.yml"))
    _assert_one_line(capsys.readouterr().err, "--load-config: expected the config.yml of a run, found .*config.yml")


def test_run_without_checkpoints(
    rf_render: Command, tiny_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tiny_run.read_text().replace("timestamp: tiny", "timestamp: elsewhere")
    (tmp_path / "config.yml").write_text(config)
    with pytest.raises(SystemExit):
        rf_render("time", "movie.mp4", "--load-config", str(tmp_path / "config.yml"))
    _assert_one_line(capsys.readouterr().err, "--load-config: expected checkpoints in .*elsewhere.*, found none")


@pytest.mark.parametrize("file_format", ["ply", "obj", "glb"])
def test_export(rf_export: Command, tmp_path: Path, file_format: str) -> None:
    rf_export("--frames", "1:4:2", "--format", file_format)
    names = sorted(path.name for path in (tmp_path / "meshes").glob("mesh_*"))
    assert names == [f"mesh_000001.{file_format}", f"mesh_000003.{file_format}"]
    mesh = trimesh.load_mesh(tmp_path / "meshes" / names[0])
    assert mesh.volume > 0.0


def test_export_in_world_units(rf_export: Command, tmp_path: Path) -> None:
    rf_export("--frames", "2")
    normalised = trimesh.load_mesh(tmp_path / "meshes" / "mesh_000002.ply", process=False)
    rf_export("--frames", "2", "--units", "world")
    world = trimesh.load_mesh(tmp_path / "meshes" / "mesh_000002.ply", process=False)
    np.testing.assert_allclose(world.vertices, 0.8 * normalised.vertices + [0.4, 1.1, -0.3], atol=1e-5)
    np.testing.assert_array_equal(world.faces, normalised.faces)


def test_an_animation_plays_the_exported_meshes_in_the_world(rf_export: Command, tmp_path: Path) -> None:
    folder = tmp_path / "meshes"
    rf_export("--animated", "--fps", "10", "--frames", "0:4:2", "--pieces", "1", "--triangles", "300")
    files = sorted(folder.glob("mesh_*"))
    rf_export(
        "--animated", "--fps", "10", "--frames", "0:4:2", "--pieces", "1", "--triangles", "300", "--units", "world"
    )
    sequence = GltfSequence(folder / "animation.glb", fps=10.0)
    assert len(sequence) == 5  # frames 0 to 3 and the end of the last
    for index, file in ((0, files[0]), (1, files[0]), (2, files[1]), (3, files[1])):
        mesh = trimesh.load_mesh(file, process=False)
        np.testing.assert_allclose(sequence.frame(index).vertices, mesh.vertices, atol=1e-6)
        assert len(mesh.faces) <= 300


def test_a_texture_holds_colours_that_few_vertices_do_not(
    rf_export: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a field whose colours are waves: those of the points between vertices."""

    def waves(_: object, points: torch.Tensor, time: float) -> torch.Tensor:
        return 0.5 + 0.5 * torch.sin(15.0 * points + time)

    monkeypatch.setattr(DynamicModel, "surface_colours", waves)
    path, random, errors = tmp_path / "meshes" / "mesh_000001.obj", np.random.default_rng(0), []
    for options in (["--texels", "12"], []):
        rf_export("--frames", "1", "--format", "obj", "--triangles", "60", *options)
        mesh = read_mesh_file(path)
        triangles, shares = random.integers(0, len(mesh.faces), 2000), random.dirichlet((1.0, 1.0, 1.0), 2000)
        points = np.einsum("pc,pcv->pv", shares, mesh.vertices[mesh.faces][triangles])
        truth = waves(None, torch.from_numpy(points), 1.0 / 3.0).numpy()
        errors.append(np.abs(mesh.colours.at(triangles, shares) - truth).mean())
    assert errors[0] < 0.1 < errors[1], errors
    assert not path.with_suffix(".mtl").exists()


def test_what_the_masks_support_is_exported(rf_export: Command, tmp_path: Path) -> None:
    rf_export("--frames", "1")
    whole = trimesh.load_mesh(tmp_path / "meshes" / "mesh_000001.ply", process=False)
    rf_export("--frames", "1", "--pieces", "hull")
    kept = trimesh.load_mesh(tmp_path / "meshes" / "mesh_000001.ply", process=False)
    assert 0 < len(kept.faces) <= len(whole.faces)


def test_residuals_can_be_left_out_of_meshes(rf_export: Command, tmp_path: Path) -> None:
    """Without residuals, with a scale of 0 or a rank of 0, the base weights' own surface is the same in both ways."""
    meshes = []
    for options in ([], ["--residual-scale", "0"], ["--residual-rank", "0"]):
        rf_export("--frames", "1", *options)
        meshes.append(trimesh.load_mesh(tmp_path / "meshes" / "mesh_000001.ply", process=False).vertices)
    assert meshes[0].shape != meshes[1].shape or not np.array_equal(meshes[0], meshes[1])
    assert np.array_equal(meshes[1], meshes[2])


def test_residuals_can_be_left_out_of_movies(rf_render: Command, tmp_path: Path) -> None:
    rf_render("time", "whole", "--frames", "1")
    rf_render("time", "base", "--frames", "1", "--residual-scale", "0", "--output", "normals")
    rf_render("time", "normals", "--frames", "1", "--output", "normals")
    assert not np.array_equal(_pictures(tmp_path / "base"), _pictures(tmp_path / "normals"))


def test_frames_without_a_surface_are_skipped(
    rf_export: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    nothing = Surface(np.zeros((0, 3), np.float32), np.zeros((0, 3), np.int64), np.zeros((0, 3), np.float32))
    extract = mesh_set.extract_surface
    monkeypatch.setattr(
        mesh_set,
        "extract_surface",
        lambda model, time, resolution, chunk_size: extract(model, time, resolution, chunk_size) if time else nothing,
    )
    rf_export("--frames", "0:2")
    assert [path.name for path in (tmp_path / "meshes").glob("mesh_*")] == ["mesh_000001.ply"]
    assert "Frame 0 has no surface in the scene box: skipped" in capsys.readouterr().err
    with pytest.raises(SystemExit) as stopped:
        rf_export("--frames", "0")
    assert stopped.value.code == 1
    _assert_one_line(capsys.readouterr().err, "expected a surface in the scene box, found none in any frame")


def test_a_set_of_meshes_says_what_is_missing(
    rf_export: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Stopped by a full disk, an export keeps what it has and says so; the same command goes on to the same bytes."""
    folder, write = tmp_path / "meshes", mesh_set.write_mesh

    def fill(mesh: Surface, path: Path, transform: np.ndarray) -> None:
        if path.name == "mesh_000002.ply":
            with write_aside(path), Path("/dev/full").open("wb") as full:
                full.write(b"0")
        write(mesh, path, transform)

    with monkeypatch.context() as patch:
        patch.setattr(mesh_set, "write_mesh", fill)
        with pytest.raises(SystemExit):
            rf_export()
    said = "mesh_000002.ply: expected room for it on the disk, found none; 2 meshes of the run are kept in .*meshes"
    _assert_one_line(capsys.readouterr().err, said)
    assert sorted(path.name for path in folder.iterdir()) == ["mesh_000000.ply", "mesh_000001.ply", "meshes.json"]
    assert json.loads((folder / "meshes.json").read_text())["missing"] == [2, 3]
    stamps = {path.name: path.stat().st_mtime_ns for path in folder.glob("mesh_*")}
    rf_export()
    listed = json.loads((folder / "meshes.json").read_text())
    assert listed["missing"] == [] and listed["run"].endswith("/tiny") and str(tmp_path) not in listed["run"]
    assert {name: (folder / name).stat().st_mtime_ns for name in stamps} == stamps
    assert list(listed["files"].values()) == [path.name for path in sorted(folder.glob("mesh_*"))]


def test_meshes_are_not_mixed(rf_export: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "meshes"
    rf_export("--frames", "0:2")
    listed = (folder / "meshes.json").read_text()
    for options, changed, said in (
        (["--frames", "0"], listed.replace("/tiny", "/other"), "expected meshes of .*/tiny, found those of .*/other:"),
        (["--frames", "0", "--resolution", "9"], listed, "frame 1 with another resolution: choose another folder, or"),
        (["--frames", "0"], None, "expected meshes that meshes.json names, found mesh_000000.ply: choose"),
    ):
        if changed is None:
            (folder / "meshes.json").unlink()
        else:
            (folder / "meshes.json").write_text(changed)
        with pytest.raises(SystemExit):
            rf_export(*options)
        _assert_one_line(capsys.readouterr().err, said)


def test_without_openusd_it_is_said_how_to_install_it(
    rf_export: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(export, "find_spec", lambda _: None)
    with pytest.raises(SystemExit):
        rf_export("--animated", "--animation-format", "usdc")
    _assert_one_line(capsys.readouterr().err, r"--animation-format: .*pip install 'resfields-ns\[usd\]'")
    assert not (tmp_path / "meshes").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--resolution", "1"], "--resolution: expected at least 2, got 1"),
        (["--chunk-size", "0"], "--chunk-size: expected at least 1, got 0"),
        (["--frames", "7"], "--frames: expected frames below 4, found '7'"),
        (["--fps", "24"], "--fps: expected with --animated, found 24.0 without"),
        (["--animation-format", "usdc"], "--animation-format: expected with --animated, found usdc without"),
        (["--pieces", "0"], "--pieces: expected at least 1, got 0"),
        (["--texels", "1", "--format", "obj"], "--texels: expected at least 2, got 1"),
        (["--texels", "8"], "--texels: expected with --format obj or glb, without usdc, found ply"),
        (["--residual-rank", "11"], "--residual-rank: expected 0 to 10, got 11"),
    ],
)
def test_mistakes_in_exporting_are_one_line(
    rf_export: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], message: str
) -> None:
    with pytest.raises(SystemExit) as stopped:
        rf_export(*options)
    assert stopped.value.code == 1
    _assert_one_line(capsys.readouterr().err, message)
    assert list(tmp_path.iterdir()) == []
