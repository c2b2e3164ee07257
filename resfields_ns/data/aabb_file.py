"""Reading `aabb.txt`: one list of six numbers, [x0, y0, z0, x1, y1, z1]."""

import ast
import math
from pathlib import Path

_LARGEST_FILE = 1000  # bytes
_EXPECTED = "a list of six numbers [x0, y0, z0, x1, y1, z1]"


def read_aabb(path: Path) -> list[list[float]]:
    """Return the box's corners [[x0, y0, z0], [x1, y1, z1]]; the file holds data only, nothing in it is run.

    Raises ValueError if the file is not one list of six finite numbers, or a lower bound is not below its upper one.
    """
    size = path.stat().st_size
    if size > _LARGEST_FILE:
        raise ValueError(f"{path}: expected {_EXPECTED}, found a file of {size} bytes")
    text = path.read_bytes().decode("utf-8", errors="replace").strip()
    numbers = _parse_numbers(text)
    if numbers is None:
        raise ValueError(f"{path}: expected {_EXPECTED}, found {text[:80]!r}")
    lower, upper = numbers[:3], numbers[3:]
    if not all(low < high for low, high in zip(lower, upper, strict=True)):
        raise ValueError(f"{path}: expected every lower bound below its upper bound, found {numbers}")
    return [lower, upper]


def _parse_numbers(text: str) -> list[float] | None:
    try:
        values = ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
        return None
    if not isinstance(values, list | tuple) or len(values) != 6:
        return None
    if not all(type(value) in (int, float) and math.isfinite(value) for value in values):
        return None
    return [float(value) for value in values]
