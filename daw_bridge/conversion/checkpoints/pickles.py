"""Pickles, read by a machine of our own, which runs nothing that they name.

A pickle is a program for a machine with a stack. Python's own machine imports what the program
names, calls it, and sets its attributes, so that even a harmless class can be changed for the whole
process. This one knows texts, bytes, numbers and containers. A name stands for a word, or for a
function of the caller's that checks its arguments; any other name is refused.

A short program can still make much. So its steps are counted, what functions make is no longer than
the program, and what comes out is no deeper, larger or more often the same than that of any file.

Source: pickle.py and pickletools.py of Python 3.13.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from fractions import Fraction
from pickletools import genops
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

import numpy as np

if TYPE_CHECKING:
    import io
    from collections.abc import Callable, Iterable, Mapping
    from typing import TypeAlias

    Known: TypeAlias = Mapping[str, str | Callable[..., Any]]
    """What pickles may name, by dotted names, and the word or the function it stands for."""

_STEPS = 500_000
"""Some thirty for each array, so those of the largest networks many times over."""
_VALUES = _STEPS
_DEPTH = 100
_NUMBER_BITS = 128
_KEYS = range(-(2**63), 2**64)
"""Of larger numbers, many have one hash."""
_SHOWN_CHARACTERS = 100


class Refusal(Exception):  # noqa: N818 - says what was refused
    """A pickle holds something that only code of its author's could make."""


class Draft:
    """Something that is made in two steps, as pickles do: by a call, then of a state.

    Attributes:
        value: what it has become; None: nothing yet.
    """

    value: Any = None

    def build(self, state: Any) -> None:
        """Take the state, and set the value.

        Raises:
            ValueError: it is no such state.
        """
        raise NotImplementedError


def load_pickle(
    program: io.BytesIO,
    known: Known,
    find_persistent: Callable[[Any], Any],
    limit_bytes: int,
) -> Any:
    """Return what the next pickle of a stream holds.

    Args:
        program: is left behind the pickle.
        known: what may be named.
        find_persistent: gives what is kept outside of the pickle, by whatever the pickle calls it.
        limit_bytes: of arrays and texts, each counted as often as the result has it.

    Raises:
        Refusal: it holds something else.
        Exception: of many kinds, where it is damaged.
    """
    held = _Machine(known, find_persistent, len(program.getbuffer())).run(program)
    extent = _measure(held)
    if extent.values > _VALUES or extent.size_bytes > limit_bytes:
        raise ValueError("it has the same arrays or containers in too many places")
    return held


@dataclass(frozen=True)
class _Function:
    """What a name stands for."""

    name: str
    make: Callable[..., Any]

    def call(self, arguments: Any) -> Any:
        """Make something of a tuple."""
        try:
            return self.make(*arguments)
        except TypeError as error:
            raise ValueError(f"{self.name} is called with arguments that it never has") from error


