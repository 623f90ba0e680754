"""OSC packets ↔ messages, for packets that nobody has checked yet.

python-osc reads and writes the arguments. What it does not do is done around it: bundles are opened
and arguments counted here, because a negative size would keep it busy for ever; texts are short,
because it reads them byte by byte; and what is written takes any text, also names of files that are
not UTF-8, at which it fails.
"""

from __future__ import annotations

import struct
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

from pythonosc.parsing import osc_types

from daw_bridge.errors import OptionError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from daw_bridge.osc.addresses import Argument, Form

MAX_ARGUMENTS = 64
MAX_MESSAGES = 256
FRAME_HEADER = struct.Struct(">I")
"""Goes before each packet on TCP: its size in bytes (OSC 1.0)."""

_BUNDLE = b"#bundle\0"
_BUNDLE_HEADER_BYTES = 16
_MAX_BUNDLE_DEPTH = 4
_MAX_ADDRESS_BYTES = 256
_MAX_TEXT_BYTES = 1 << 14
_CONSTANTS = {"T": True, "F": False, "N": None}
_READERS: Mapping[str, Callable[[bytes, int], tuple[object, int]]] = {
    "i": osc_types.get_int,
    "h": osc_types.get_int64,
    "f": osc_types.get_float,
    "d": osc_types.get_double,
    "s": osc_types.get_string,
    "b": osc_types.get_blob,
}
_KNOWN_TYPES = frozenset([*_READERS, *_CONSTANTS])
_LARGEST = {"i": (1 << 31) - 1, "h": (1 << 63) - 1, "f": (2 - 2**-23) * 2.0**127}


class Message(NamedTuple):
    """An address and what goes with it."""

    address: str
    arguments: list[object]


def encode(address: str, types: str = "", *arguments: Argument | None) -> bytes:
    """Return the packet of a message whose arguments have these types.

    What OSC has no room for is written as what comes nearest to it: the largest number that there
    is, and ``?`` for a NUL or what is no Unicode.

    Raises:
        TypeError: an argument is not of its type.
    """
    parts = [_write_string(address), _write_string(f",{types}")]
    parts += [_write(letter, each) for letter, each in zip(types, arguments, strict=True)]
    return b"".join(parts)


def fill(form: Form, *arguments: Argument) -> bytes:
    """Return the packet of a message of the table.

    Raises:
        TypeError: the arguments do not fit the form.
    """
    try:
        types = "".join(parameter.type for parameter in form.parameters(len(arguments)))
        return encode(form.address, types, *arguments)
    except (TypeError, OptionError) as error:
        raise TypeError(f"Not {form}: {arguments!r:.200} ({error})") from error


def frame(packet: bytes) -> bytes:
    """Return a packet as it travels on TCP."""
    return FRAME_HEADER.pack(len(packet)) + packet


def decode(packet: bytes | bytearray, most: int = MAX_MESSAGES) -> list[Message]:
    """Return the messages of a packet, those of nested bundles in their order.

    Time tags are not waited for.

    Raises:
        OptionError: the packet breaks the rules of OSC 1.0, a limit, or has more messages than
            ``most``.
    """
    messages, unopened, opened = [], [(memoryview(packet), 0)], 0
    try:
        while unopened:
            part, depth = unopened.pop()
            opened += 1
            if opened > most + depth:
                raise OptionError(f"A bundle holds at most {most} messages and bundles here.")
            if part[: len(_BUNDLE)] != _BUNDLE:
                messages.append(_decode_message(bytes(part)))
                continue
            elements = list(islice(_open_bundle(part, depth), most + 1))
            unopened += [(each, depth + 1) for each in reversed(elements)]
    except (osc_types.ParseError, ValueError, struct.error) as error:
        raise OptionError("This packet is no OSC message.") from error
    return messages


