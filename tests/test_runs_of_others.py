"""Configs of runs that others made: read as the host reads them, and never run."""

import re
import sys
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from nerfstudio.utils.writer import EventName

from resfields_ns.commands import export, fit, plot, render, report, resume, track
from resfields_ns.host.config_file import default_of, read_config
from resfields_ns.host.old_runs import MOVED
from tests.methods import METHODS, VARIANTS, tiny_config

_PACKAGE = Path(__file__).resolve().parent.parent / "resfields_ns"
_HOSTILE = {
    "os.system": "!!python/object/apply:os.system ['touch {marker}']",
    "posix.system": "!!python/object/apply:posix.system ['touch {marker}']",
    "subprocess.Popen": "!!python/object/apply:subprocess.Popen [[touch, '{marker}']]",
    "subprocess.run": "!!python/object/new:subprocess.run [[touch, '{marker}']]",
    "builtins.exec": "!!python/object/apply:builtins.exec [\"open('{marker}', 'w')\"]",
    "builtins.eval": "!!python/object/apply:builtins.eval {{args: [\"open('{marker}', 'w')\"]}}",
    "functools.partial": "!!python/object/apply:functools.partial [!!python/name:os.system '', 'touch {marker}']",
    "torch.load": "!!python/object/apply:torch.load ['{marker}']",
    "torch.hub.load": "!!python/object/apply:torch.hub.load ['{marker}', a]",
    "scripts.run_command": "!!python/object/apply:nerfstudio.utils.scripts.run_command ['touch {marker}']",
    "resfields_ns.host.trained_run.load_trained_run": "!!python/name:resfields_ns.host.trained_run.load_trained_run ''",
    "nerfstudio.engine.trainer.Trainer": "!!python/object:nerfstudio.engine.trainer.Trainer {{}}",
    "nerfstudio.engine.trainer.TrainerConfig": "!!python/object/new:nerfstudio.engine.trainer.TrainerConfig {{}}",
    "pathlib.Path.touch": "!!python/object/apply:pathlib.Path.touch [!!python/object/apply:pathlib.Path ['{marker}']]",
    "pathlib.PosixPath": "!!python/object/apply:pathlib.PosixPath [!!python/object/apply:pathlib.PosixPath [a]]",
    "builtins.getattr": "!!python/object/apply:builtins.getattr [!!python/name:os '', system]",
    "os": "!!python/module:os ''",
    "this": "!!python/module:this ''",
    "antigravity.fly": "!!python/name:antigravity.fly ''",
    "tests.methods.METHODS": "!!python/name:tests.methods.METHODS ''",
    "builtins.type": "!!python/object/new:builtins.type [A, !!python/tuple [], {{}}]",
    "types.SimpleNamespace": "!!python/object:types.SimpleNamespace {{}}",
    "!mine": "!mine 3",
    "!!set": "!!set {{a}}",
}
_GETATTR = "!!python/object/apply:builtins.getattr"
_PLACES = {
    "alone": "{}",
    "as an option": "{config}prompt: {}\n",
    "as what is set up": "{config}_target: {}\n",
    "as a method": "{config}setup: {}\n",
    "in a list": "{config}prompt: [[1, {}]]\n",
    "in a tuple": "{config}prompt: !!python/tuple\n- {}\n",
    "as a key": "{config}optimizers:\n  ? {}\n  : 1\n",
    "as a key of the config": "{config}? {}\n: 1\n",
    "merged": "{config}<<: {}\n",
    "behind an anchor": "{config}prompt: &a [{}]\ndata: *a\n",
    "in a config": "{config}viewer: !!python/object:nerfstudio.configs.base_config.ViewerConfig\n  model: {}\n",
    "in a path": "{config}data: !!python/object/apply:pathlib.PosixPath [{}]\n",
}
_CONFIG = "!!python/object:resfields_ns.host.trainer.ResFieldsTrainerConfig\n"


