"""Running a command: arguments by tyro, and a user's mistake as one line."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import tyro

from resfields_ns.files import one_line_errors
from resfields_ns.host.foreign_warnings import quiet_others
from resfields_ns.host.stops import ended_by_sigterm


def run_command(command: Callable[..., Any]) -> None:
    """Run a function with arguments from the command line, or the `main()` of a dataclass made from them.

    A ValueError or a full disk becomes one line on stderr and exit code 1; any other error keeps its traceback. SIGTERM
    ends it as Ctrl-C does, so that what is unfinished is put away. Warnings of other packages are not shown.
    """
    quiet_others()
    tyro.extras.set_accent_color("bright_yellow")
    with one_line_errors(), ended_by_sigterm():
        result = tyro.cli(command)
        if result is not None:
            result.main()


def print_training(capture: Path, cameras: list[str], method: str) -> None:
    """Print how to look a capture over and train on it, with `cam_test`, or else its first camera, held out."""
    test = "cam_test" if "cam_test" in cameras else cameras[0]
    others = [name for name in cameras if name != test]
    if others:
        options = f"--train-cameras {' '.join(others)} --test-cameras {test}"
        print(f"Look it over: rf-check {capture} -- {options}")
        print(f"Train with: ns-train {method} --data {capture} owlii {options}")
