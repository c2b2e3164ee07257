"""Running a command: arguments by tyro, and a user's mistake as one line."""

import sys
from collections.abc import Callable
from typing import Any

import tyro


def run_command(command: Callable[..., Any]) -> None:
    """Run a function with arguments from the command line, or the `main()` of a dataclass made from them.

    A ValueError becomes one line on stderr and exit code 1; any other error keeps its traceback.
    """
    tyro.extras.set_accent_color("bright_yellow")
    try:
        result = tyro.cli(command)
        if result is not None:
            result.main()
    except ValueError as error:
        print(f"Error: {' '.join(str(error).split())}", file=sys.stderr)
        raise SystemExit(1) from None