def _state(value: Any) -> Any:
    """What tells one config from another: the host's and torch's own comparisons pass over types."""
    if is_dataclass(value) and not isinstance(value, type):
        return type(value), {name: _state(part) for name, part in vars(value).items()}
    if isinstance(value, list | tuple):
        return type(value), [_state(part) for part in value]
    return {name: _state(part) for name, part in value.items()} if isinstance(value, dict) else (type(value), value)


def _assert_as_the_host(text: str, path: Path) -> None:
    path.write_text(text)
    assert _state(read_config(path, "--load-config")) == _state(yaml.load(text, Loader=yaml.Loader))


@pytest.mark.parametrize("name", METHODS)
def test_configs_of_all_methods_are_as_the_host_reads_them(name: str, tmp_path: Path) -> None:
    config = tiny_config(METHODS[name], tmp_path / "data", tmp_path)
    _assert_as_the_host(yaml.dump(config), tmp_path / "config.yml")


def test_those_of_variants_too(tmp_path: Path) -> None:
    for variant in VARIANTS.values():
        _assert_as_the_host(yaml.dump(variant.config(tmp_path / "data", tmp_path)), tmp_path / "config.yml")


def test_those_of_earlier_versions_too(tmp_path: Path) -> None:
    before = {f"resfields_ns.{new}": f"resfields_ns.{old}" for old, new in MOVED.items()}
    for name in ("tnerf-resfields", "sceneflow-resfields", "sdf-resfields", "video-resfields"):
        text = yaml.dump(tiny_config(METHODS[name], tmp_path / "data", tmp_path))
        old = re.sub(r"resfields_ns[\w.]+?(?=Config\n|Config$| '')", lambda found: before.get(found[0], found[0]), text)
        assert old != text
        _assert_as_the_host(old.replace("pathlib.PosixPath", "pathlib._local.PosixPath"), tmp_path / "config.yml")


def test_those_of_early_python_3_11_too(tmp_path: Path) -> None:
    """Python 3.11.0 to 3.11.3 write members of enumerations by their names."""
    text = yaml.dump(tiny_config(METHODS["sdf-resfields"], tmp_path / "data", tmp_path))
    early = re.sub(
        r"!!python/object/apply:([\w.]+\.EventName)\n( +)- (.*)",
        lambda found: f"{_GETATTR}\n{found[2]}- !!python/name:{found[1]} ''\n{found[2]}- {EventName(found[3]).name}",
        text,
    )
    assert _GETATTR in early
    _assert_as_the_host(early, tmp_path / "config.yml")
    (tmp_path / "config.yml").write_text(early.replace("- ETA", "- __class__"))
    with pytest.raises(ValueError, match="alone, found !!python/object/apply:builtins.getattr"):
        read_config(tmp_path / "config.yml", "--load-config")


def test_what_a_config_lacks_is_as_its_class_has_it(tmp_path: Path) -> None:
    path, count = tmp_path / "config.yml", 0
    for get in (lambda config: config, lambda config: config.machine, lambda config: config.pipeline.model):
        for entry in fields(get(METHODS["sdf-resfields-small"].config)):
            lacking = tiny_config(METHODS["sdf-resfields-small"], tmp_path / "data", tmp_path)
            vars(get(lacking)).pop(entry.name, None)
            path.write_text(yaml.dump(lacking))
            if entry.name != "method_name":
                assert _state(vars(get(read_config(path, "--load-config")))[entry.name]) == _state(default_of(entry))
                count += 1
    assert count > 30