def _open_bundle(packet: memoryview, depth: int) -> Iterator[memoryview]:
    """Yield the elements of a bundle, which may be bundles."""
    if len(packet) < _BUNDLE_HEADER_BYTES:
        raise OptionError("This packet is no OSC bundle.")
    if depth == _MAX_BUNDLE_DEPTH:
        raise OptionError(f"Bundles are nested at most {_MAX_BUNDLE_DEPTH} deep.")
    position = _BUNDLE_HEADER_BYTES
    while position < len(packet):
        (size,) = FRAME_HEADER.unpack_from(packet, position)
        position += FRAME_HEADER.size
        if not 0 < size <= len(packet) - position:
            raise OptionError("A bundle's element is not as long as it says.")
        yield packet[position : position + size]
        position += size


def _decode_message(packet: bytes) -> Message:
    head = packet[: _MAX_ADDRESS_BYTES + 1].partition(b"\0")[0]
    if not head.startswith(b"/") or len(head) > _MAX_ADDRESS_BYTES or len(packet) % 4:
        raise OptionError("This packet is no OSC message.")
    address, position = head.decode("ascii"), _padded(len(head))
    if position >= len(packet):
        return Message(address, [])
    tags = packet[position : position + MAX_ARGUMENTS + 2].partition(b"\0")[0].decode("ascii")
    if not tags.startswith(","):
        raise OptionError(f"{address} came without type tags.")
    if len(tags) > MAX_ARGUMENTS + 1 or not _KNOWN_TYPES.issuperset(tags[1:]):
        raise OptionError(
            f"{address} came with types that are not taken: at most {MAX_ARGUMENTS} of"
            f" {''.join(sorted(_KNOWN_TYPES))}."
        )
    arguments: list[object] = []
    position += _padded(len(tags))
    for letter in tags[1:]:
        argument, position = _read(letter, packet, position)
        arguments.append(argument)
    return Message(address, arguments)


def _read(letter: str, packet: bytes, start: int) -> tuple[object, int]:
    """Return the argument that starts at a byte, and where the next one does."""
    if letter in _CONSTANTS:
        return _CONSTANTS[letter], start
    _check_length(letter, packet, start)
    return _READERS[letter](packet, start)


def _check_length(letter: str, packet: bytes, start: int) -> None:
    """Check the length of a text or a blob before python-osc follows it."""
    if letter == "s" and packet.index(b"\0", start) - start > _MAX_TEXT_BYTES:
        raise OptionError(f"A text has at most {_MAX_TEXT_BYTES} bytes.")
    if letter == "b" and FRAME_HEADER.unpack_from(packet, start)[0] > len(packet):
        raise ValueError("a blob that is not as long as it says")


def _write(letter: str, argument: object) -> bytes:
    """Return an argument as it stands in a packet."""
    if letter in _CONSTANTS:
        return b""
    kind, write = _WRITERS[letter]
    if not isinstance(argument, kind):
        raise TypeError(f"{argument!r:.40} is not of type {letter}")
    return write(_nearest(letter, argument) if letter in _LARGEST else argument)


def _nearest(letter: str, number: Any) -> Any:
    """Return a number, or the one nearest to it that its type has room for."""
    largest = _LARGEST[letter]
    return max(min(number, largest), -largest)


def _write_string(text: str) -> bytes:
    fit = text.replace("\0", "?").encode("utf-8", "replace").decode()
    return osc_types.write_string(fit)


_WRITERS: Mapping[str, tuple[Any, Callable[[Any], bytes]]] = {
    "i": (int, osc_types.write_int),
    "h": (int, osc_types.write_int64),
    "f": ((int, float), osc_types.write_float),
    "d": ((int, float), osc_types.write_double),
    "s": (str, _write_string),
    "b": (bytes, osc_types.write_blob),
}


def _padded(length: int) -> int:
    """Return how many bytes a string of so many takes: one NUL or more, up to a whole word."""
    return (length // 4 + 1) * 4
