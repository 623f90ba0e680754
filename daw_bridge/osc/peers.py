"""Who talks to the server, and how an answer reaches them."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

import structlog

from daw_bridge.osc.addresses import ERROR
from daw_bridge.osc.messages import fill, frame
from daw_bridge.serving.codes import code_of

if TYPE_CHECKING:
    from asyncio import StreamWriter
    from collections.abc import Awaitable, Callable, Sequence

    from daw_bridge.errors import DawBridgeError
    from daw_bridge.osc.addresses import Argument, Form, Method

SLOW_SECONDS = 60.0
"""How long a TCP client may take over a message, either way."""

_UNREAD_BYTES = 4 << 20

log = structlog.get_logger()


async def _at_once() -> None:
    """Wait for nobody: a datagram is gone when it is sent."""


class Peer:
    """Somebody who talks to the server.

    Args:
        name: what to call them until they say.
        host: their IP address.
        post: sends a packet back to them.
        url: where they can be reached after a restart; empty: nowhere.
        drained: waits until they have taken in what was sent.

    Attributes:
        is_stream: whether they came by TCP.
        is_authorised: whether they know the token.
    """

    def __init__(
        self,
        name: str,
        host: str,
        post: Callable[[bytes], None],
        *,
        url: str,
        drained: Callable[[], Awaitable[None]] = _at_once,
    ) -> None:
        self.name = name
        self.host = host
        self.url = url
        self.is_stream = not url
        self.is_authorised = False
        self.drained = drained
        self._post = post

    def tell(self, form: Form, *arguments: Argument) -> None:
        """Send a message of the table; who cannot take it does not get it.

        Raises:
            TypeError: the arguments do not fit the form.
        """
        self._post(fill(form, *arguments))

    def reply(self, method: Method, *arguments: Argument) -> None:
        """Answer a request."""
        self.tell(method.answers[0], method.address, *arguments)

    def reply_each(self, method: Method, rows: Sequence[tuple[Argument, ...]]) -> None:
        """Answer a request with a reply for each row, and then with their number."""
        for row in rows:
            self.reply(method, *row)
        self.tell(method.answers[1], method.address, len(rows), "")

    def refuse(self, error: DawBridgeError, address: str = "", job: str = "") -> None:
        """Say what stands against a request."""
        log.debug("refused", client=self.name, address=address, job=job, reason=str(error))
        self.tell(ERROR, address, job, code_of(error), str(error))

    def divert(self, other: Peer) -> None:
        """Have all answers go where another's go from now on."""
        self.url, self._post = other.url, other._post


def stream_peer(writer: StreamWriter) -> Peer:
    """Return who is at the other end of a TCP connection."""
    host, port = writer.get_extra_info("peername")[:2]
    post, drained = partial(_post, writer), partial(_drain, writer)
    return Peer(f"{host}:{port}", host, post, url="", drained=drained)


def _post(writer: StreamWriter, packet: bytes) -> None:
    """Send a packet to a connection; one that does not read what it is sent is cut."""
    if writer.is_closing():
        return
    if writer.transport.get_write_buffer_size() > _UNREAD_BYTES:
        writer.transport.abort()
        return
    writer.write(frame(packet))


async def _drain(writer: StreamWriter) -> None:
    await asyncio.wait_for(writer.drain(), SLOW_SECONDS)
