"""The installation script: which interpreter it takes, and what it says where it cannot."""

import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parent.parent / "scripts" / "install.sh"
MAKE_VENV = 'mkdir -p .venv/bin; cp "$(dirname "$0")/pip" .venv/bin/python'
FAKES = {
    "python3": f"""
case "$*" in
*version_info*) echo MINOR ;;
*"-m venv .venv"*) {MAKE_VENV} ;;
esac""",
    "uv": f'echo "uv $*" >> log; {MAKE_VENV}',
    "pip": 'echo "pip $*" >> log; [ "$5" != --quiet ]',
    "cc": "cat",
    "c++": "",
    "ffmpeg": "",
    "ldconfig": "echo libusb-1.0.so.0",
}


@pytest.fixture
def install(tmp_path: Path):
    """Runs the script among commands that only write down how they are called, under a Python of a minor version."""

    def run(minor: int, **fakes: str) -> tuple[subprocess.CompletedProcess[str], list[str]]:
        for name, body in {**FAKES, **fakes}.items():
            command = tmp_path / "bin" / name
            command.parent.mkdir(exist_ok=True)
            command.write_text(f"#!/bin/bash\n{body}\n".replace("MINOR", str(minor)))
            command.chmod(0o755)
        (tmp_path / "scripts").mkdir()
        shutil.copy(SCRIPT, tmp_path / "scripts")
        environment = {"PATH": f"{tmp_path / 'bin'}:/usr/bin:/bin", "CONSTRAINTS": "versions.txt"}
        command = ["bash", str(tmp_path / "scripts" / SCRIPT.name)]
        result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        log = tmp_path / "log"
        return result, log.read_text().splitlines() if log.exists() else []

    return run


def _installs(calls: list[str]) -> bool:
    return any(
        "install --constraint versions.txt --config-settings editable_mode=strict -e ." in call for call in calls
    )


@pytest.mark.parametrize("minor", [10, 13])
def test_the_machine_s_python_is_taken(install, minor: int) -> None:
    result, calls = install(minor)
    assert result.returncode == 0, result.stderr
    assert _installs(calls) and not any(call.startswith("uv") for call in calls)
    assert "7.5 GB" in result.stdout.splitlines()[0]


def test_uv_brings_a_python_where_the_machine_s_is_too_new(install) -> None:
    result, calls = install(14)
    assert result.returncode == 0, result.stderr
    assert calls[0] == "uv venv --seed --python 3.12 .venv" and _installs(calls)
    assert "Python 3.14 is newer than 3.13" in result.stdout


def test_without_network_one_line_says_so(install) -> None:
    result, calls = install(14, uv="echo downloading; echo 'error: Failed to download' >&2; exit 2")
    assert result.returncode == 1 and calls == []
    assert result.stderr == "install.sh: uv did not bring Python 3.12; is there a network? error: Failed to download\n"


def test_an_old_python_is_refused(install) -> None:
    result, calls = install(9)
    assert result.returncode == 1 and calls == []
    assert result.stderr == "install.sh: expected Python 3.10 or newer, found 3.9; name another one with PYTHON=...\n"
