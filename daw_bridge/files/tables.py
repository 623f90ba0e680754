"""TOML → tables, with the file, line and key of what is wrong with them; and tables → TOML."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping
from contextlib import contextmanager
from itertools import chain
from typing import TYPE_CHECKING, Annotated, Any

import msgspec

from daw_bridge.files.bounds import MAX_BYTES, MAX_DEPTH, BoundsError, check_bounds
from daw_bridge.files.flaws import check_numbers, shorten, spell
from daw_bridge.files.lines import line_of
from daw_bridge.files.reach import read_small

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from daw_bridge.errors import DawBridgeError
    from daw_bridge.files.lines import Key

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

Natural = Annotated[int, msgspec.Meta(ge=0)]
Positive = Annotated[int, msgspec.Meta(ge=1)]
Share = Annotated[float, msgspec.Meta(ge=0, le=1)]


class Table(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A TOML table whose keys are its fields, all of them and no others."""


@contextmanager
def open_toml(path: Path, kind: type[DawBridgeError]) -> Iterator[dict[str, Any]]:
    """Parse a TOML file; what is found wrong with its tables meanwhile is told with its place.

        with open_toml(path, PresetError) as tables:
            return to_struct(tables, Preset)

    Args:
        path: the file.
        kind: the error that is raised if it cannot be read, is no TOML, or has a flaw: a FlawError
            becomes ``FILE, line N, key: sentence.``, any other ValueError ``FILE: sentence.``
    """
    try:
        text = read_small(path, at_most=MAX_BYTES).decode("utf-8")
        tables = parse_toml(text)
    except OSError as error:
        raise kind(f"{path} cannot be read: {error.strerror}.") from error
    except BoundsError as error:
        raise kind(f"{path} cannot be read: {error}.") from error
    except ValueError as error:
        raise kind(f"{path} cannot be read: it is no TOML: {shorten(str(error))}.") from error
    try:
        check_numbers(tables)
        yield tables
    except ValueError as error:
        key: Key = getattr(error, "key", ())
        place = f", line {line_of(key, text)}, {spell(key)}" if key else ""
        raise kind(f"{path}{place}: {shorten(str(error))}.") from error


def parse_toml(text: str) -> dict[str, Any]:
    """Return the tables of a TOML text.

    Raises:
        ValueError: it is no TOML, or says more, or nests deeper, than a file of ours needs.
    """
    check_bounds(text)
    tables = tomllib.loads(text)
    _check_depth(tables)
    return tables


def _check_depth(tables: dict[str, Any]) -> None:
    """Raise unless what later looks at tables can follow them: headers and keys nest together."""
    layer: list[Any] = [tables]
    for _ in range(MAX_DEPTH):
        inner = (each.values() if isinstance(each, dict) else each for each in layer)
        layer = [each for each in chain.from_iterable(inner) if isinstance(each, (dict, list))]
    if layer:
        raise BoundsError(f"it nests more than {MAX_DEPTH} tables")


def to_toml(content: Mapping[str, Any]) -> str:
    """Return tables as TOML.

    Args:
        content: texts, numbers, tables, and arrays of these.
    """
    lines, tables, arrays = [], [], []
    for key, value in content.items():
        if isinstance(value, Mapping):
            tables.append(f"\n[{key}]\n{_lines(value)}")
        elif (
            value
            and isinstance(value, (list, tuple))
            and all(isinstance(each, Mapping) for each in value)
        ):
            arrays += [f"\n[[{key}]]\n{_lines(table)}" for table in value]
        else:
            lines.append(f"{_key(key)} = {_value(value)}\n")
    return "".join(lines + tables + arrays)


def _lines(table: Mapping[str, Any]) -> str:
    return "".join(f"{_key(key)} = {_value(value)}\n" for key, value in table.items())


def _key(name: str) -> str:
    """Return a key, in quotes unless it may do without."""
    return name if re.fullmatch("[A-Za-z0-9_-]+", name) else json.dumps(name, ensure_ascii=False)


def _value(value: Any) -> str:
    """Return one value; texts and numbers are written as JSON's."""
    if isinstance(value, Mapping):
        return f"{{ {', '.join(f'{_key(key)} = {_value(each)}' for key, each in value.items())} }}"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_value, value))}]"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
