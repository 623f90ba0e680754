"""An OSC client that shares no code with the server, so it can say what no honest one would."""

from __future__ import annotations

import socket
import struct
from typing import Any, NamedTuple

HOST = "127.0.0.1"
PATIENCE_S = 30.0

_NUMBERS = {"i": ">i", "h": ">q", "f": ">f", "d": ">d"}


class Said(NamedTuple):
    """A message that came."""

    address: str
    arguments: list[Any]


def _text(text: str | bytes) -> bytes:
    data = text if isinstance(text, bytes) else text.encode("utf-8", "surrogateescape")
    return data + bytes(4 - len(data) % 4)


def _argument(letter: str, value: Any) -> bytes:
    if letter == "s":
        return _text(value)
    if letter == "b":
        return struct.pack(">i", len(value)) + value + bytes(-len(value) % 4)
    return struct.pack(_NUMBERS[letter], value)


def pack(address: str, types: str = "", *values: Any) -> bytes:
    """Return the packet of a message; strings may be any bytes."""
    arguments = map(_argument, types, values)
    return _text(address) + _text(f",{types}") + b"".join(arguments)


def bundle(*packets: bytes) -> bytes:
    """Return packets in one, to be taken at once."""
    return b"#bundle\0" + bytes(7) + b"\1" + b"".join(map(frame, packets))


def frame(packet: bytes) -> bytes:
    """Return a packet after its size, as it goes on TCP."""
    return struct.pack(">I", len(packet)) + packet


def unpack(packet: bytes) -> Said:
    """Return the message of a packet."""
    address, at = _read_text(packet, 0)
    types, at = _read_text(packet, at)
    values: list[Any] = []
    for letter in types[1:]:
        if letter == "s":
            value, at = _read_text(packet, at)
        elif letter == "b":
            (size,) = struct.unpack_from(">i", packet, at)
            value, at = packet[at + 4 : at + 4 + size], at + 4 + size + -size % 4
        else:
            (value,) = struct.unpack_from(_NUMBERS[letter], packet, at)
            at += struct.calcsize(_NUMBERS[letter])
        values.append(value)
    return Said(address, values)


def _read_text(packet: bytes, at: int) -> tuple[Any, int]:
    end = packet.index(b"\0", at)
    return packet[at:end].decode("utf-8", "surrogateescape"), end + 4 - (end - at) % 4


class Udp:
    """Sends datagrams to a server from an address of this machine, and hears its answers."""

    def __init__(self, port: int, own_host: str = HOST, patience_s: float = PATIENCE_S) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((own_host, 0))
        self.socket.connect((HOST, port))
        self.socket.settimeout(patience_s)

    def __enter__(self) -> Udp:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send_packet(self, packet: bytes) -> None:
        self.socket.send(packet)

    def receive_packet(self) -> bytes:
        return self.socket.recv(65_536)

    def send(self, address: str, types: str = "", *values: Any) -> None:
        self.send_packet(pack(address, types, *values))

    def receive(self, *addresses: str) -> Said:
        """Return the next message, or the next that has one of these addresses."""
        while True:
            said = unpack(self.receive_packet())
            if not addresses or said.address in addresses:
                return said

    def ask(self, address: str, types: str = "", *values: Any) -> Said:
        """Return what comes next after a message is sent."""
        self.send(address, types, *values)
        return self.receive()


class Tcp(Udp):
    """A stream to a server."""

    def __init__(self, port: int, own_host: str = HOST, patience_s: float = PATIENCE_S) -> None:
        self.socket = socket.create_connection((HOST, port), patience_s, (own_host, 0))

    def send_packet(self, packet: bytes) -> None:
        self.socket.sendall(frame(packet))

    def receive_packet(self) -> bytes:
        return self._read(struct.unpack(">I", self._read(4))[0])

    def _read(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            piece = self.socket.recv(size - len(data))
            if not piece:
                raise EOFError
            data += piece
        return data
