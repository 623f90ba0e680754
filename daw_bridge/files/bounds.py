"""What a TOML text may be at most, found out before it is parsed.

A parser follows brackets by recursion, and takes the square of the time for keys of many parts: a
small file can keep it busy for minutes. These bounds are far beyond what manifests, presets,
layouts and trainings need.
"""

from __future__ import annotations

import re

MAX_BYTES = 512 << 10
MAX_DEPTH = 32
_MAX_PARTS = 8
"""Of a key: ``stems.vocals.gain_db`` has three."""
_MAX_VALUES = 50_000

_TOKEN = re.compile(
    r"""
      \#[^\n]*
    | (?P<mark> [][{}=,.\n] )
    | "{3} [^"\\]* (?: (?: \\. | "(?!"") ) [^"\\]* )* "{3,5}
    | '{3} [^']* (?: '(?!'') [^']* )* '{3,5}
    | (?!"{3}) " (?: [^"\\\n] | \\. )* "
    | (?!'{3}) ' [^'\n]* '
    | (?P<open> ["'] )
    | [^][{}=,."'\#\s]+
    """,
    re.VERBOSE | re.DOTALL,
)


class BoundsError(ValueError):
    """A text says more than any file of ours needs: a sentence without its stop."""


def check_bounds(text: str) -> None:
    """Find out whether a TOML text can be parsed in little time, in one pass over it.

    What follows a text whose quotes do not close is not looked at: no parser gets there.

    Raises:
        BoundsError: it nests too deep, or says too much.
    """
    depth = dots = values = 0
    for token in _TOKEN.finditer(text):
        if token["open"]:
            return
        mark = token["mark"]
        if not mark:
            continue
        depth += (mark in "[{") - (mark in "]}")
        dots = dots + 1 if mark == "." else 0
        values += mark in "=,[{"
        if depth > MAX_DEPTH or dots >= _MAX_PARTS:
            raise BoundsError(f"it nests more than {MAX_DEPTH} tables, or {_MAX_PARTS} in one key")
        if values > _MAX_VALUES:
            raise BoundsError(f"it has more than {_MAX_VALUES} values")
