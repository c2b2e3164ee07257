"""The config of a run that somebody else made, read without running any of what it names.

A `config.yml` names Python classes and functions, and nerfstudio's own commands import and call them. Here it may name
config classes of nerfstudio and of this package, paths and enumerations, all of which are imported already; whatever
else a config names (the class that it sets up, an optimizer of torch) is what the class has by default, or refused.
"""

import sys
from collections.abc import Iterator
from dataclasses import MISSING, Field, fields, is_dataclass
from enum import Enum
from pathlib import Path
from typing import Any, get_type_hints

import yaml
from nerfstudio.configs.base_config import PrintableConfig
from nerfstudio.configs.method_configs import all_methods
from nerfstudio.data.dataparsers.base_dataparser import DataParserConfig
from nerfstudio.engine.trainer import TrainerConfig
from typeguard import TypeCheckError, check_type

from resfields_ns.captures.untrusted import blamed, read_bytes
from resfields_ns.host.old_runs import PATHS, path_of_node, present_name
from resfields_ns.options import Options

_LARGEST = 2**18  # bytes, thirty times what configs have
_YAML = "tag:yaml.org,2002:"
_PYTHON = f"{_YAML}python/"
_PLAIN = {f"{_YAML}{kind}" for kind in ("null", "bool", "int", "float", "str", "seq", "map")}
_CONFIG = f"{_PYTHON}object:"
_APPLIED = f"{_PYTHON}object/apply:"
_TUPLE = f"{_PYTHON}tuple"
_GETATTR = "builtins.getattr"
_ROOMS = ("nerfstudio", "resfields_ns")


def read_config(path: Path, option: str) -> TrainerConfig:
    """The config of a run; nothing that it names is imported or called.

    Raises ValueError, naming `option` or the file, if it is none, is broken, holds values of wrong types, or names
    anything but configs.
    """
    expected = "the config.yml of a run"
    if not path.is_file():
        raise ValueError(f"{option}: expected {expected}, found no file {path}")
    with blamed(path, expected):
        try:
            loader = _ConfigLoader(read_bytes(path, expected, _LARGEST))
            root = loader.get_single_node()
            if root is not None:
                _check_names(path, root)
            if root is None or _config_of(root) is None:
                raise ValueError(f"{option}: expected {expected}, found {path}, which is none")
            config = loader.construct_document(root)
        except yaml.YAMLError as error:
            raise ValueError(str(error)) from None
    if not isinstance(config, TrainerConfig) or getattr(config, "method_name", None) not in all_methods:
        raise ValueError(f"{path}: expected the config of a run of a method that is registered, found another")
    return config


def config_class(name: str) -> type | None:
    """The config class of a path, of those that are imported; None for any other name."""
    found = _imported(name)
    is_config = isinstance(found, type) and is_dataclass(found) and issubclass(found, PrintableConfig | Options)
    return found if is_config else None


def enum_class(name: str) -> type[Enum] | None:
    """The enumeration of a path, of those that are imported; None for any other name."""
    found = _imported(name)
    return found if isinstance(found, type) and issubclass(found, Enum) else None


def path_of(kind: Any) -> str:
    """What a config names a class or a function by."""
    return f"{kind.__module__}.{kind.__name__}"


def default_of(entry: Field) -> Any:
    """What a field of a config has by default."""
    return entry.default_factory() if callable(entry.default_factory) else entry.default


def _imported(name: str) -> Any:
    module, _, attribute = name.rpartition(".")
    found = vars(sys.modules[module]).get(attribute) if module in sys.modules else None
    return found if getattr(found, "__module__", "").partition(".")[0] in _ROOMS else None


def _check_names(path: Path, root: yaml.Node) -> None:
    """Raise ValueError if a document names anything but configs, paths, enumerations and defaults of configs."""
    wrong = [node for parent, key, node in _links(root) if not _is_known(parent, key, node)]
    if wrong:
        node = max(wrong, key=lambda node: (node.tag.startswith(_PYTHON), node.tag not in _PLAIN))
        found = repr(node.value) if node.tag in _PLAIN else node.tag.replace(_YAML, "!!")
        raise ValueError(
            f"{path}: expected configs of nerfstudio and of this package alone, found {found} in line "
            f"{node.start_mark.line + 1}; nerfstudio's own commands would run what it names"
        )


def _links(root: yaml.Node) -> Iterator[tuple[yaml.Node | None, yaml.Node | None, yaml.Node]]:
    """All nodes of a document with what holds them, and with their keys there."""
    yield None, None, root
    waiting, seen = [root], set()
    while waiting:
        node = waiting.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, yaml.MappingNode):
            held = [link for key, value in node.value for link in ((None, key), (key, value))]
        else:
            held = [(None, value) for value in node.value if isinstance(value, yaml.Node)]
        for key, value in held:
            yield node, key, value
            waiting.append(value)