@pytest.mark.parametrize("place", _PLACES)
def test_what_a_config_may_not_name_is_refused_by_name(place: str, tmp_path: Path) -> None:
    marker, path, modules = tmp_path / "marker", tmp_path / "config.yml", set(sys.modules)
    for name, payload in _HOSTILE.items():
        path.write_text(_PLACES[place].format(payload.format(marker=marker), config=_CONFIG))
        with pytest.raises(ValueError, match=rf"^{path}: expected configs .* alone, found ") as error:
            read_config(path, "--load-config")
        assert name in str(error.value) or (place == "merged" and "!!merge" in str(error.value)), (name, error.value)
    assert not marker.exists() and set(sys.modules) == modules


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (f"{_CONFIG}set_timestamp: 3\n", "'set_timestamp'"),
        (f"{_CONFIG}__class__: 3\n", "'__class__'"),
        (f"{_CONFIG}_target: !!python/name:torch.optim.adam.Adam ''\n", "torch.optim.adam.Adam"),
        (f"{_CONFIG}viewer: &a !!python/object:nerfstudio.configs.base_config.ViewerConfig\n  x: *a\n", "recursive"),
        (f"{_CONFIG}prompt: {'[' * 5000}{']' * 5000}\n", "recursion"),
        (f"{_CONFIG}prompt: [\n", "cannot be read"),
        (f"{_CONFIG}{'#' * 2**18}\n", "bytes, above"),
        (f"{_CONFIG}method_name: tnerf\n", "method that is registered"),
        ("!!python/object:nerfstudio.configs.base_config.ViewerConfig {}\n", "method that is registered"),
        (f"{_CONFIG}max_num_iterations: many\n", "str is not an instance of int"),
        (f"{_CONFIG}viewer: 3\n", "int is not an instance of nerfstudio.configs.base_config.ViewerConfig"),
        (f"{_CONFIG}data: [a]\n", "list did not match any element in the union"),
    ],
)
def test_broken_configs_are_refused_in_one_line(text: str, found: str, tmp_path: Path) -> None:
    path = tmp_path / "config.yml"
    path.write_text(text)
    with pytest.raises(ValueError, match=f"^{path}: expected .*{re.escape(found)}"):
        read_config(path, "--load-config")


_LOAD = ["--load-config", "RUN/config.yml"]
_COMMANDS: dict[str, tuple[Callable[[], None], list[str]]] = {
    "rf-render": (render.entrypoint, ["freeze", *_LOAD, "--output-path", "RUN/a.mp4"]),
    "rf-export": (export.entrypoint, [*_LOAD, "--output-dir", "RUN/meshes"]),
    "rf-track": (track.entrypoint, [*_LOAD, "--output-path", "RUN/a.glb"]),
    "rf-fit": (fit.entrypoint, [*_LOAD, "--data", "RUN"]),
    "rf-resume": (resume.entrypoint, ["RUN"]),
    "rf-plot": (plot.entrypoint, ["RUN", "--output-dir", "RUN/plots"]),
    "rf-report": (report.entrypoint, ["RUN", "--output-path", "RUN/a.html"]),
}


@pytest.mark.parametrize("command", _COMMANDS)
def test_every_command_refuses_it(
    command: str, tmp_path: Path, monkeypatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "config.yml").write_text(f"{_CONFIG}prompt: {_HOSTILE['os.system']}\n".format(marker=tmp_path / "ran"))
    entrypoint, arguments = _COMMANDS[command]
    monkeypatch.setattr(sys, "argv", [command, *(word.replace("RUN", str(tmp_path)) for word in arguments)])
    with pytest.raises(SystemExit) as ended:
        entrypoint()
    assert ended.value.code == 1 and not (tmp_path / "ran").exists()
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"Error: {tmp_path}/config.yml: ") and "!!python/object/apply:os.system" in line


def test_no_other_command_reads_configs() -> None:
    """Those that take a run are all in the list above, and nothing of the package asks the host to read a config."""
    sources = {path: path.read_text() for path in _PACKAGE.rglob("*.py")}
    assert {
        path.stem for path, text in sources.items() if re.search(r"\beval_setup\(|yaml\.(unsafe_)?load", text)
    } == set()
    takers = {
        path.stem
        for path, text in sources.items()
        if re.search(r"(load_trained_run|resume_run|config_of_run|fit_shapes)\(", text)
    }
    commands = {path.stem for path in (_PACKAGE / "commands").iterdir()}
    assert {f"rf-{name}" for name in takers & commands} == set(_COMMANDS)
