"""Tables → validated structs; what is wrong with them, in words that suggest what was meant."""

from __future__ import annotations

import json
import re
from bisect import bisect_left
from functools import reduce
from operator import getitem
from typing import TYPE_CHECKING, Any, TypeVar, overload

import msgspec
from msgspec import inspect

from daw_bridge.errors import suggestion

if TYPE_CHECKING:
    from collections.abc import Iterator

    from daw_bridge.files.lines import Key

_Struct = TypeVar("_Struct", bound=msgspec.Struct)
_TOML_TYPES = {"object": "table", "array": "list"}


class FlawError(ValueError):
    """What is wrong with tables, a sentence without its stop, and the key at which they say it."""

    def __init__(self, sentence: str, *key: str | int) -> None:
        super().__init__(sentence)
        self.key = key


def spell(key: Key) -> str:
    """Return a key as people write it, ``stages[1].parts``; places in arrays count from 1."""
    parts = (f"[{part + 1}]" if isinstance(part, int) else f".{_quote(part)}" for part in key)
    return "".join(parts).removeprefix(".")


def _quote(name: str) -> str:
    return name if re.fullmatch(r"[\w-]+", name) else json.dumps(name, ensure_ascii=False)


@overload
def to_struct(tables: Any, kind: type[_Struct]) -> _Struct: ...
@overload
def to_struct(tables: Any, kind: Any) -> Any: ...
def to_struct(tables: Any, kind: Any) -> Any:
    """Return tables as a struct of a kind, or of one of a union; structs in them stay as they are.

    Raises:
        FlawError: a key is unknown or missing, or a value is of the wrong type or out of range.
    """
    try:
        return msgspec.convert(tables, kind)
    except msgspec.ValidationError as error:
        message = str(error)
        reason, *place = message.rsplit(" - at `$", 1)
        key: Key = ()
        for name, number in re.findall(r"\.(\w+)|\[(\d+|\.{3})\]", "".join(place)):
            if number == "...":
                key = (*key, _find_entry(key, tables, kind, message))
            else:
                key = (*key, name or int(number))
        raise _flaw_of(reason, key, tables, kind) from error


def _find_entry(key: Key, tables: Any, kind: Any, message: str) -> str:
    """Return which entry of a table is wrong, as msgspec does not: the last of those it takes."""

    def is_wrong(last: int) -> bool:
        """Tell whether the entries up to one are refused as all of them are."""
        some = {name: table[name] for name in names[: last + 1]}
        try:
            msgspec.convert(_replace(tables, key, some), kind)
        except msgspec.ValidationError as error:
            return str(error) == message
        return False

    table = reduce(getitem, key, tables)
    names = list(table)
    return names[bisect_left(range(len(names)), True, key=is_wrong)]


def _replace(tables: Any, key: Key, value: Any) -> Any:
    """Return tables with another value at a key."""
    if not key:
        return value
    copy = tables.copy()
    copy[key[0]] = _replace(tables[key[0]], key[1:], value)
    return copy


def _flaw_of(reason: str, key: Key, tables: Any, kind: Any) -> FlawError:
    """Return what msgspec says in the words of TOML, with the names that could be meant."""
    if match := re.fullmatch(r"Object contains unknown field `(.*)`", reason, re.DOTALL):
        table = reduce(getitem, key, tables)
        known = list(_keys(key, table, kind))
        others = ", ".join(name for name in known if name not in table) or "no others"
        hint = suggestion(match[1], known) or f"; there are also {others}"
        return FlawError(f"is no key{hint}", *key, match[1])
    if match := re.fullmatch(r"Object missing required field `(.*)`", reason):
        return FlawError("is missing", *key, match[1])
    if match := re.fullmatch(r"Invalid (?:enum )?value '(.*)'", reason, re.DOTALL):
        known = list(_texts(key, kind))
        hint = f"{suggestion(match[1], known)}; there are {', '.join(known)}"
        return FlawError(f"there is no '{match[1]}'{hint}", *key)
    if match := re.fullmatch(r"Expected `(object|array)`, got `(.*)`", reason):
        return FlawError(f"is a {_TOML_TYPES[match[1]]}, not `{match[2]}`", *key)
    return FlawError(reason[0].lower() + reason[1:], *key)


def _keys(key: Key, table: Any, kind: Any) -> Iterator[str]:
    """Yield the keys that a table at a key may have; in a tagged union, those of its tag."""
    for each in _types_at(key, inspect.type_info(kind)):
        if isinstance(each, inspect.StructType) and each.tag in (None, table.get(each.tag_field)):
            yield from (field.name for field in each.fields)


def _texts(key: Key, kind: Any) -> Iterator[str]:
    """Yield the texts that may stand at a key: those of a Literal, or the tags of a union."""
    root = inspect.type_info(kind)
    for each in _types_at(key, root):
        yield from map(str, getattr(each, "values", ()))
    for each in _types_at(key[:-1], root):
        if isinstance(each, inspect.StructType) and each.tag_field == key[-1]:
            yield str(each.tag)


def _types_at(key: Key, kind: inspect.Type) -> Iterator[inspect.Type]:
    """Yield the types that a value at a key may have."""
    match kind:
        case inspect.UnionType(types=types):
            for each in types:
                yield from _types_at(key, each)
        case _ if not key:
            yield kind
        case inspect.StructType(fields=fields):
            for field in fields:
                if field.name == key[0]:
                    yield from _types_at(key[1:], field.type)
        case inspect.DictType(value_type=item) | inspect.VarTupleType(item_type=item):
            yield from _types_at(key[1:], item)
