"""Changes to a config by dotted paths, checked: a misspelt path or a value of another type is an error."""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any, get_type_hints

from typeguard import TypeCheckError, check_type

from resfields_ns.options import chosen


def override(config: Any, changes: Mapping[str, Any], where: str = "") -> Any:
    """The config with the values at dotted paths replaced; all changes to one object happen at once.

    Args:
        config: a dataclass or a dict, which stays as it is
        changes: `{"pipeline.model.field.rank": 5}`
        where: the path of `config` itself, for messages

    Raises:
        ValueError: if a path names nothing, is given twice, or its value has another type
    """
    known = _children(config, where)
    own: dict[str, Any] = {}
    below: dict[str, dict[str, Any]] = {}
    for path, value in changes.items():
        name, _, rest = path.partition(".")
        if name not in known:
            raise ValueError(f"{where}{name}: expected one of {', '.join(sorted(known))}")
        if rest:
            below.setdefault(name, {})[rest] = value
        else:
            own[name] = value
    if twice := own.keys() & below.keys():
        raise ValueError(f"{where}{min(twice)}: expected a value or changes below it, got both")
    new = own | {name: override(known[name], inner, f"{where}{name}.") for name, inner in below.items()}
    if isinstance(config, dict):
        return {**config, **new}
    hints = get_type_hints(type(config))
    for name, value in own.items():
        try:
            check_type(value, hints[name])
        except TypeCheckError as error:
            raise ValueError(f"{where}{name}: expected {hints[name]}, got {value!r}") from error
    return replace(config, **new)


def flatten(config: Any) -> dict[str, Any]:
    """Everything that a config says, by dotted paths, as JSON values; of a part, the sizes that it has."""
    return _flat(config, "")


def _children(config: Any, where: str) -> dict[str, Any]:
    if isinstance(config, dict):
        return config
    if _is_config(config):
        return {entry.name: getattr(config, entry.name) for entry in fields(config)}
    raise ValueError(f"{where.removesuffix('.')}: expected a config, found {config!r}, which has nothing below it")


def _is_config(value: Any) -> bool:
    return is_dataclass(value) and not isinstance(value, type)


def _flat(config: Any, where: str) -> dict[str, Any]:
    if not isinstance(config, dict) and not _is_config(config):
        return {where.removesuffix("."): _json(config)}
    flat, config = {}, chosen(config)
    for name, value in _children(config, where).items():
        flat |= _flat(value, f"{where}{name}.")
    return flat


def _json(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, tuple | list):
        return [_json(item) for item in value]
    return value.as_posix() if isinstance(value, Path) else getattr(value, "__qualname__", str(value))
