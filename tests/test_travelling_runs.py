"""Runs that are moved, to another machine or another system too, with their data or without them."""

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path, PurePosixPath, PureWindowsPath

import numpy as np
import pytest
import trimesh
import yaml
from nerfstudio.scripts.eval import ComputePSNR
from nerfstudio.utils.eval_utils import eval_setup
from PIL import Image

from resfields_ns.commands import export, render
from resfields_ns.host.run_record import RECORD
from tests.family import Family
from tests.methods import METHODS, tiny_config, trained
from tests.scene_flow_family import SCENE_FLOW_FAMILY
from tests.sdf_family import SDF_FAMILY
from tests.video_family import VIDEO_FAMILY

Command = Callable[..., None]


@pytest.fixture(scope="module")
def project(demo_capture: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the capture `capture` and a run on it, trained there by relative paths, and what it shows."""
    folder = tmp_path_factory.mktemp("project")
    shutil.copytree(demo_capture, folder / "capture")
    before = Path.cwd()
    os.chdir(folder)
    try:
        config = tiny_config(METHODS["tnerf-resfields-small"], Path("capture"), Path("outputs"))
        config.timestamp = "run"
        trained(config)
        Path("config_at").write_text(str(config.get_base_dir() / "config.yml"))
        _render(Path("seen"), config.get_base_dir() / "config.yml", "time")
    finally:
        os.chdir(before)
    return folder


def _run_of(project: Path) -> Path:
    return (project / (project / "config_at").read_text()).parent


def _render(out: Path, config: Path, mode: str, *options: str) -> np.ndarray:
    with pytest.MonkeyPatch.context() as patch:
        common = ["--load-config", str(config), "--output-path", str(out), "--scale", "0.25"]
        patch.setattr(sys, "argv", ["rf-render", mode, *common, *options])
        render.entrypoint()
    return np.stack([np.array(Image.open(path)) for path in sorted(out.iterdir())])


def _seen(project: Path) -> np.ndarray:
    return np.stack([np.array(Image.open(path)) for path in sorted((project / "seen").iterdir())])


@pytest.mark.parametrize("what", ["run alone", "project", "run without its data", "project, renamed data"])
def test_a_moved_run_shows_the_same_to_the_bit(project: Path, tmp_path: Path, monkeypatch, what: str) -> None:
    here = tmp_path / "elsewhere"
    if what == "run alone":
        config = shutil.copytree(_run_of(project), here / "my run") / "config.yml"
    else:
        shutil.copytree(project, here)
        config = _run_of(here) / "config.yml"
    if what == "run without its data":
        shutil.rmtree(here / "capture")
        text = (config.parent / RECORD).read_text()
        (config.parent / RECORD).write_text(text.replace(str(project), str(tmp_path / "gone")))
    if what == "project, renamed data":
        (here / "capture").rename(here / "renamed")
        config.write_text(config.read_text().replace("- capture\n", f"- {here / 'renamed'}\n"))
    monkeypatch.chdir("/")
    assert np.array_equal(_render(tmp_path / "movie", config, "time"), _seen(project))


def test_a_moved_run_is_where_its_config_is(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """For ns-viewer, which writes a log there."""
    shutil.copytree(project, tmp_path / "elsewhere")
    monkeypatch.chdir("/")
    config = _run_of(tmp_path / "elsewhere") / "config.yml"
    assert eval_setup(config)[0].get_base_dir() == config.parent


def test_hidden_files_among_checkpoints_are_passed_over(project: Path, tmp_path: Path) -> None:
    run = shutil.copytree(_run_of(project), tmp_path / "run")
    for name in (".DS_Store", "._step-000000002.ckpt", "Thumbs.db"):
        (run / "nerfstudio_models" / name).write_bytes(bytes([0, 5, 22, 7]))
    assert np.array_equal(_render(tmp_path / "movie", run / "config.yml", "time"), _seen(project))


@pytest.fixture
def without_data(project: Path, tmp_path: Path) -> Path:
    """The config.yml of the run, moved to where nothing leads to its data."""
    run = shutil.copytree(_run_of(project), tmp_path / "run")
    (run / RECORD).write_text((run / RECORD).read_text().replace(str(project), str(tmp_path / "gone")))
    return run / "config.yml"


@pytest.mark.parametrize(
    ("mode", "options", "count"),
    [
        ("freeze", ["--frame", "3", "--seconds", "0.5", "--fps", "8"], 4),
        ("orbit", ["--seconds", "0.5", "--fps", "8"], 4),
        ("time", ["--camera", "cam_test"], 4),
        ("dataset", ["--split", "train"], 16),
        ("dataset", [], 4),
    ],
)
def test_rendering_needs_no_data(without_data: Path, tmp_path: Path, mode: str, options: list[str], count: int) -> None:
    assert len(_render(tmp_path / "movie", without_data, mode, *options)) == count


def test_export_needs_no_data(without_data: Path, project: Path, tmp_path: Path, monkeypatch) -> None:
    """In the world's units as well: the similarity is part of the record."""
    meshes = []
    for name, config in [("with", _run_of(project) / "config.yml"), ("without", without_data)]:
        options = ["--load-config", str(config), "--output-dir", str(tmp_path / name), "--resolution", "16"]
        monkeypatch.setattr(sys, "argv", ["rf-export", *options, "--frames", "2", "--units", "world"])
        export.entrypoint()
        meshes.append(trimesh.load_mesh(tmp_path / name / "mesh_000002.ply", process=False))
    assert np.array_equal(meshes[0].vertices, meshes[1].vertices)


def test_evaluation_says_that_data_are_gone(without_data: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir("/")
    with pytest.raises(ValueError, match="capture: expected the data of the run, found nothing there"):
        ComputePSNR(without_data, output_path=tmp_path / "metrics.json").main()


def test_evaluation_finds_what_was_moved(project: Path, tmp_path: Path, monkeypatch) -> None:
    shutil.copytree(project, tmp_path / "elsewhere")
    monkeypatch.chdir("/")
    ComputePSNR(_run_of(tmp_path / "elsewhere") / "config.yml", output_path=tmp_path / "metrics.json").main()
    assert (tmp_path / "metrics.json").is_file()


@pytest.mark.parametrize("family", [VIDEO_FAMILY, SDF_FAMILY, SCENE_FLOW_FAMILY], ids=["video", "sdf", "sceneflow"])
def test_other_tasks_render_without_their_data(
    family: Family,
    tiny_data: Callable[[Family], Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    request: pytest.FixtureRequest,
) -> None:
    data = tmp_path / f"data{family.suffix}"
    source = tiny_data(family)
    shutil.copytree(source, data) if source.is_dir() else shutil.copy(source, data)
    config = tiny_config(METHODS[f"{request.node.callspec.id}-resfields"], data, tmp_path / "outputs")
    trained(config)
    run = config.get_base_dir() / "config.yml"
    seen = _render(tmp_path / "seen", run, "time")
    shutil.rmtree(data) if data.is_dir() else data.unlink()
    assert np.array_equal(_render(tmp_path / "movie", run, "time"), seen)
    if family is VIDEO_FAMILY:
        with pytest.raises(SystemExit):
            _render(tmp_path / "beside", run, "video")
        assert "expected the data that the run was trained on, found nothing there" in capsys.readouterr().err


_PATH = "!!python/object/apply:{}\n- {}\n"


@pytest.mark.parametrize("module", ["pathlib", "pathlib._local"])
@pytest.mark.parametrize(
    ("kind", "parts", "expected"),
    [
        ("WindowsPath", ["outputs", "run"], "outputs/run"),
        ("WindowsPath", ["'outputs\\run'"], "outputs/run"),
        ("WindowsPath", ["'C:\\'", "data"], "C:/data"),
        ("PureWindowsPath", ["a"], "a"),
        ("PosixPath", ["/", "data", "capture"], "/data/capture"),
        ("PosixPath", ["data/capture"], "data/capture"),
        ("PurePosixPath", ["a"], "a"),
    ],
)
def test_paths_of_other_systems_are_paths_here(module: str, kind: str, parts: list[str], expected: str) -> None:
    loaded = yaml.load(_PATH.format(f"{module}.{kind}", "\n- ".join(parts)), Loader=yaml.Loader)
    assert loaded == Path(expected) and type(loaded) is type(Path())


@pytest.mark.parametrize("flavour", [PurePosixPath, PureWindowsPath])
def test_a_run_of_another_system_is_rendered(project: Path, tmp_path: Path, flavour: type) -> None:
    run = shutil.copytree(_run_of(project), tmp_path / "run")
    text = (run / "config.yml").read_text()
    assert "pathlib.PosixPath" in text
    name = "WindowsPath" if flavour is PureWindowsPath else "_local.PosixPath"
    (run / "config.yml").write_text(text.replace("pathlib.PosixPath", f"pathlib.{name}"))
    assert np.array_equal(_render(tmp_path / "movie", run / "config.yml", "time"), _seen(project))
