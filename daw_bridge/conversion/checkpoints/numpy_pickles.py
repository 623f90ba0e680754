"""What numpy pickles of an array: calls of a few functions, and their states.

Source: array_reduce and array_setstate in multiarray/methods.c of numpy 2.4, arraydescr_reduce in
multiarray/descriptor.c.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from daw_bridge.conversion.checkpoints.pickles import Draft

if TYPE_CHECKING:
    from daw_bridge.conversion.checkpoints.pickles import Known

_KINDS = frozenset(
    ["b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8", "c8", "c16"]
)
_CLASS = "numpy.ndarray"
_DIMENSIONS = 32
_ELEMENTS = 2**31
_COUNTS = 2**63
_ORDERS = frozenset("<>|=")
_STATELESS = (None, None, None, -1, -1, 0)
"""What else the state of a type is, where it is of numbers."""


class _NumberType(Draft):
    """A type of numbers, to which the state adds the order of bytes."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.dtype = np.dtype(kind)
        self.value = self

    def build(self, state: Any) -> None:
        match state:
            case (3, str(order), *rest) if order in _ORDERS and tuple(rest) == _STATELESS:
                self.dtype = np.dtype(f"{order}{self.kind}")
            case _:
                raise ValueError(f"the type {self.kind} has a state that it never has")


class _Array(Draft):
    """An array (…), which is all in its state."""

    def build(self, state: Any) -> None:
        """Take the array out of it."""
        match state:
            case (1, tuple(shape), _NumberType(dtype=dtype), bool(is_fortran), bytes(content)):
                check_shape(shape)
                if math.prod(shape) * dtype.itemsize != len(content):
                    raise ValueError("an array is of another size than its content")
                flat = np.frombuffer(content, dtype)
                self.value = flat.reshape(shape, order="F" if is_fortran else "C")
            case _:
                raise ValueError("an array is of anything but numbers")


def check_shape(shape: tuple[Any, ...]) -> None:
    """Refuse what is no shape, and sizes that nothing fills because one of them is 0.

    Raises:
        ValueError: a size is negative or no number, or they are too many or too large.
    """
    if len(shape) > _DIMENSIONS or not all(map(is_count, shape)):
        raise ValueError("an array has an impossible shape")
    if math.prod(filter(None, shape)) > _ELEMENTS:
        raise ValueError("an array has more elements than any network")


def is_count(number: Any) -> bool:
    """Return whether something counts elements."""
    return type(number) is int and 0 <= number < _COUNTS


def _make_type(kind: str, *_: object) -> _NumberType:
    if kind not in _KINDS:
        raise ValueError("an array is of anything but numbers")
    return _NumberType(kind)


def _make_array(of: str, *_: object) -> _Array:
    if of != _CLASS:
        raise ValueError("an array is of a class of its own")
    return _Array()


def _encode(text: str, encoding: str) -> bytes:
    """Return bytes that an old protocol has as a text."""
    if not isinstance(text, str) or encoding != "latin1":
        raise ValueError("bytes are in an encoding that they never have")
    return text.encode("latin1")


NUMPY: Known = {
    "numpy.dtype": _make_type,
    _CLASS: _CLASS,
    "numpy.core.multiarray._reconstruct": _make_array,
    "numpy._core.multiarray._reconstruct": _make_array,
    "_codecs.encode": _encode,
}
"""What pickles name, and what it stands for."""
