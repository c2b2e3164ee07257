"""The host's catalogue of methods that are not installed, made without a look at anybody's source code.

Each of its 26 entries asks `inspect.stack()` which function makes it. With all modules that the host has imported by
then, that reads files and searches them all, for seconds of every command's start.
"""

import sys
from traceback import walk_stack
from types import FrameType, SimpleNamespace

from nerfstudio.configs import external_methods


def quicken_catalogue() -> None:
    """Let entries of the catalogue ask for the names of functions alone, from now on."""
    stack = SimpleNamespace(stack=lambda: _named(sys._getframe(1)))
    external_methods.inspect = stack  # pyright: ignore[reportPrivateImportUsage]


def _named(frame: FrameType) -> list[SimpleNamespace]:
    """A function that is running and those that called it, innermost first, as `inspect.stack()` names them."""
    return [SimpleNamespace(function=each.f_code.co_name) for each, _ in walk_stack(frame)]
