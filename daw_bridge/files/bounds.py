"""What a TOML text may be at most, found out before it is parsed.

A parser follows brackets by recursion, and takes the square of the time for keys of many parts: a
small file can keep it busy for minutes. These bounds are far beyond what manifests, presets,
layouts and trainings need.
"""

from __future__ import annotations

import re

MAX_BYTES = 1 << 20
MAX_DEPTH = 32
_MAX_ENTRIES = 100_000

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
    depth = parts = entries = 0
    for token in _TOKEN.finditer(text):
        if token["open"]:
            return
        mark = token["mark"]
        if not mark:
            continue
        depth += (mark in "[{") - (mark in "]}")
        parts = parts + 1 if mark == "." else 0
        entries += mark in "=,[{"
        if max(depth, parts) > MAX_DEPTH:
            raise BoundsError(f"it nests more than {MAX_DEPTH} tables")
        if entries > _MAX_ENTRIES:
            raise BoundsError(f"it says more than {_MAX_ENTRIES} things")
