"""OSC packets ↔ messages, for packets that nobody has checked yet.

python-osc reads and writes the arguments. What it does not do is done before it is let near a
packet: bundles are walked here, because a negative size would keep it busy for ever, and the
number and types of the arguments are looked at first, because it skips unknown types and copies
the rest of the packet for each argument.
"""

from __future__ import annotations

import logging
import struct
from typing import TYPE_CHECKING, NamedTuple

from pythonosc.osc_message import OscMessage, ParseError
from pythonosc.osc_message_builder import BuildError, OscMessageBuilder

from daw_bridge.errors import OptionError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from daw_bridge.osc.addresses import Argument, Form

MAX_ARGUMENTS = 64
FRAME_HEADER = struct.Struct(">I")
"""Goes before each packet on TCP: its size in bytes (OSC 1.0)."""

_BUNDLE = b"#bundle\0"
_BUNDLE_HEADER_BYTES = 16
_MAX_BUNDLE_DEPTH = 4
_MAX_BUNDLE_MESSAGES = 256
_MAX_ADDRESS_BYTES = 256
_KNOWN_TYPES = frozenset("ihfdsbTFN")

logging.getLogger("pythonosc").setLevel(logging.CRITICAL)


class Message(NamedTuple):
    """An address and what goes with it."""

    address: str
    arguments: list[object]


def encode(address: str, types: str = "", *arguments: Argument) -> bytes:
    """Return the packet of a message whose arguments have these types."""
    builder = OscMessageBuilder(address)
    for letter, argument in zip(types, arguments, strict=True):
        builder.add_arg(argument, letter)
    return builder.build().dgram


def fill(form: Form, *arguments: Argument) -> bytes:
    """Return the packet of a message of the table.

    Raises:
        TypeError: the arguments do not fit the form.
    """
    try:
        types = "".join(parameter.type for parameter in form.parameters(len(arguments)))
        return encode(form.address, types, *arguments)
    except (BuildError, OptionError) as error:
        raise TypeError(f"Not {form}: {arguments!r:.200} ({error})") from error


def frame(packet: bytes) -> bytes:
    """Return a packet as it travels on TCP."""
    return FRAME_HEADER.pack(len(packet)) + packet


def decode(packet: bytes) -> list[Message]:
    """Return the messages of a packet, those of nested bundles in their order.

    Time tags are not waited for.

    Raises:
        OptionError: the packet breaks the rules of OSC 1.0, or a limit.
    """
    try:
        messages = []
        for part in _walk(memoryview(packet)):
            messages.append(_decode_message(bytes(part)))
            if len(messages) > _MAX_BUNDLE_MESSAGES:
                raise OptionError(f"A bundle holds at most {_MAX_BUNDLE_MESSAGES} messages.")
    except (ParseError, UnicodeDecodeError, struct.error, ValueError, IndexError) as error:
        raise OptionError("This packet is no OSC message.") from error
    return messages


def _walk(packet: memoryview, depth: int = 0) -> Iterator[memoryview]:
    """Yield the messages of a packet, which may be a bundle of bundles."""
    if packet[: len(_BUNDLE)] != _BUNDLE:
        yield packet
        return
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
        yield from _walk(packet[position : position + size], depth + 1)
        position += size


def _decode_message(packet: bytes) -> Message:
    address = packet[: _MAX_ADDRESS_BYTES + 1].partition(b"\0")[0]
    if not address.startswith(b"/") or len(address) > _MAX_ADDRESS_BYTES or len(packet) % 4:
        raise OptionError("This packet is no OSC message.")
    tags_at = (len(address) // 4 + 1) * 4
    tags = packet[tags_at : tags_at + MAX_ARGUMENTS + 2].partition(b"\0")[0].decode("ascii")
    if tags_at >= len(packet):
        return Message(address.decode("ascii"), [])
    if not tags.startswith(","):
        raise OptionError(f"{address.decode()} came without type tags.")
    if len(tags) > MAX_ARGUMENTS + 1 or not _KNOWN_TYPES.issuperset(tags[1:]):
        raise OptionError(
            f"{address.decode()} came with types that are not taken: at most {MAX_ARGUMENTS} of"
            f" {''.join(sorted(_KNOWN_TYPES))}."
        )
    arguments = OscMessage(packet).params
    if len(arguments) != len(tags) - 1:
        raise OptionError(f"{address.decode()} is shorter than its types say.")
    return Message(address.decode("ascii"), arguments)
