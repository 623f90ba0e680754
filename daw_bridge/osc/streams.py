"""A TCP connection of which no more is read than somebody waits for."""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from daw_bridge.osc.messages import frame
from daw_bridge.osc.peers import address_of

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

SLOW_SECONDS = 60.0
"""How long a TCP client may take over a message, either way."""

_NOWHERE = memoryview(bytearray())


class Stream(asyncio.BufferedProtocol):
    """A connection; what nobody has asked for yet waits on the other side of it.

    So a client holds as much of the server's memory as it was given, and a connection that breaks
    off leaves nothing. Where the system reads ahead all the same (Windows), it is up to 64 kB more.

    Args:
        serve: talks to whoever is at the other end; started once the connection is there.
    """

    def __init__(self, serve: Callable[[Stream], Coroutine[Any, Any, None]]) -> None:
        self._serve = serve
        self._transport: asyncio.Transport
        self._missing = _NOWHERE
        self._ahead = bytearray()
        self._landing = bytearray()
        self._arrival: asyncio.Future[None] | None = None
        self._is_taken_in = asyncio.Event()
        self._is_taken_in.set()

    @property
    def is_open(self) -> bool:
        """Whether anything can still come or go."""
        return not self._transport.is_closing()

    @property
    def address(self) -> tuple[str, int]:
        """The IP address and the port of the other end."""
        return address_of(self._transport.get_extra_info("peername") or ("nobody", 0))

    @property
    def unread_bytes(self) -> int:
        """How much of what was sent has not left this process."""
        return self._transport.get_write_buffer_size()

    async def receive(self, size: int, seconds: float) -> bytearray:
        """Return the next so many bytes, fewer where time or the connection ends before."""
        packet = bytearray(size)
        self._missing = memoryview(packet)
        self._use_ahead()
        if self._missing and self.is_open:
            self._arrival = asyncio.get_running_loop().create_future()
            self._transport.resume_reading()
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._arrival, seconds)
            self._transport.pause_reading()
        missing, self._missing = len(self._missing), _NOWHERE
        del packet[size - missing :]
        return packet

    def send(self, packet: bytes) -> None:
        """Send a packet."""
        self._transport.write(frame(packet))

    async def drained(self) -> None:
        """Wait until most of what was sent is on its way.

        Raises:
            ConnectionError: nobody is there any more.
            asyncio.TimeoutError: the other side does not take it in.
        """
        if not self._is_taken_in.is_set():
            await asyncio.wait_for(self._is_taken_in.wait(), SLOW_SECONDS)
        if not self.is_open:
            raise ConnectionResetError("the connection is closed")

    def close(self) -> None:
        """Send what is still to be sent, and close the connection."""
        self._transport.close()

    def cut(self) -> None:
        """Close the connection and forget what is still to be sent."""
        self._transport.abort()

    # --- called by asyncio

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Have somebody talk to the client."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - as asyncio promises
        self._transport = transport
        connection: socket.socket = transport.get_extra_info("socket")
        with suppress(OSError):  # who vanished without a word is found out in time
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        self._task = asyncio.create_task(self._serve(self))

    def get_buffer(self, sizehint: int) -> memoryview | bytearray:
        """Return where the next bytes go."""
        if self._missing:
            return self._missing
        self._landing = bytearray(max(sizehint, 1))
        return self._landing

    def buffer_updated(self, nbytes: int) -> None:
        """Take note of bytes that have come."""
        if not self._missing:
            self._ahead += self._landing[:nbytes]
            return
        self._missing = self._missing[nbytes:]
        if not self._missing:
            self._arrive()

    def eof_received(self) -> None:
        """Wait no longer; the connection is closed."""
        self._arrive()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - that of asyncio
        """Wait no longer."""
        self._arrive()
        self._is_taken_in.set()

    def pause_writing(self) -> None:
        """Have who sends wait for who reads."""
        self._is_taken_in.clear()

    def resume_writing(self) -> None:
        """Let who sends go on."""
        self._is_taken_in.set()

    def _use_ahead(self) -> None:
        """Take from what came ahead of time."""
        count = min(len(self._ahead), len(self._missing))
        self._missing[:count] = self._ahead[:count]
        self._missing = self._missing[count:]
        del self._ahead[:count]

    def _arrive(self) -> None:
        self._transport.pause_reading()
        if self._arrival and not self._arrival.done():
            self._arrival.set_result(None)
