"""TOML → frozen, validated tables; and tables → TOML."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import msgspec

from daw_bridge.errors import suggestion

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

Natural = Annotated[int, msgspec.Meta(ge=0)]
Positive = Annotated[int, msgspec.Meta(ge=1)]
Share = Annotated[float, msgspec.Meta(ge=0, le=1)]


class Table(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A TOML table whose keys are its fields, all of them and no others."""


def read_tables(path: Path) -> dict[str, Any]:
    """Parse a TOML file.

    Raises:
        ValueError: it cannot be read, or is no TOML; the message is a sentence without its stop.
    """
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ValueError(f"{path} cannot be read: {error}") from error


def explain(
    error: msgspec.ValidationError, kinds: Iterable[type[msgspec.Struct]], *others: str
) -> str:
    """Return what msgspec found wrong; an unknown key with the known one that is closest."""
    unknown = re.search("unknown field `(.+?)`", str(error))
    known = [*others, *(field for kind in kinds for field in kind.__struct_fields__)]
    if unknown is None or unknown[1] in known:
        return str(error)
    return str(error) + suggestion(unknown[1], known)


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
            lines.append(f"{key} = {_value(value)}\n")
    return "".join(lines + tables + arrays)


def _lines(table: Mapping[str, Any]) -> str:
    return "".join(f"{key} = {_value(value)}\n" for key, value in table.items())


def _value(value: Any) -> str:
    """Return one value; texts and numbers are written as JSON's."""
    if isinstance(value, Mapping):
        return f"{{ {', '.join(f'{key} = {_value(each)}' for key, each in value.items())} }}"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_value, value))}]"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
