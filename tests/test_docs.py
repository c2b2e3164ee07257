"""The pages say what is: links lead somewhere, commands and their options exist, messages are those of the code."""

import ast
import functools
import importlib
import re
import shlex
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import tyro
from nerfstudio.configs.method_configs import AnnotatedBaseConfigUnion
from nerfstudio.scripts import eval as ns_eval
from nerfstudio.scripts import exporter, render
from nerfstudio.scripts.viewer import run_viewer

from tests.cases import over
from tests.methods import METHODS

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_ROOT = Path(__file__).resolve().parent.parent
_PAGES = [
    *(_ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "benchmarks/README.md")),
    *sorted((_ROOT / "docs").rglob("*.md")),
]
_OLD_COMMANDS = _ROOT / "CHANGELOG.md"  # what it names need not exist any longer

_SCRIPTS: dict[str, str] = tomllib.loads((_ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["scripts"]
_OF_THE_HOST: dict[str, Any] = {
    "ns-train": AnnotatedBaseConfigUnion,
    "ns-eval": ns_eval.ComputePSNR,
    "ns-render": render.Commands,
    "ns-export": exporter.Commands,
    "ns-viewer": tyro.conf.FlagConversionOff[run_viewer.RunViewer],
}
_INSTEAD = {  # what stands in commands for what a user knows
    "METHOD": "tnerf-resfields",
    "REMAINING": "10",
    "SEED": "0",
    "X0 Y0 Z0 X1 Y1 Z1": "0 0 0 1 1 1",
    "PORT": "29500",
}
_OURS = re.compile(r"(?:ns|rf)-[a-z-]+(?= |$)|python -m (?:benchmarks|tests)\.\w+|(?:python|bash) scripts/\S+")


@dataclass(frozen=True)
class Command:
    """A command of a page; one within a sentence need not be whole."""

    text: str
    whole: bool


def _without_code(text: str) -> str:
    text = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    return re.sub(r"`[^`]*`", "``", re.sub(r"^    .*$", "", text, flags=re.MULTILINE))


def _anchors(page: Path) -> set[str]:
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    titles = re.findall(r"^#+ (.*)$", text, flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title).strip().lower().replace(" ", "-") for title in titles}


@over("page", {str(page.relative_to(_ROOT)): page for page in _PAGES})
def test_links_lead_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", _without_code(page.read_text(encoding="utf-8"))):
        if link.startswith(("http://", "https://")):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{link}: no such file"
        assert not anchor or anchor in _anchors(target), f"{link}: no such heading"


def _commands_of(text: str) -> Iterator[Command]:
    """Those of its code blocks, line by line, and those between backticks."""
    text = text.replace("\\\n", " ")
    for name, value in re.findall(r'^\s*(\w+)="?([^"\n]*?)"?$', text, flags=re.MULTILINE):
        text = re.sub(rf"\${name}\b", lambda _, value=value: value, text)
    for old, new in _INSTEAD.items():
        text = re.sub(rf"\b{old}\b", new, text)
    blocks = re.findall(r"^```(?:bash)?\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)
    text = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines()] + re.findall(r"^    .*$", text, re.MULTILINE)
    for line in lines:
        for part in re.split(r" && | \| |; ", re.sub(r"(^|\s)# .*", "", line)):
            found = _OURS.search(part)
            if found and re.fullmatch(r"|.*torchrun .*|[A-Z_]+=\S+ ", part[: found.start()].lstrip()):
                yield Command(" ".join(re.sub(r"[\[\]]", "", part[found.start() :]).split()), whole=True)
    for line in text.splitlines():
        if not line.startswith("    "):
            for span in re.findall(r"`([^`]+)`", line):
                if found := _OURS.match(span):
                    yield Command(span, line.startswith("|") and span != found[0] and span.split()[-1][:2] != "--")
    for span in re.findall(r"`([^`|]+\n[^`|]+)`", re.sub(r"^    .*$|^\|.*$", "", text, flags=re.MULTILINE)):
        if _OURS.match(span):
            yield Command(" ".join(span.split()), whole=False)


def _commands() -> list[Command]:
    found = {command for page in _PAGES if page != _OLD_COMMANDS for command in _commands_of(page.read_text("utf-8"))}
    whole = {command.text for command in found if command.whole}
    return sorted((one for one in found if one.whole or one.text not in whole), key=lambda command: command.text)


@functools.cache
def _taken(name: str) -> Any:
    """What tyro makes of the arguments of a command: a config, or a function that does nothing."""
    if name in _OF_THE_HOST:
        return _OF_THE_HOST[name]
    if name in _SCRIPTS:
        module = importlib.import_module(_SCRIPTS[name].partition(":")[0])
        with mock.patch.object(module, "run_command") as run:
            module.entrypoint()
        command = run.call_args.args[0]
    else:
        command = importlib.import_module(name).main
    return command if isinstance(command, type) else _idle(command)


def _idle(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def nothing(*arguments: Any, **options: Any) -> None: ...

    return nothing


def check_command(command: Command, capsys: pytest.CaptureFixture[str]) -> None:
    """Fail where a command, or what it is told, does not exist."""
    words = shlex.split(command.text)
    if words[0] in ("python", "bash") and words[1] != "-m":
        assert (_ROOT / words[1]).is_file(), words[1]
        return
    name, arguments = (words[2], words[3:]) if words[0] == "python" else (words[0], words[1:])
    if name.startswith("tests."):
        importlib.import_module(name)
        return
    assert name in _SCRIPTS or name in _OF_THE_HOST or name.startswith("benchmarks."), f"{name}: no such command"
    if not command.whole and not arguments:
        return
    try:
        tyro.cli(_taken(name), args=arguments)
    except SystemExit:
        said = "".join(capsys.readouterr())
        if command.whole:
            pytest.fail(said)
        with pytest.raises(SystemExit):
            subcommand = ["tnerf-resfields"] if name == "ns-train" else arguments[:1]
            tyro.cli(_taken(name), args=[*(word for word in subcommand if not word.startswith("-")), "--help"])
        helped = re.sub(r"[\s│]+", " ", capsys.readouterr().out)
        for option in (word for word in arguments if word.startswith("--") and len(word) > 2):
            assert re.search(rf"{option}\b", helped), f"{option}: no such option of {name}; {said}"


@pytest.mark.parametrize("command", _commands(), ids=lambda command: command.text)
def test_commands_and_their_options_exist(command: Command, capsys: pytest.CaptureFixture[str]) -> None:
    check_command(command, capsys)


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ("rf-rendre time --load-config RUN/config.yml --output-path time.mp4", True),
        ("rf-render time --load-config RUN/config.yml --output-path time.mp4 --slow-motoin 4", True),
        ("rf-render tiem --load-config RUN/config.yml --output-path time.mp4", True),
        ("ns-train tnerf-resfields --data demo --pipeline.model.density nref", True),
        ("ns-eval --load-conifg RUN/config.yml", True),
        ("python -m benchmarks.run family --dat DATA", True),
        ("python scripts/bike.py bikes.mp4", True),
        ("rf-videos --synchronize", False),
    ],
)
def test_a_misspelt_command_is_found(text: str, whole: bool, capsys: pytest.CaptureFixture[str]) -> None:
    page = f"    {text}\n" if whole else f"Say `{text}` first.\n"
    (command,) = _commands_of(page)
    assert command == Command(text, whole)
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        check_command(command, capsys)


