"""Configs by themselves: bounds of numbers, parts chosen by their kind."""

from dataclasses import dataclass, fields
from typing import Any, ClassVar, get_type_hints

import pytest

from resfields_ns.fields.parts import AmbientOptions, ConditionOptions, WarpOptions
from resfields_ns.fields.warps import SE3WarpConfig
from resfields_ns.options import Options, PartOptions, option
from tests.cases import over

_PARTS: dict[str, type[PartOptions]] = {"condition": ConditionOptions, "warp": WarpOptions, "ambient": AmbientOptions}


@dataclass
class _Numbers(Options):
    prefix: ClassVar[str] = "numbers."

    share: float = option(0.5, above=0, most=1)
    open_share: float = option(0.5, least=0, below=1)
    level: int = option(3, least=0, most=254)
    any_number: float = 0.0
    sizes: tuple[int, ...] = option((1, 2), least=1)
    shifts: dict[str, float] = option(factory=dict)
    maybe: int | None = option(None, least=1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"share": 0.0}, "share: expected above 0 and at most 1, got 0.0"),
        ({"share": float("nan")}, "share: expected above 0 and at most 1, got nan"),
        ({"open_share": 1.0}, "open-share: expected at least 0 and below 1, got 1.0"),
        ({"level": 255}, "level: expected 0 to 254, got 255"),
        ({"any_number": float("inf")}, "any-number: expected a finite number, got inf"),
        ({"sizes": (1, 0)}, "sizes: expected at least 1, got 0"),
        ({"shifts": {"left": float("nan")}}, "shifts: expected a finite number, got nan"),
        ({"maybe": 0}, "maybe: expected at least 1, got 0"),
    ],
)
def test_numbers_stay_within_their_bounds(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=f"^numbers.{message}$"):
        _Numbers(**options)
    _Numbers()


@over("options", _PARTS)
def test_a_choice_among_parts_has_the_options_of_each(options: type[PartOptions]) -> None:
    hints = get_type_hints(options)
    of_parts = {name: hint for part in options.PARTS.values() for name, hint in _own_hints(part).items()}
    assert {name: hints[name] for name in _own_hints(options) if name != "kind"} == {
        name: hint | None for name, hint in of_parts.items()
    }
    assert list(hints["kind"].__args__) == list(options.PARTS)


def _own_hints(config: type) -> dict[str, Any]:
    hints = get_type_hints(config)
    return {entry.name: hints[entry.name] for entry in fields(config) if entry.name != "_target"}


@over("options", _PARTS)
def test_a_chosen_part_is_what_it_is_by_default_but_for_its_options(options: type[PartOptions]) -> None:
    for kind, part in options.PARTS.items():
        assert options(kind=kind).part == part()  # pyright: ignore[reportCallIssue]
    assert WarpOptions(kind="se3", hidden_dim=64).part == SE3WarpConfig(hidden_dim=64)
