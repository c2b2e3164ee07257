"""Options of configs that know their bounds, and what they need to act.

A config derives from `Options` and declares fields with `option`. Limits hold whenever a config is made. Whether an
option acts depends on others, also on those of the configs that hold its config: `settings` tells it of a whole tree.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, Field, dataclass, field, fields, is_dataclass, replace
from enum import Enum
from typing import Any, ClassVar

Number = int | float
Obstacle = Callable[[Any], str | None]
"""Says why an option of a config cannot act, in words that follow on "while"; None where it can."""


@dataclass(frozen=True)
class Limits:
    """What a number may be; infinite or NaN it may never be."""

    least: Number | None = None
    above: Number | None = None
    most: Number | None = None
    below: Number | None = None

    def check(self, name: str, value: Number) -> None:
        """Raise ValueError if a number, called `name` in the message, is out of bounds."""
        if not (
            math.isfinite(value)
            and (self.least is None or value >= self.least)
            and (self.above is None or value > self.above)
            and (self.most is None or value <= self.most)
            and (self.below is None or value < self.below)
        ):
            raise ValueError(f"{name}: expected {self}, got {value}")

    def __str__(self) -> str:
        if self.least is not None and self.most is not None:
            return f"{self.least} to {self.most}"
        named = (("at least", self.least), ("above", self.above), ("at most", self.most), ("below", self.below))
        return " and ".join(f"{words} {bound}" for words, bound in named if bound is not None) or "a finite number"


@dataclass(frozen=True)
class Traits:
    """What an option knows of itself, see `option`."""

    limits: Limits = Limits()
    acts: tuple[Obstacle, ...] = ()
    data: str | None = None
    outlasts: str | None = None

    @classmethod
    def of(cls, entry: Field) -> "Traits":
        """Those of a config's field."""
        return entry.metadata.get(cls, cls())


def option(
    default: Any = MISSING,
    *,
    factory: Any = MISSING,
    least: Number | None = None,
    above: Number | None = None,
    most: Number | None = None,
    below: Number | None = None,
    acts: Obstacle | tuple[Obstacle, ...] = (),
    data: str | None = None,
    outlasts: str | None = None,
) -> Any:
    """A field of an `Options`.

    Args:
        default, factory: one of the two, as for a dataclass's field
        least, above, most, below: bounds of a number, or of each of several
        acts: what may keep it, and all options below it, from acting
        data: what the data must have for it, and all options below it, to act, as the pipeline calls it
        outlasts: for a number of training steps: what it means that the run has no more of them
    """
    obstacles = acts if isinstance(acts, tuple) else (acts,)
    traits = Traits(Limits(least, above, most, below), obstacles, data, outlasts)
    default = {"default": default} if factory is MISSING else {"default_factory": factory}
    return field(**default, metadata={Traits: traits})


def when(name: str, *values: Any) -> Obstacle:
    """It acts where another option, of the same config or below it ('sampler.kind'), has one of these values."""

    def obstacle(config: Any) -> str | None:
        found = _look_up(config, name)
        others = " or ".join(as_typed(value) for value in values)
        return None if found in values else f"{dashed(name)} is {as_typed(found)}, not {others}"

    return obstacle


def unless(name: str, *values: Any) -> Obstacle:
    """It acts where another option has none of these values."""

    def obstacle(config: Any) -> str | None:
        found = _look_up(config, name)
        return f"{dashed(name)} is {as_typed(found)}" if found in values else None

    return obstacle


def when_any(*names: str) -> Obstacle:
    """It acts where one of some other options is neither 0, empty nor None."""

    def obstacle(config: Any) -> str | None:
        found = {name: _look_up(config, name) for name in names}
        if any(found.values()):
            return None
        return " and ".join(f"{dashed(name)} is {as_typed(value)}" for name, value in found.items())

    return obstacle


def dashed(name: str) -> str:
    """A name as it stands on the command line."""
    return name.replace("_", "-")


def as_typed(value: Any) -> str:
    """A value as it stands on the command line."""
    if isinstance(value, tuple | dict):
        items = [item for pair in value.items() for item in pair] if isinstance(value, dict) else value
        return " ".join(as_typed(item) for item in items) or "empty"
    return value.name if isinstance(value, Enum) else str(value)


def _look_up(config: Any, name: str) -> Any:
    for part in name.split("."):
        config = getattr(config, part)
    return config


