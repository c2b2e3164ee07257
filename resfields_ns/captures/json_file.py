"""Reading JSON files of captures, with every number checked."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float64

from resfields_ns.captures.untrusted import blamed, read_bytes


def read_json(path: Path) -> dict[str, Any]:
    """Return the object that a JSON file holds.

    Raises ValueError if the file is missing or holds anything else.
    """
    content = read_bytes(path, "a JSON file")
    with blamed(path, "JSON"):
        content = json.loads(content)
    if not isinstance(content, dict):
        raise ValueError(f"{path}: expected a JSON object, found {_summary(content)}")
    return content


def read_list(record: Any, key: str, name: str) -> list[Any]:
    """Return the list at a key of an object; `name` says in errors where the object comes from."""
    value = _value(record, key, name)
    if not isinstance(value, list):
        raise ValueError(f"{name}: {key}: expected a list, found {_summary(value)}")
    return value


def read_text(record: Any, key: str, name: str) -> str:
    """Return the text at a key of an object; `name` says in errors where the object comes from."""
    value = _value(record, key, name)
    if not isinstance(value, str):
        raise ValueError(f"{name}: {key}: expected text, found {_summary(value)}")
    return value


def read_number(record: Any, key: str, name: str) -> float:
    """Return the finite number at a key of an object; `name` says in errors where the object comes from."""
    return float(read_array(record, key, (), name))


def read_array(record: Any, key: str, shape: tuple[int, ...], name: str) -> Float64[np.ndarray, "..."]:
    """Return the nested list of finite numbers at a key of an object, which must have the given shape.

    `name` says in errors where the object comes from.
    """
    value = _value(record, key, name)
    expected = f"{'x'.join(map(str, shape))} numbers" if shape else "a number"
    try:
        array = np.array(value)
    except ValueError:
        array = np.array(None)
    if array.shape != shape or array.dtype.kind not in "iuf" or holds_booleans(value):
        raise ValueError(f"{name}: {key}: expected {expected}, found {_summary(value)}")
    if not np.isfinite(array).all():
        raise ValueError(f"{name}: {key}: expected finite numbers, found {array[~np.isfinite(array)][0]}")
    return array.astype(np.float64)


def holds_booleans(value: Any) -> bool:
    """Whether a truth value is among numbers, which NumPy would take for 0 or 1."""
    return any(map(holds_booleans, value)) if isinstance(value, list) else isinstance(value, bool)


def _value(record: Any, key: str, name: str) -> Any:
    if not isinstance(record, dict):
        raise ValueError(f"{name}: expected an object with the key {key!r}, found {_summary(record)}")
    if key not in record:
        raise ValueError(f"{name}: expected the key {key!r}, found {', '.join(sorted(record)[:8]) or 'none'}")
    return record[key]


def _summary(value: Any) -> str:
    return repr(value)[:80]