class _Machine:
    """Runs a pickle.

    Args:
        limit_bytes: of all that functions make.
    """

    def __init__(
        self,
        known: Known,
        find_persistent: Callable[[Any], Any],
        limit_bytes: int,
    ) -> None:
        self._known = known
        self._find_persistent = find_persistent
        self._left_bytes = limit_bytes
        self._stack: list[Any] = []
        self._marked: list[list[Any]] = []
        """The stacks below each mark."""
        self._memo: dict[int, Any] = {}

    def run(self, program: io.BytesIO) -> Any:
        """Return what is left when the program stops."""
        try:
            for count, (opcode, argument, _) in enumerate(genops(program)):
                if count > _STEPS:
                    raise ValueError(f"it has more than {_STEPS:,} steps")
                if opcode.name not in _OPCODES:
                    refuse(f"an object that {opcode.name} makes")
                _OPCODES[opcode.name](self, argument)
            return self._pop()
        except (IndexError, KeyError) as error:
            raise ValueError("a step lacks what it works on") from error

    def push(self, value: Any) -> None:
        """Take what the program itself says."""
        if isinstance(value, int) and value.bit_length() > _NUMBER_BITS:
            raise ValueError(f"it holds a number of more than {_NUMBER_BITS} bits")
        self._stack.append(value)

    def _pop(self) -> Any:
        return self._stack.pop()

    def _pop_marked(self) -> list[Any]:
        """Return what is above the last mark."""
        values, self._stack = self._stack, self._marked.pop()
        return values

    def _top(self, *types: type) -> Any:
        """Return a container that is to be filled."""
        if type(self._stack[-1]) not in types:
            raise ValueError("it fills something that is no container")
        return self._stack[-1]

    def mark(self, _: Any) -> None:
        """Begin a stack above this one."""
        self._marked.append(self._stack)
        self._stack = []

    def drop(self, _: Any) -> None:
        """Forget what is on top, which may be a mark."""
        if self._stack:
            self._pop()
        else:
            self._pop_marked()

    def drop_marked(self, _: Any) -> None:
        """Forget what is above the last mark."""
        self._pop_marked()

    def repeat(self, _: Any) -> None:
        """Have what is on top twice."""
        self._stack.append(self._stack[-1])

    def keep(self, place: int | None) -> None:
        """Remember what is on top, in the next place where none is told."""
        self._memo[len(self._memo) if place is None else place] = self._stack[-1]

    def recall(self, place: int) -> None:
        """Push what was remembered, or what it has become since."""
        value = self._memo[place]
        is_done = isinstance(value, Draft) and value.value is not None
        self._stack.append(value.value if is_done else value)

    def add_tuple(self, size: int) -> None:
        """Push a tuple of so many values from the top."""
        if len(self._stack) < size:
            raise IndexError
        values = tuple(self._stack[len(self._stack) - size :])
        del self._stack[len(self._stack) - size :]
        self._stack.append(values)

    def add_marked_tuple(self, _: Any) -> None:
        """Push a tuple of what is above the last mark."""
        values = self._pop_marked()
        self._stack.append(tuple(values))

    def add_marked_list(self, _: Any) -> None:
        """Push a list of what is above the last mark."""
        values = self._pop_marked()
        self._stack.append(values)

    def add_marked_dict(self, _: Any) -> None:
        """Push a dict of the keys and values above the last mark."""
        values = self._pop_marked()
        self._stack.append({})
        self._set(values)

    def add_marked_set(self, _: Any) -> None:
        """Push a frozen set of what is above the last mark."""
        values = self._pop_marked()
        self._stack.append(frozenset(map(_check_key, values)))

    def append(self, _: Any) -> None:
        """Add a value to a list."""
        value = self._pop()
        self._top(list).append(value)

    def append_marked(self, _: Any) -> None:
        """Add what is above the last mark to a list."""
        values = self._pop_marked()
        self._top(list).extend(values)

    def add_marked(self, _: Any) -> None:
        """Add what is above the last mark to a set."""
        values = self._pop_marked()
        self._top(set).update(map(_check_key, values))

    def set_one(self, _: Any) -> None:
        """Add a key and its value to a dict."""
        value, key = self._pop(), self._pop()
        self._set([key, value])

    def set_marked(self, _: Any) -> None:
        """Add the keys and values above the last mark to a dict."""
        values = self._pop_marked()
        self._set(values)

    def _set(self, values: list[Any]) -> None:
        filled = self._top(dict, OrderedDict)
        for key, value in zip(values[::2], values[1::2], strict=True):
            filled[_check_key(key)] = value

    def name(self, module_and_name: str) -> None:
        """Push what a name stands for."""
        dotted = module_and_name.replace(" ", ".", 1)
        if dotted not in self._known:
            refuse(dotted)
        stands = self._known[dotted]
        self._stack.append(stands if isinstance(stands, str) else _Function(dotted, stands))

    def name_of_texts(self, _: Any) -> None:
        """Push what a name stands for, of which the stack has both parts."""
        name, module = self._pop(), self._pop()
        if not (isinstance(name, str) and isinstance(module, str)):
            raise ValueError("it has a name that is no text")  # noqa: TRY004 - damage, like the rest
        self.name(f"{module} {name}")

    def find(self, _: Any) -> None:
        """Push what is kept outside of the pickle."""
        self._stack.append(self._find_persistent(self._pop()))

    def call(self, _: Any) -> None:
        """Push what a function makes of a tuple."""
        arguments, function = self._pop(), self._pop()
        if not isinstance(function, _Function):
            refuse("an object of the class " + _shown(function))
        if type(arguments) is not tuple:
            raise ValueError("it calls a function with no tuple")
        made = function.call(arguments)
        self._left_bytes -= len(made) if isinstance(made, str | bytes) else 0
        if self._left_bytes < 0:
            raise ValueError("it makes longer texts than it has")
        self._stack.append(made)

    def build(self, _: Any) -> None:
        """Give a state to what is below it."""
        state, draft = self._pop(), self._stack[-1]
        if isinstance(draft, Draft):
            draft.build(state)
            self._stack[-1] = draft.value
        elif type(draft) is not OrderedDict:  # what that has beside its items tells no weights
            refuse("a state of " + _shown(draft))

    def refuse_named(self, module_and_name: str) -> None:
        """Refuse an object of a class that is named."""
        refuse(module_and_name.replace(" ", ".", 1))


def refuse(what: str) -> NoReturn:
    """Say what a pickle holds.

    Raises:
        Refusal: always.
    """
    raise Refusal(ascii(what)[1:-1][:_SHOWN_CHARACTERS])


def _shown(value: Any) -> str:
    """Return what something can be called without asking it."""
    if isinstance(value, _Function):
        return value.name
    return value if isinstance(value, str) else type(value).__name__


def _check_key(key: Any) -> Any:
    """Refuse what is hashed slowly, may have the hash of many others, or cannot be printed."""
    is_text = isinstance(key, str) and key.isprintable()
    is_number = isinstance(key, float | None) or (isinstance(key, int) and key in _KEYS)
    if not (is_text or is_number):
        raise ValueError("it has a key that is neither a name nor a number")
    return key


