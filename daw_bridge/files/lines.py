"""Where a TOML text says what: the lines of its keys, which no parser tells."""

from __future__ import annotations

import re
from collections import Counter
from itertools import accumulate
from operator import and_, eq
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

Key = tuple[str | int, ...]
"""The way to a value: the keys of tables, and places in arrays, counted from 0."""

_TOKEN = re.compile(
    r"""
      \#[^\n]*
    | (?P<mark> [][{}=,\n] )
    | (?P<text> \"{3} (?:\\.|[^\\])*? \"{3,5} | '{3} .*? '{3,5} | "(?:\\.|[^"\\])*" | '[^']*' )
    | (?P<bare> [^][{}=,."'\#\s]+ )
    """,
    re.VERBOSE | re.DOTALL,
)


def line_of(key: Key, text: str) -> int:
    """Return the first line with which a valid TOML text says something about a key.

    Where it says nothing, this is the line of the nearest table around it, or 1. The text is read
    once, in linear time.
    """
    line, reached = 1, 0
    for said, at in _Scanner().scan(text):
        alike = sum(accumulate(map(eq, key, said), and_))
        if alike > reached:
            line, reached = at, alike
        if alike == len(key):
            break
    return line


class _Scanner:
    """Follows the marks of a TOML text; that it is valid is known."""

    def __init__(self) -> None:
        self._table: Key = ()  # That of the last header,
        self._tables: Counter[Key] = Counter()  # and how many tables each array has by now.
        self._brackets = 0  # Of the header that is being read.
        self._names: list[str] = []  # The key that is being read,
        self._at: Key | None = None  # or else that of the value that is being read.
        self._around: list[tuple[str, Key]] = []  # The arrays and inline tables that are open.

    def scan(self, text: str) -> Iterator[tuple[Key, int]]:
        """Yield the key of each header, value and element of an array, with its line."""
        line = 1
        for token in _TOKEN.finditer(text):
            said = None
            if token.lastgroup == "mark":
                said = self._follow(token[0])
            elif token.lastgroup and self._at is None:
                # What is escaped in a key is not resolved: its table's line is near enough.
                self._names.append(token["bare"] or token[0][1:-1])
            elif token.lastgroup:
                said = self._at
            if said:
                yield said, line
            line += token[0].count("\n")

    def _follow(self, mark: str) -> Key | None:
        """Take a mark; return the key of what begins with it."""
        if self._at is None and mark in "[]":
            return self._read_header(mark)
        if mark == "\n" and not self._around:
            self._at, self._names = None, []
        elif mark == "=":
            self._at = (*(self._around[-1][1] if self._around else self._table), *self._names)
            self._names = []
            return self._at
        elif mark == ",":
            opened, around = self._around[-1]
            self._at = (*around, int(self._at[-1]) + 1) if opened == "[" and self._at else None
        elif mark in "]}":
            self._at = self._around.pop()[1]
        elif mark in "[{" and (key := self._at):
            self._around.append((mark, key))
            self._at = (*key, 0) if mark == "[" else None
            return key
        return None

    def _read_header(self, mark: str) -> Key | None:
        """Take a bracket of ``[table]`` or ``[[array]]``; return the table once it is named."""
        self._brackets += mark == "["
        if mark == "[" or not self._names:
            return None
        key: Key = ()
        for name in self._names[:-1]:
            key = self._last((*key, name))
        key = (*key, self._names[-1])
        self._tables[key] += self._brackets - 1
        self._table, self._brackets, self._names = self._last(key), 0, []
        return self._table

    def _last(self, key: Key) -> Key:
        """Return a table's key; for an array of tables, that of its last one by now."""
        return (*key, self._tables[key] - 1) if self._tables[key] else key