class Options:
    """Base of configs that check their options."""

    prefix: ClassVar[str] = ""
    """What stands before an option's name on the command line, as far as the config can know."""
    below: ClassVar[Mapping[str, Obstacle]] = {}
    """What of this config may keep options of configs that it holds from acting, by their paths ('viewer.port')."""

    def __post_init__(self) -> None:
        inherited = getattr(super(), "__post_init__", None)
        if inherited is not None:
            inherited()
        self.check_options()

    def check_options(self) -> None:
        """Raise ValueError for options out of their bounds; a subclass adds what must hold between options."""
        for name, entry in _entries(self).items():
            value = getattr(self, name)
            for item in value if isinstance(value, tuple) else value.values() if isinstance(value, dict) else [value]:
                if isinstance(item, Number):
                    Traits.of(entry).limits.check(self.prefix + dashed(name), item)

    def obstacle(self, name: str) -> str | None:
        """Why an option cannot act, None where it can; 'name.key' is a config in a dict of them, or a path below."""
        entry = _entries(self).get(name)
        acts = (self.below[name],) if name in self.below else () if entry is None else Traits.of(entry).acts
        return next((why for obstacle in acts if (why := obstacle(self)) is not None), None)

    def needed_data(self, name: str) -> str | None:
        """What the data must have for an option to act, as the pipeline calls it."""
        return Traits.of(_entries(self)[name]).data if name in _entries(self) else None


class PartOptions(Options):
    """A choice among parts that have options of their own, flat on the command line.

    A subclass is a config with a `kind`, says which config every kind stands for, and has every option of all of them,
    as None: what the part has by default. An option that the chosen part does not have does nothing.
    """

    PARTS: ClassVar[Mapping[str, type]]
    kind: Any

    @property
    def part(self) -> Any:
        """The config of the chosen part."""
        given = {name: getattr(self, name) for name in _entries(self) if self._has(name)}
        return self.PARTS[self.kind](**{name: value for name, value in given.items() if value is not None})

    def _has(self, name: str) -> bool:
        return name != "_target" and name in _entries(self.PARTS[self.kind])

    def setup(self, **kwargs: Any) -> Any:
        """Build the chosen part."""
        return self.part.setup(**kwargs)

    def check_options(self) -> None:
        """Raise ValueError for options that the chosen part cannot have."""
        super().check_options()
        _ = self.part

    def obstacle(self, name: str) -> str | None:
        """The options of other parts do nothing."""
        return None if name in ("_target", "kind") or self._has(name) else f"kind is {self.kind}"


def chosen(config: Any) -> Any:
    """The config of a part, also of one that is chosen by its kind."""
    return config.part if isinstance(config, PartOptions) else config


@dataclass(frozen=True)
class Setting:
    """One option in a tree of configs.

    Args:
        path: through configs and dicts, with dots
        value: what it is set to
        preset: what it is set to in the tree that it is compared with
        traits: what it knows of itself
        obstacle: why it cannot act, None where it can
    """

    path: str
    value: Any
    preset: Any
    traits: Traits
    obstacle: str | None

    @property
    def changed(self) -> bool:
        """Whether it differs from the preset."""
        return self.value != self.preset


Holder = tuple[Options, str]
"""A config that holds others, and the path from it to what it holds."""


def settings(
    config: Any,
    preset: Any,
    path: str = "",
    obstacle: str | None = None,
    data: str | None = None,
    holders: tuple[Holder, ...] = (),
) -> Iterator[Setting]:
    """Every option of a tree of configs beside that of its preset.

    A config of another class than the preset's is compared with the defaults of its class.
    """
    if type(preset) is not type(config):
        preset = type(config)()
    if isinstance(config, Options):
        holders = (*holders, (config, ""))
    expected_of, entries = dict(_children(preset)), {} if isinstance(config, dict) else _entries(config)
    for name, value in _children(config):
        expected, entry = expected_of.get(name), entries.get(name)
        found = (holder.obstacle(way + name) for holder, way in holders)
        why = obstacle or next((each for each in found if each is not None), None)
        needed = data or (config.needed_data(name) if isinstance(config, Options) else None)
        if _is_inner(value):
            inner = tuple((holder, f"{way}{name}.") for holder, way in holders)
            yield from settings(value, expected, f"{path}{name}.", why, needed, inner)
        else:
            traits = Traits() if entry is None else Traits.of(entry)
            yield Setting(path + name, value, expected, replace(traits, data=needed), why)


def check_tree(config: Any) -> None:
    """Check all options of a tree of configs again, as they may have been set since the configs were made."""
    for _, value in _children(config):
        if _is_inner(value):
            check_tree(value)
    if isinstance(config, Options):
        config.check_options()


def _entries(config: Any) -> dict[str, Field]:
    return {entry.name: entry for entry in fields(config)}


def _children(config: Any) -> Iterator[tuple[str, Any]]:
    """What a config or a dict holds by name; the configs in a dict of a config are 'name.key'."""
    items = config if isinstance(config, dict) else {name: getattr(config, name) for name in _entries(config)}
    for name, value in items.items():
        if isinstance(value, dict) and _is_inner(value):
            yield from ((f"{name}.{key}", item) for key, item in value.items())
        else:
            yield name, value


def _is_inner(value: Any) -> bool:
    if isinstance(value, dict):
        return any(_is_inner(item) for item in value.values())
    return is_dataclass(value) and not isinstance(value, type)
