"""The package: nothing is forgotten in pyproject.toml, imports go one way, and the wheel is whole."""

import ast
import importlib.util
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from itertools import chain
from pathlib import Path
from typing import Any

import pytest

_ROOT = Path(__file__).resolve().parent.parent
_FOLDERS = {
    "resfields_ns": _ROOT / "resfields_ns",
    "resfields_ns.method_configs": _ROOT / "method_configs",
    "resfields_ns.dataparsers": _ROOT / "dataparsers",
}
_TENSOR_ROOMS = ("functional", "layers")
_MAY_IMPORT = {
    "options": set(),
    "timeline": set(),
    "files": set(),
    "engines": set(),
    "functional": {"timeline"},
    "layers": {"functional", "options", "timeline"},
    "fields": {"functional", "layers", "options", "timeline"},
    "captures": {"files", "functional", "options", "timeline"},
    "data": {"captures", "functional", "host", "options", "timeline"},
    "host": {"captures", "files", "layers", "options", "timeline"},
    "models": {"captures", "data", "fields", "functional", "host", "layers", "options", "timeline"},
    "export": {"captures", "data", "fields", "files", "functional", "host", "models", "timeline"},
    "report": {"captures", "export", "files", "functional", "host", "layers", "models", "timeline"},
    "viewer": {"captures", "export", "functional", "host", "layers", "models", "timeline"},
    "pipelines": {
        *("captures", "data", "export", "functional", "host", "layers", "models", "options", "timeline", "viewer"),
    },
    "dataparsers": {"captures", "files", "functional", "host", "options", "timeline"},
    "method_configs": {"data", "dataparsers", "fields", "host", "models", "pipelines"},
    "released": {
        *("captures", "data", "dataparsers", "fields", "files", "functional", "host", "layers", "method_configs"),
        *("models", "pipelines", "timeline"),
    },
    "commands": {"captures", "engines", "export", "files", "host", "options", "released", "report", "timeline"},
}
"""Every room of the package, and what it may import beside itself."""

_NOT_DECLARED = {"resfields_ns", "tests", "benchmarks", "scripts", "triton"}
"""Modules of this repository, and Triton, which torch brings where it can use it."""

_IMPORT_WITH_TORCH_ALONE = """
import importlib.util, sys
import jaxtyping, numpy, torch
if importlib.util.find_spec("triton"):
    import triton.language  # torch brings it

class Refuse:
    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        if top not in sys.stdlib_module_names and top not in ("jaxtyping", "numpy", "resfields_ns", "torch"):
            raise ImportError(f"{name} is neither torch with its Triton, numpy nor jaxtyping")

sys.meta_path.insert(0, Refuse())
for name in sys.argv[1:]:
    importlib.import_module(name)
"""


