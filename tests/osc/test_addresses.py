from __future__ import annotations

import re
from pathlib import Path

import pytest

from daw_bridge.errors import OptionError
from daw_bridge.osc.addresses import EVENTS, MAJOR, METHODS, MINOR, find_method
from daw_bridge.serving.codes import _CODES
from daw_bridge.workers.task import KINDS

PAGE = (Path(__file__).parents[2] / "docs" / "osc.md").read_text("utf-8")


def test_numbers_are_interchangeable() -> None:
    method = METHODS["/stems/separate"]
    taken = method.take(["j", "m", "/o", 1, 2.0, "", "/a.wav", "/b.wav"])
    assert taken == ["j", "m", "/o", 1.0, 2.0, "", "/a.wav", "/b.wav"]
    assert METHODS["/stems/sync"].take([7.0]) == [7]


@pytest.mark.parametrize(
    ("address", "arguments"),
    [
        ("/stems/sync", []),
        ("/stems/sync", [1, 2]),
        ("/stems/sync", ["1"]),
        ("/stems/sync", [float("nan")]),
        ("/stems/sync", [float("inf")]),
        ("/stems/sync", [None]),
        ("/stems/status", [1]),
        ("/stems/status", ["a\0b"]),
        ("/stems/separate", ["j", "m", "/o", 0, -1, ""]),
        ("/stems/data", ["t", 0, "text"]),
    ],
)
def test_other_arguments_are_refused(address: str, arguments: list[object]) -> None:
    with pytest.raises(OptionError):
        METHODS[address].take(arguments)


def test_true_is_a_number() -> None:
    assert METHODS["/stems/sync"].take([True]) == [1]


@pytest.mark.parametrize("pattern", ["/stems/*", "/stems/{list,cancel}", "/stems/lis?", "/*/list"])
def test_wildcards_match_nothing(pattern: str) -> None:
    with pytest.raises(OptionError, match="pattern"):
        find_method(pattern)


def test_each_kind_of_job_has_an_address() -> None:
    assert {f"/stems/{kind}" for kind in KINDS} <= METHODS.keys()


def test_the_page_describes_what_the_table_holds() -> None:
    for method in METHODS.values():
        assert f"`{method}`\n: {method.summary}" in PAGE
        assert f"  Answer: `{', then '.join(map(str, method.answers))}`\n" in PAGE
    for event in EVENTS.values():
        assert f"`{event}`" in PAGE
    assert PAGE.startswith(f"# The protocol, version {MAJOR}.{MINOR}\n")
    described = set(re.findall(r"`(/stems/\w+)[ `]", PAGE))
    assert described == METHODS.keys() | EVENTS.keys()
    codes = set(map(int, re.findall(r"^\| (-\d+) \|", PAGE, re.MULTILINE)))
    assert codes == set(_CODES.values())
