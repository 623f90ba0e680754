from __future__ import annotations

import contextlib
import itertools
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from daw_bridge.files.lines import line_of
from daw_bridge.files.tables import parse_toml

if TYPE_CHECKING:
    from collections.abc import Iterator

    from daw_bridge.files.lines import Key

ROOT = Path(__file__).parents[2]
_TABLES = 20  # of the catalogue, whose others are alike
SHIPPED = [*ROOT.glob("models/**/*.toml"), *ROOT.glob("presets/**/*.toml"), ROOT / "pyproject.toml"]

TRICKY = """\
# [comment]  key = "at 1"
title = "at 2 # [no.header]"  # ]
text = '''at 3
[neither.one]
title = 4 \\'''
"quoted.key" = \"\"\"at 6 \\\"\"\" \\
  [none] \"\"\"\"\"
bare.dotted . 'deep' = 1979-05-27 07:32:00.5Z
list = [ # at 9
    "at 10", 'x]',
    [1.5, [
        -2e3]], # at 12
    { inner = "at 13", of = { a.b = [1, { c = 2 }] } },
]
[table] # at 15
key = { }
[table."sub.table"]
key = []
[[array]] # at 19
key = 1
[[array.inner]]
key = 1
[[array.inner]]
[array.inner.table]
key = 25
[[array]]
[[array.inner]]
key = 28
[last]"""


def keys_of(value: Any, at: Key = ()) -> Iterator[Key]:
    yield at
    if isinstance(value, list):
        value = dict(enumerate(value))
    for key, entry in value.items() if isinstance(value, dict) else ():
        yield from keys_of(entry, (*at, key))


def first_lines(text: str) -> dict[Key, int]:
    """Return the length of the shortest beginning of a text in which a parser finds each key."""
    found: dict[Key, int] = {}
    lines = text.splitlines()
    for count, ending in itertools.product(range(1, len(lines) + 1), ("", "\n]")):
        with contextlib.suppress(ValueError):
            for key in keys_of(parse_toml("\n".join(lines[:count]) + ending)):
                found.setdefault(key, count)
    return found


@pytest.mark.parametrize(
    ("key", "line"),
    [
        ((), 1),
        (("title",), 2),
        (("text",), 3),
        (("quoted.key",), 6),
        (("bare", "dotted", "deep"), 8),
        (("list",), 9),
        (("list", 0), 10),
        (("list", 1), 10),
        (("list", 2), 11),
        (("list", 2, 0), 11),
        (("list", 2, 1, 0), 12),
        (("list", 3), 13),
        (("list", 3, "of", "a", "b", 1, "c"), 13),
        (("table",), 15),
        (("table", "key"), 16),
        (("table", "sub.table", "key"), 18),
        (("array",), 19),
        (("array", 0, "inner", 0), 21),
        (("array", 0, "inner", 1, "table", "key"), 25),
        (("array", 1), 26),
        (("array", 1, "inner", 0, "key"), 28),
        (("array", 1, "inner", 0, "none"), 27),
        (("last", "none"), 29),
        (("none",), 1),
    ],
)
def test_each_key_has_its_line(key: Key, line: int) -> None:
    assert line_of(key, TRICKY) == line


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: str(path.relative_to(ROOT)))
def test_lines_are_those_with_which_a_parser_finds_keys(path: Path) -> None:
    text = "\n\n".join(path.read_text("utf-8").split("\n\n")[:_TABLES])
    found = first_lines(text)
    assert set(found) >= set(keys_of(parse_toml(text)))
    assert {key: line_of(key, text) for key in found} == found
