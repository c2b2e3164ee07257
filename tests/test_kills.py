"""The short form of `benchmarks/kills.py`, at moments of its own each time: the seed is printed."""

import os
import re
import subprocess
import sys
from pathlib import Path

_ROOT = Path(__file__).resolve().parent.parent
_COMMANDS = ("train", "rf-videos")


def test_killed_commands_go_on_to_the_same_result() -> None:
    command = [sys.executable, "-m", "benchmarks.kills", "--kills", "2", "--commands", *_COMMANDS]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    result = subprocess.run(command, cwd=_ROOT, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    told = re.findall(r"^(\S+): .* results, all the same as undisturbed", result.stdout, re.MULTILINE)
    assert told == list(_COMMANDS)
