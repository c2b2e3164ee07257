"""The host's catalogue of methods that are not installed: it asks who calls it, and what it does hangs on that."""

import inspect

import pytest
from nerfstudio.configs import external_methods
from nerfstudio.configs.method_configs import all_methods
from rich.prompt import Confirm


def test_callers_are_those_of_the_standard_library() -> None:
    quick = vars(external_methods)["inspect"]

    def inner() -> tuple[list[str], list[str]]:
        found, expected = quick.stack(), inspect.stack()
        return [frame.function for frame in found], [frame.function for frame in expected]

    found, expected = inner()
    assert quick is not inspect
    assert found == expected
    assert found[:2] == ["inner", "test_callers_are_those_of_the_standard_library"]


def test_catalogue_reads_no_source(monkeypatch: pytest.MonkeyPatch) -> None:
    def read(*_: object) -> None:
        raise AssertionError("the source of a module was looked for")

    monkeypatch.setattr(inspect, "getmodule", read)
    found, _ = external_methods.get_external_methods()
    assert set(found) <= set(all_methods)


def test_method_that_is_not_installed_still_says_how(monkeypatch: pytest.MonkeyPatch) -> None:
    (name, dummy), *_ = external_methods.get_external_methods()[0].items()
    asked: list[str] = []
    monkeypatch.setattr(Confirm, "ask", lambda question, **_: asked.append(question))
    with pytest.raises(SystemExit):
        type(dummy)(name, dummy.method)
    assert len(asked) == 1
