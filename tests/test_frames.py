"""Slices of frames: as Python's own slices where they are valid, errors where they are not."""

import pytest

from resfields_ns.timeline import parse_frames


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("::", slice(None)),
        (":", slice(None)),
        ("2:", slice(2, None)),
        (":7", slice(7)),
        ("2:9", slice(2, 9)),
        ("2:9:3", slice(2, 9, 3)),
        ("::4", slice(None, None, 4)),
        ("1:10:", slice(1, 10)),
        ("6", slice(6, 7)),
        (" 0:3 ", slice(0, 3)),
    ],
)
def test_selects_as_a_python_slice(spec: str, expected: slice) -> None:
    assert parse_frames(spec, 10) == list(range(10))[expected]


@pytest.mark.parametrize("spec", ["", "a", "1:2:3:4", "-3:", "1.5", "0:5:one", "__import__('os')", "1,2"])
def test_malformed_text(spec: str) -> None:
    with pytest.raises(ValueError, match="--frames: expected 'start:stop:step'.*found") as error:
        parse_frames(spec, 10)
    assert repr(spec) in str(error.value)


@pytest.mark.parametrize("spec", ["::0", "::-1", "0:5:-"])
def test_step_below_one(spec: str) -> None:
    with pytest.raises(ValueError, match=f"--frames: expected a step of at least 1, found '{spec}'"):
        parse_frames(spec, 10)


@pytest.mark.parametrize("spec", ["0:11", "10", "0:99:3"])
def test_fewer_frames_than_asked_for(spec: str) -> None:
    with pytest.raises(ValueError, match=f"expected frames below 10, found '{spec}'.*fewer frames than asked for"):
        parse_frames(spec, 10)


@pytest.mark.parametrize("spec", ["5:5", "6:2", "10:"])
def test_empty_selection(spec: str) -> None:
    with pytest.raises(ValueError, match=f"expected at least one of the 10 frames, found '{spec}'"):
        parse_frames(spec, 10)


def test_error_names_the_option() -> None:
    with pytest.raises(ValueError, match="--eval-frames: "):
        parse_frames("x", 10, option="--eval-frames")