def _project() -> dict[str, Any]:
    toml = importlib.import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")
    return toml.loads((_ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def _packages_on_disk() -> set[str]:
    packages = set()
    for name, folder in _FOLDERS.items():
        for init in folder.rglob("__init__.py"):
            packages.add(".".join((name, *init.parent.relative_to(folder).parts)))
    return packages


def _source_of(module: str) -> Path:
    """The file of a module within the source tree, by the longest package that has a folder of its own."""
    package = max((name for name in _FOLDERS if module == name or module.startswith(name + ".")), key=len)
    path = _FOLDERS[package].joinpath(*module.removeprefix(package).split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def _targets() -> Iterator[tuple[str, str]]:
    project = _project()["project"]
    for group in (*project["entry-points"].values(), project["scripts"]):
        yield from group.items()


def _imported(path: Path) -> set[str]:
    """Modules that a file imports, anywhere in it."""
    modules = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: expected absolute imports"
            modules |= {f"{node.module}.{alias.name}" for alias in node.names}
    return modules


def test_what_lies_beside_the_package_is_not_in_it() -> None:
    for folder in ("tests", "benchmarks", "scripts", "resfields_ns"):
        with pytest.raises(ImportError):
            importlib.import_module(f"resfields_ns.{folder}")


def test_the_two_folders_at_the_root_are_attributes_of_the_package() -> None:
    package = importlib.import_module("resfields_ns")
    for folder in ("method_configs", "dataparsers"):
        assert getattr(package, folder) is importlib.import_module(f"resfields_ns.{folder}")


def test_no_two_files_share_a_name() -> None:
    names = [path.name for folder in _FOLDERS.values() for path in folder.rglob("*.py") if path.name != "__init__.py"]
    assert sorted(names) == sorted(set(names))


def test_every_folder_with_code_is_a_package() -> None:
    for folder in _FOLDERS.values():
        for path in folder.rglob("*.py"):
            assert (path.parent / "__init__.py").is_file(), f"{path.parent} has no __init__.py"


def test_mapped_folders_are_those_on_disk() -> None:
    mapped = _project()["tool"]["setuptools"]["package-dir"]
    assert {name: _ROOT / folder for name, folder in mapped.items()} == _FOLDERS


@pytest.mark.parametrize("target", [target for _, target in _targets()], ids=[name for name, _ in _targets()])
def test_entry_points_exist(target: str) -> None:
    module, attribute = target.split(":")
    assert _source_of(module).is_file(), f"{module} has no file"
    loaded = importlib.import_module(module)
    assert loaded.__file__ is not None
    assert Path(loaded.__file__).resolve() == _source_of(module)
    assert hasattr(loaded, attribute)


def test_methods_bear_the_names_of_their_entry_points() -> None:
    for name, target in _project()["project"]["entry-points"]["nerfstudio.method_configs"].items():
        module, attribute = target.split(":")
        assert getattr(importlib.import_module(module), attribute).config.method_name == name


def test_console_scripts_start_with_rf() -> None:
    assert all(name.startswith("rf-") for name in _project()["project"]["scripts"])


def test_functional_and_layers_need_torch_alone() -> None:
    modules = ["resfields_ns.timeline"]
    for room in _TENSOR_ROOMS:
        modules += [f"resfields_ns.{room}.{path.stem}" for path in (_FOLDERS["resfields_ns"] / room).glob("*.py")]
    if importlib.util.find_spec("triton") is None:
        modules.remove("resfields_ns.functional.fused_mlp")
    command = [sys.executable, "-c", _IMPORT_WITH_TORCH_ALONE, *modules]
    result = subprocess.run(command, capture_output=True, text=True, cwd=_ROOT, check=False)
    assert result.returncode == 0, result.stderr


def test_every_room_is_in_the_table() -> None:
    rooms = {path.stem for path in _FOLDERS["resfields_ns"].iterdir() if path.suffix == ".py" or path.is_dir()}
    assert rooms - {"__init__", "__pycache__"} | {"method_configs", "dataparsers"} == set(_MAY_IMPORT)


@pytest.mark.parametrize("room", _MAY_IMPORT)
def test_imports_go_one_way(room: str) -> None:
    folder = _FOLDERS.get(f"resfields_ns.{room}", _FOLDERS["resfields_ns"] / room)
    for path in folder.rglob("*.py") if folder.is_dir() else [folder.with_suffix(".py")]:
        for module in _imported(path):
            package, _, rest = module.partition(".")
            if package == "resfields_ns":
                assert rest.partition(".")[0] in {room, *_MAY_IMPORT[room]}, f"{path} imports {module}"


def _storeys() -> list[str]:
    """The rooms of the table: those that stand on the ground, those that stand on them alone, and so on."""
    left, storeys = dict(_MAY_IMPORT), []
    while free := sorted(room for room, others in left.items() if not others & left.keys()):
        storeys.append("  ".join(free))
        for room in free:
            del left[room]
    assert not left, f"imports in circles: {left}"
    return storeys


def test_the_design_page_draws_the_rooms() -> None:
    page = (_ROOT / "docs" / "design.md").read_text(encoding="utf-8")
    drawn = page.partition("## Rooms\n\n")[2].partition("\n\n")[0]
    assert [line.strip() for line in drawn.splitlines()] == _storeys()[::-1]


def test_the_package_imports_neither_tests_nor_scripts() -> None:
    for folder in _FOLDERS.values():
        for path in folder.rglob("*.py"):
            tops = {module.partition(".")[0] for module in _imported(path)}
            assert not tops & {"tests", "scripts", "benchmarks"}, str(path)


def _name(requirement: str) -> str:
    return re.split(r"[^\w.-]", requirement, maxsplit=1)[0].lower()


@pytest.mark.parametrize(
    "folders", [("tests", "benchmarks", "scripts"), tuple(_FOLDERS.values())], ids=["tests", "package"]
)
def test_what_is_imported_is_a_dependency(folders: tuple[str | Path, ...]) -> None:
    """Modules of other distributions, by the names that these have, extras for users and, in tests, `dev` included."""
    project = _project()["project"]
    extras = [name for name in project["optional-dependencies"] if name != "dev" or "tests" in folders]
    extra = [requirement for name in extras for requirement in project["optional-dependencies"][name]]
    declared = {_name(requirement) for requirement in project["dependencies"] + extra}
    paths = [path for folder in folders for path in (_ROOT / folder).rglob("*.py")]
    modules = {module.partition(".")[0] for path in paths for module in _imported(path)}
    distributions = packages_distributions()
    for module in modules - set(sys.stdlib_module_names) - _NOT_DECLARED:
        assert {name.lower() for name in distributions[module]} & declared, f"{module} of {distributions[module]}"


def test_opencv_is_named_once() -> None:
    project = _project()["project"]
    requirements = [*project["dependencies"], *chain(*project["optional-dependencies"].values())]
    assert {_name(requirement) for requirement in requirements if "opencv" in requirement} == {"opencv-python-headless"}


_BUILD = """
import sys
from setuptools import build_meta
print(getattr(build_meta, sys.argv[1])(sys.argv[2]))
"""
_IMPORT_INSTALLED = """
import sys
sys.path.insert(0, sys.argv[1])
import resfields_ns.method_configs.dynamic, resfields_ns.dataparsers.owlii
assert resfields_ns.method_configs.__file__.startswith(sys.argv[1])
for folder in ("tests", "benchmarks", "scripts", "resfields_ns"):
    try:
        __import__("resfields_ns." + folder)
    except ImportError:
        continue
    raise AssertionError(folder)
"""


def test_the_wheel_of_the_sdist_is_whole(tmp_path: Path) -> None:
    """The sdist holds all that git does, and a wheel built from it all modules, which import without the checkout."""

    def build(hook: str, tree: Path) -> Path:
        command = [sys.executable, "-c", _BUILD, hook, str(tmp_path)]
        return (
            tmp_path / subprocess.run(command, cwd=tree, check=True, capture_output=True, text=True).stdout.split()[-1]
        )

    ignored = shutil.ignore_patterns(".git", ".venv", "outputs", "*.egg-info", "build", "__pycache__", ".pytest_cache")
    checkout = Path(shutil.copytree(_ROOT, tmp_path / "checkout", ignore=ignored))
    shutil.unpack_archive(build("build_sdist", checkout), tmp_path / "sdist")
    (source,) = (tmp_path / "sdist").iterdir()
    for folder in ("tests", "benchmarks", "docs", "scripts"):
        assert _files_below(source / folder) == _files_below(checkout / folder)
    shutil.unpack_archive(build("build_wheel", source), tmp_path / "wheel", "zip")
    for name, folder in _FOLDERS.items():
        assert _files_below(folder) <= _files_below(tmp_path / "wheel" / Path(*name.split(".")))
    command = [sys.executable, "-I", "-c", _IMPORT_INSTALLED, str(tmp_path / "wheel")]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


def _files_below(folder: Path) -> set[Path]:
    return {path.relative_to(folder) for path in folder.rglob("*") if path.is_file() and path.suffix != ".pyc"}
