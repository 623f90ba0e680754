"""Tables → validated structs; what is wrong with them, in words that suggest what was meant."""

from __future__ import annotations

import json
import math
import re
from bisect import bisect_left
from collections.abc import Mapping
from functools import reduce
from operator import getitem
from typing import TYPE_CHECKING, Any, TypeVar, overload

import msgspec
from msgspec import inspect

from daw_bridge.errors import suggestion

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from daw_bridge.files.lines import Key

_Struct = TypeVar("_Struct", bound=msgspec.Struct)
_TOML_TYPES = {"object": "table", "array": "list"}
_PLACE = re.compile(r"(.*) - at (`key` in )?`\$((?:\.\w+|\[(?:\d+|\.{3})\])*)`", re.DOTALL)
_MAX_SAID = 500

RULE = "rule"
"""In a type's ``Meta.extra``: what a text must be, in words that follow its key."""


class FlawError(ValueError):
    """What is wrong with tables, a sentence without its stop, and the key at which they say it."""

    def __init__(self, sentence: str, *key: str | int) -> None:
        super().__init__(sentence)
        self.key = key


def spell(key: Key) -> str:
    """Return a key as people write it, ``stages[1].parts``; places in arrays count from 1."""
    parts = (f"[{part + 1}]" if isinstance(part, int) else f".{_quote(part)}" for part in key)
    return shorten("".join(parts).removeprefix("."))


def shorten(text: str) -> str:
    """Return as much of what a stranger's file says as a person reads."""
    return text if len(text) <= _MAX_SAID else f"{text[:_MAX_SAID]} …"


def check_numbers(tables: Any) -> None:
    """Find out whether all numbers in tables are finite, and integers have 64 bits, as in TOML.

    Raises:
        FlawError: one is not.
    """
    layer: list[tuple[Key, Any]] = [((), tables)]
    while layer:
        for key, value in layer:
            if isinstance(value, float) and not math.isfinite(value):
                raise FlawError(f"is a finite number, not {value}", *key)
            if isinstance(value, int) and not -(1 << 63) <= value < 1 << 63:
                raise FlawError("is an integer of more than 64 bits", *key)
        layer = [((*key, name), inner) for key, value in layer for name, inner in _items(value)]


def _items(value: Any) -> Iterable[tuple[str | int, Any]]:
    """Return the entries of a table or an array; what else there is has none."""
    if isinstance(value, Mapping):
        return value.items()
    return enumerate(value) if isinstance(value, (list, tuple)) else ()


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
    check_numbers(tables)
    try:
        return msgspec.convert(tables, kind)
    except msgspec.ValidationError as error:
        try:
            flaw = _read_error(str(error), tables, kind)
        except (LookupError, TypeError):  # a key that looks like a place was taken for one
            flaw = FlawError(str(error))
        raise flaw from error


def _read_error(message: str, tables: Any, kind: Any) -> FlawError:
    """Return what msgspec's message says, with the key that it is about."""
    match = _PLACE.fullmatch(message)
    reason, of_key, place = match.groups() if match else (message, None, "")
    key: Key = ()
    for name, number in re.findall(r"\.(\w+)|\[(\d+|\.{3})\]", place):
        if number == "...":
            key = (*key, _find_entry(key, tables, kind, message))
        else:
            key = (*key, name or int(number))
    if of_key:
        key = (*key, _find_entry(key, tables, kind, message))
    return _flaw_of(reason, key, tables, kind)


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
    return FlawError(_say_what_is_expected(reason, key, kind), *key)


def _say_what_is_expected(reason: str, key: Key, kind: Any) -> str:
    """Return what msgspec says of a value of another type, or out of bounds."""
    if match := re.fullmatch(r"Expected `(object|array)`, got `(.*)`", reason):
        return f"is a {_TOML_TYPES[match[1]]}, not `{match[2]}`"
    if match := re.fullmatch(r"Expected `(\w+)` of length ([<>])= (\d+)", reason):
        bound = "at most" if match[2] == "<" else "at least"
        return f"has {bound} {match[3]} {'characters' if match[1] == 'str' else 'entries'}"
    if reason.startswith("Expected `str` matching regex") and (rule := _find_rule(key, kind)):
        return rule
    return reason[0].lower() + reason[1:]


def _keys(key: Key, table: Any, kind: Any) -> Iterator[str]:
    """Yield the keys that a table at a key may have; in a tagged union, those of its tag."""
    for each in _types_at(key, inspect.type_info(kind)):
        if isinstance(each, inspect.StructType) and each.tag == table.get(each.tag_field, each.tag):
            yield from (field.name for field in each.fields)


def _texts(key: Key, kind: Any) -> Iterator[str]:
    """Yield the texts that may stand at a key: those of a Literal, or the tags of a union."""
    root = inspect.type_info(kind)
    for each in _types_at(key, root):
        yield from map(str, getattr(each, "values", ()))
    for each in _types_at(key[:-1], root):
        if isinstance(each, inspect.StructType) and each.tag_field == key[-1]:
            yield str(each.tag)


def _find_rule(key: Key, kind: Any) -> str:
    """Return what the text at a key must be, or the key itself, in the words of its type."""
    root = inspect.type_info(kind)
    for each in (*_types_at(key, root), *_types_at(key[:-1], root)):
        told = each.key_type if isinstance(each, inspect.DictType) else each
        if isinstance(told, inspect.Metadata) and told.extra:
            return str(told.extra[RULE])
    return ""


def _types_at(key: Key, kind: inspect.Type) -> Iterator[inspect.Type]:
    """Yield the types that a value at a key may have."""
    match kind:
        case inspect.UnionType(types=types):
            for each in types:
                yield from _types_at(key, each)
        case _ if not key:
            yield kind
        case inspect.Metadata(type=plain):
            yield from _types_at(key, plain)
        case inspect.StructType(fields=fields):
            for field in fields:
                if field.name == key[0]:
                    yield from _types_at(key[1:], field.type)
        case inspect.DictType(value_type=item) | inspect.VarTupleType(item_type=item):
            yield from _types_at(key[1:], item)