def _push(value: Any) -> Callable[[_Machine, Any], None]:
    return lambda machine, _: machine.push(value)


def _push_new(container: type) -> Callable[[_Machine, Any], None]:
    return lambda machine, _: machine.push(container())


def _add_tuple(size: int) -> Callable[[_Machine, Any], None]:
    return lambda machine, _: machine.add_tuple(size)


_SAID = (
    "INT BININT BININT1 BININT2 LONG LONG1 LONG4 FLOAT BINFLOAT STRING BINSTRING SHORT_BINSTRING"
    " BINBYTES SHORT_BINBYTES BINBYTES8 BYTEARRAY8 UNICODE SHORT_BINUNICODE BINUNICODE BINUNICODE8"
)
_OPCODES: Mapping[str, Callable[[_Machine, Any], None]] = {
    **dict.fromkeys(_SAID.split(), _Machine.push),
    **dict.fromkeys(("PROTO", "FRAME", "STOP"), lambda *_: None),
    "NONE": _push(None),
    "NEWTRUE": _push(True),
    "NEWFALSE": _push(False),
    "EMPTY_TUPLE": _push(()),
    "EMPTY_LIST": _push_new(list),
    "EMPTY_DICT": _push_new(dict),
    "EMPTY_SET": _push_new(set),
    "TUPLE1": _add_tuple(1),
    "TUPLE2": _add_tuple(2),
    "TUPLE3": _add_tuple(3),
    "TUPLE": _Machine.add_marked_tuple,
    "LIST": _Machine.add_marked_list,
    "DICT": _Machine.add_marked_dict,
    "FROZENSET": _Machine.add_marked_set,
    "APPEND": _Machine.append,
    "APPENDS": _Machine.append_marked,
    "ADDITEMS": _Machine.add_marked,
    "SETITEM": _Machine.set_one,
    "SETITEMS": _Machine.set_marked,
    "MARK": _Machine.mark,
    "POP": _Machine.drop,
    "POP_MARK": _Machine.drop_marked,
    "DUP": _Machine.repeat,
    **dict.fromkeys(("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"), _Machine.keep),
    **dict.fromkeys(("GET", "BINGET", "LONG_BINGET"), _Machine.recall),
    "GLOBAL": _Machine.name,
    "STACK_GLOBAL": _Machine.name_of_texts,
    "INST": _Machine.refuse_named,
    "REDUCE": _Machine.call,
    "NEWOBJ": _Machine.call,
    "BUILD": _Machine.build,
    "BINPERSID": _Machine.find,
}
"""What each opcode does; those that are missing make objects of other classes, or lie elsewhere."""


class _Extent(NamedTuple):
    """How much something is, each part of it counted as often as it is met."""

    depth: int = 0
    values: int = 1
    size_bytes: int = 0


_NUMBER = _Extent()


def _measure(held: Any) -> _Extent:
    """Measure what a pickle made, each container once.

    Raises:
        Refusal: a function that was never called is part of it.
        ValueError: it is too deep, is part of itself, or a part was never finished.
    """
    extents: dict[int, _Extent | None] = {}
    path = [held]
    while path:
        whole = path[-1]
        extent = extents.get(id(whole))
        parts = () if extent else _parts(whole)
        if extent is None and id(whole) not in extents:
            extents[id(whole)] = None  # it is being measured
            if any(id(part) in extents and extents[id(part)] is None for part in parts):
                raise ValueError("a container is in itself")
            path += (part for part in parts if id(part) not in extents)
            continue
        path.pop()
        extents[id(whole)] = extent or _add(whole, (extents[id(part)] for part in parts))
    return extents[id(held)] or _NUMBER


def _parts(whole: Any) -> Iterable[Any]:
    if isinstance(whole, dict):
        return [*whole, *whole.values()]
    return whole if isinstance(whole, list | tuple | set | frozenset) else ()


def _add(whole: Any, parts: Iterable[_Extent | None]) -> _Extent:
    """Return the extent of a value that has parts of these."""
    depth, values, size_bytes = 0, 1, _size_bytes(whole)
    for part in filter(None, parts):
        depth = max(depth, part.depth + 1)
        values += part.values
        size_bytes += part.size_bytes
    if depth > _DEPTH:
        raise ValueError(f"its containers are nested more than {_DEPTH} deep")
    return _Extent(depth, values, size_bytes) if values > 1 or size_bytes else _NUMBER


def _size_bytes(value: Any) -> int:
    """Return what a value takes beside its parts.

    Raises:
        Refusal, ValueError: it cannot be part of a result.
    """
    if isinstance(value, _Function):
        refuse(value.name)
    if isinstance(value, np.ndarray):
        return value.nbytes
    if isinstance(value, str | bytes | bytearray):
        return len(value)
    if isinstance(value, int | float | Fraction | dict | list | tuple | set | frozenset | None):
        return 0
    raise ValueError("it has something that was begun and never finished")
