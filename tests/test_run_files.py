"""Runs as one file for others: what they show stays to the bit, and nothing of the machine goes with them."""

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from nerfstudio.scripts.eval import ComputePSNR
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from resfields_ns.commands import export_run, import_run, render
from resfields_ns.host.run_file import as_plain, from_plain
from tests.family import Family
from tests.methods import CHANGED, METHODS, VARIANTS, tiny_config, trained
from tests.scene_flow_family import SCENE_FLOW_FAMILY
from tests.sdf_family import SDF_FAMILY
from tests.video_family import VIDEO_FAMILY

Change = Callable[[dict[str, Any], dict[str, Any]], None]


def _run(command: Any, *arguments: str | Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", [command.__name__, *map(str, arguments)])
        command.entrypoint()


def _pictures(config: Path, folder: Path) -> np.ndarray:
    _run(render, "time", "--load-config", config, "--output-path", folder, "--scale", "0.25")
    return np.stack([np.array(Image.open(path)) for path in sorted(folder.iterdir())])


def _exported(config: Path, folder: Path) -> Path:
    _run(export_run, "--load-config", config, "--output-path", folder / "dancer.safetensors")
    return folder / "dancer.safetensors"


def _imported(file: Path, folder: Path, *options: str | Path) -> Path:
    _run(import_run, file, "--output-dir", folder / "outputs", *options)
    (config,) = (folder / "outputs" / file.stem).glob("*/*/config.yml")
    return config


@pytest.fixture(scope="module")
def run_file(tiny_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _exported(tiny_run, tmp_path_factory.mktemp("others"))


def test_what_an_imported_run_shows_is_the_same_to_the_bit(tiny_run: Path, run_file: Path, tmp_path: Path) -> None:
    config = _imported(run_file, tmp_path)
    assert np.array_equal(_pictures(config, tmp_path / "there"), _pictures(tiny_run, tmp_path / "here"))
    again = _exported(config, tmp_path)
    ours, theirs = load_file(run_file), load_file(again)
    assert ours.keys() == theirs.keys() and all((ours[name] == theirs[name]).all() for name in ours)


@pytest.mark.parametrize("name", ["video-resfields", "sdf-resfields", "sceneflow-resfields", *CHANGED])
def test_other_tasks_do_so_too(name: str, tiny_data: Callable[[Family], Path], demo_capture: Path, tmp_path) -> None:
    families = {
        "video-resfields": VIDEO_FAMILY,
        "sdf-resfields": SDF_FAMILY,
        "sceneflow-resfields": SCENE_FLOW_FAMILY,
    }
    data = tiny_data(families[name]) if name in families else demo_capture
    config = tiny_config({**METHODS, **CHANGED}[name], data, tmp_path / "outputs")
    trained(config)
    run = config.get_base_dir() / "config.yml"
    there = _imported(_exported(run, tmp_path), tmp_path / "there")
    assert np.array_equal(_pictures(there, tmp_path / "pictures"), _pictures(run, tmp_path / "seen"))


def test_a_file_holds_no_path_of_the_machine(tiny_run: Path, run_file: Path, demo_capture: Path) -> None:
    content = run_file.read_bytes()
    for path in (tiny_run, demo_capture, Path.cwd(), Path.home(), Path(sys.prefix)):
        assert all(str(folder).encode() not in content for folder in (path, *path.parents) if folder != Path("/"))
    assert not re.findall(r'"(?:/|\.\.|[A-Z]:)[^"]*"', json.dumps(_metadata(run_file)))


def _metadata(file: Path) -> dict[str, Any]:
    with safe_open(file, framework="pt") as opened:
        return json.loads(opened.metadata()["resfields_run"])


def test_it_tells_cameras_box_and_options_as_plain_json(run_file: Path) -> None:
    content = _metadata(run_file)
    train = content["sequence"]["train"]
    assert {image["camera_name"] for image in train["images"]} >= {"cam_train_1", "cam_train_8"} and np.shape(
        train["box"]
    ) == (2, 3)
    assert np.shape(train["cameras"][0]["pose"]) == (3, 4)
    assert content["pipeline"]["options"]["model"]["options"]["field"]["options"]["hidden_dim"] > 0


@pytest.mark.parametrize("name", [*METHODS, *VARIANTS])
def test_plain_configs_are_configs_again(name: str) -> None:
    method = VARIANTS[name].method if name in VARIANTS else METHODS[name]
    config = method.config.pipeline
    again = from_plain(json.loads(json.dumps(as_plain(config))))
    assert again == config and yaml.dump(again) == yaml.dump(config)


def test_evaluation_needs_the_data(run_file: Path, demo_capture: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match="expected a run with its data, found one imported without them"):
        ComputePSNR(_imported(run_file, tmp_path / "without"), output_path=tmp_path / "none.json").main()
    config = _imported(run_file, tmp_path, "--data", demo_capture)
    ComputePSNR(config, output_path=tmp_path / "metrics.json").main()
    assert json.loads((tmp_path / "metrics.json").read_text())["results"]["psnr"] > 0.0


def test_other_data_are_refused(run_file: Path, rgbd_capture: Path, tmp_path: Path, capsys) -> None:
    with pytest.raises(SystemExit):
        _imported(run_file, tmp_path, "--data", rgbd_capture)
    assert "Error: " in capsys.readouterr().err and not list(tmp_path.rglob("config.yml"))


def test_a_full_disk_is_one_line(run_file: Path, tmp_path: Path, monkeypatch, capsys) -> None:
    def full(*arguments: Any) -> None:
        with Path("/dev/full").open("wb") as disk:
            disk.write(b"0")

    monkeypatch.setattr("resfields_ns.host.run_file.torch.save", full)
    with pytest.raises(SystemExit):
        _imported(run_file, tmp_path)
    said = capsys.readouterr().err
    assert f"{tmp_path}/outputs/dancer/" in said and "expected room for it on the disk, found none" in said
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def _other_tensor(content: dict[str, Any], tensors: dict[str, Any]) -> None:
    name = min(name for name in tensors if name.endswith("weight"))
    tensors[name] = tensors[name][1:].clone()


def _no_number(content: dict[str, Any], tensors: dict[str, Any]) -> None:
    tensors[min(name for name in tensors if name.endswith("weight"))][0] = float("nan")


def _option(name: str, value: Any) -> Change:
    def change(content: dict[str, Any], tensors: dict[str, Any]) -> None:
        content["pipeline"]["options"]["model"]["options"][name] = value

    return change


_BROKEN: dict[str, tuple[Change, str]] = {
    "no such method": (
        lambda content, tensors: content.update(method="nerfacto"),
        "expected one of this package, found 'nerfacto'",
    ),
    "a method that is none": (lambda content, tensors: content.update(method=["nerfacto"]), "expected text"),
    "a step that is none": (lambda content, tensors: content.update(step="3"), "step: expected a count"),
    "no config": (lambda content, tensors: content.pop("pipeline"), "KeyError('pipeline')"),
    "a config of something else": (
        lambda content, tensors: content["pipeline"].update(config="os.system"),
        "expected a config of nerfstudio",
    ),
    "a function as a config": (
        lambda content, tensors: content["pipeline"].update(config="resfields_ns.host.run_file.export_run"),
        "expected a config of nerfstudio",
    ),
    "another pipeline": (
        lambda content, tensors: content["pipeline"].update(
            config="nerfstudio.pipelines.base_pipeline.VanillaPipelineConfig"
        ),
        "VanillaPipelineConfig",
    ),
    "an option that is none": (_option("no_such", 1), "no_such"),
    "a class to set up": (_option("_target", "os.system"), "expected options alone, found _target"),
    "an option of a wrong kind": (_option("field", [1]), "field"),
    "an option out of bounds": (_option("eikonal_loss_weight", -1.0), "expected at least 0, got -1.0"),
    "no sequence": (lambda content, tensors: content.pop("sequence"), "KeyError('sequence')"),
    "no cameras": (
        lambda content, tensors: content["sequence"]["train"].update(cameras=[]),
        "expected the record of a run",
    ),
    "a pose that is none": (
        lambda content, tensors: content["sequence"]["train"]["cameras"][0].update(pose=[[1, 2]]),
        "pose: expected 3x4 numbers",
    ),
    "more frames": (
        lambda content, tensors: content["sequence"]["train"].update(frames=list(range(77))),
        "expected a tensor of (77, 10), found (4, 10)",
    ),
    "a tensor too few": (
        lambda content, tensors: tensors.pop(min(tensors)),
        "found _model.device_indicator_param apart",
    ),
    "a tensor too many": (
        lambda content, tensors: tensors.update(more=next(iter(tensors.values())).clone()),
        "found more apart from them",
    ),
    "a tensor of another size": (_other_tensor, "expected a tensor of"),
    "a tensor with NaN": (_no_number, "expected finite numbers"),
}


@pytest.mark.parametrize("what", _BROKEN)
def test_broken_files_are_refused_in_one_line(what: str, run_file: Path, tmp_path: Path, capsys) -> None:
    content, tensors, file = _metadata(run_file), load_file(run_file), tmp_path / "broken.safetensors"
    change, found = _BROKEN[what]
    change(content, tensors)
    save_file(tensors, file, {"resfields_run": json.dumps(content)})
    _assert_refused(file, tmp_path, capsys, found)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x08" + b"\0" * 7 + b"{}      ",
        b"\xff" * 8 + b"{}",
        b"\x08" + b"\0" * 7 + b'{"a": 1}',
        b"PK\3\4" + b"x" * 99,
    ],
)
def test_other_files_are_refused_in_one_line(content: bytes, tmp_path: Path, capsys) -> None:
    file = tmp_path / "broken.safetensors"
    file.write_bytes(content)
    _assert_refused(file, tmp_path, capsys)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_files_cut_short_are_refused_in_one_line(share: float, run_file: Path, tmp_path: Path, capsys) -> None:
    file = tmp_path / "broken.safetensors"
    file.write_bytes(run_file.read_bytes()[: int(share * run_file.stat().st_size)])
    _assert_refused(file, tmp_path, capsys)


def _assert_refused(file: Path, folder: Path, capsys: pytest.CaptureFixture[str], found: str = "") -> None:
    with pytest.raises(SystemExit) as ended:
        _imported(file, folder)
    assert ended.value.code == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"Error: {file}: expected a run that rf-export-run wrote, found ") and found in line
    assert not [path for path in (folder / "outputs").rglob("*") if path.is_file()]