def _is_known(parent: yaml.Node | None, key: yaml.Node | None, node: yaml.Node) -> bool:
    """Whether a node is plain, a config, a path, an enumeration, or what the config that holds it has by default."""
    kind, _, name = node.tag.removeprefix(_PYTHON).partition(":")
    name, holder = present_name(name), _config_of(parent)
    if holder is not None and key is None:  # it is a key itself
        return node.tag == f"{_YAML}str" and _is_state(holder, node.value)
    if node.tag in _PLAIN:
        return True
    if parent is not None and parent.tag.startswith(_APPLIED):
        return parent.tag == f"{_APPLIED}{_GETATTR}"  # what it holds was looked at with it
    if node.tag == _TUPLE or not node.tag.startswith(_PYTHON):
        return node.tag == _TUPLE
    if kind == "object/apply":
        known = name in PATHS or enum_class(name) is not None
        return isinstance(node, yaml.SequenceNode) and (known or (name == _GETATTR and _member_of(node) is not None))
    if kind == "name" and holder is not None and key is not None:
        default = next((default_of(entry) for entry in fields(holder) if entry.name == key.value), None)
        return node.value == "" and callable(default) and path_of(default) == name
    return kind == "object" and _config_of(node) is not None


def _config_of(node: yaml.Node | None) -> type | None:
    """The config class of a node, if it is one's."""
    if not isinstance(node, yaml.MappingNode) or not node.tag.startswith(_CONFIG):
        return None
    return config_class(present_name(node.tag.removeprefix(_CONFIG)))


def _member_of(node: yaml.SequenceNode) -> Enum | None:
    """The member of an enumeration that Python 3.11.0 to 3.11.3 write as `getattr(kind, name)`, if it is one."""
    match node.value:
        case [yaml.ScalarNode(tag=tag, value=""), yaml.ScalarNode(value=member)] if tag.startswith(f"{_PYTHON}name:"):
            kind = enum_class(present_name(tag.removeprefix(f"{_PYTHON}name:")))
            return None if kind is None else kind.__members__.get(member)
    return None


def _is_state(config: type, key: str) -> bool:
    """Whether a key is a field of a config, or may have been one of earlier versions: it is none of its methods."""
    return key in {entry.name for entry in fields(config)} or not hasattr(config, key)


class _ConfigLoader(yaml.SafeLoader):
    """Builds what `_check_names` lets pass."""


def _build_config(loader: yaml.SafeLoader, name: str, node: yaml.MappingNode) -> Any:
    """A config in the state that a node has, as the host makes it."""
    kind = config_class(present_name(name))
    assert kind is not None
    config, state = object.__new__(kind), loader.construct_mapping(node, deep=True)
    take_over = getattr(config, "__setstate__", config.__dict__.update)
    take_over(state)
    _complete(config)
    return config


def _complete(config: Any) -> None:
    """Give a config what its class has by default where its state, of another version, has nothing.

    Raises ValueError for values of another type than the class says.
    """
    types = get_type_hints(type(config))
    for entry in fields(config):
        value = vars(config).setdefault(entry.name, default_of(entry))
        try:  # the host's type of dataparsers is those that have a name on the command line
            check_type(value, DataParserConfig if entry.name == "dataparser" else types[entry.name])
        except TypeCheckError as error:
            found = "nothing" if value is MISSING else f"one that {error}"
            raise ValueError(
                f"{type(config).__name__}.{entry.name}: expected a value of its type, found {found}"
            ) from None


def _build_applied(loader: yaml.SafeLoader, name: str, node: yaml.SequenceNode) -> Any:
    if name in PATHS:
        return path_of_node(loader, node)
    if name == _GETATTR:
        return _member_of(node)
    kind = enum_class(name)
    assert kind is not None
    (value,) = loader.construct_sequence(node)
    return kind(value)


def _build_name(loader: yaml.SafeLoader, name: str, node: yaml.Node) -> Any:
    module, _, attribute = present_name(name).rpartition(".")
    return getattr(sys.modules[module], attribute)


def _build_tuple(loader: yaml.SafeLoader, node: Any) -> tuple[Any, ...]:
    return tuple(loader.construct_sequence(node, deep=True))


_ConfigLoader.add_multi_constructor(_CONFIG, _build_config)
_ConfigLoader.add_multi_constructor(_APPLIED, _build_applied)
_ConfigLoader.add_multi_constructor(f"{_PYTHON}name:", _build_name)
_ConfigLoader.add_constructor(_TUPLE, _build_tuple)