def test_every_method_is_in_the_table() -> None:
    page = (_ROOT / "docs" / "methods.md").read_text(encoding="utf-8")
    head, rows = re.split(r"^\|(?:---\|)+\n", page.partition("\n\n## ")[0], maxsplit=1, flags=re.MULTILINE)
    columns = head.splitlines()[-1].count("|")
    named = {}
    for row in rows.partition("\n\n")[0].splitlines():
        cells = [cell.strip() for cell in row.strip("|").split("|")]
        assert all(cells) and row.count("|") == columns, f"{row}: expected every cell to be filled"
        named[cells[0].strip("`")] = cells
    registered = {point.name for point in entry_points(group="nerfstudio.method_configs")}
    ours = {name for name in METHODS if name in registered}
    assert named.keys() == ours


def _texts_of_the_code() -> str:
    """All that the package and its scripts may say, what is filled in left out."""
    texts = [path.read_text(encoding="utf-8") for path in (_ROOT / "scripts").glob("*.sh")]
    for folder in ("resfields_ns", "dataparsers", "method_configs"):
        for path in (_ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    texts.append(node.value)
    return "\n".join(texts)


def test_troubleshooting_quotes_messages_of_the_code() -> None:
    page = (_ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
    messages = re.findall(r"^\| `([^`]*)`", page, flags=re.MULTILINE)
    said = _texts_of_the_code()
    assert len(messages) > 20
    for message in messages:
        for part in re.split("…", message):
            assert len(part.strip(" :;,(")) < 4 or part in said, f"{message!r}: no code says {part!r}"
