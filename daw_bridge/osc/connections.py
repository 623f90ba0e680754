"""The TCP side: who may come in, how much they may bring, and how long they may take over it."""

from __future__ import annotations

import asyncio
from contextlib import nullcontext
from functools import partial
from typing import TYPE_CHECKING

import structlog

from daw_bridge.errors import BusyError, OptionError, UnauthorisedError
from daw_bridge.osc.messages import FRAME_HEADER
from daw_bridge.osc.peers import Peer
from daw_bridge.osc.streams import SLOW_SECONDS, Stream
from daw_bridge.osc.tokens import HELLO_FIRST

if TYPE_CHECKING:
    from daw_bridge.osc.audience import Audience
    from daw_bridge.osc.reception import Reception
    from daw_bridge.osc.settings import Traffic

_IDLE_SECONDS = 600.0
_SECONDS_TO_HELLO = 10.0
_SECONDS_TO_FIRST_MESSAGE = 30.0

_STRANGERS_OF_A_NETWORK = 16
_STRANGERS_MESSAGE_BYTES = 4_096
_SECONDS_BETWEEN_STRANGERS_MESSAGES = 0.1
_SMALL_BYTES = 128 << 10
_LARGE_BYTES_UNDER_WAY = 32 << 20

_UNREAD_BYTES = 4 << 20
_UNREAD_BYTES_OF_ALL = 64 << 20
_UNREAD_BYTES_AT_LEAST = 256 << 10

log = structlog.get_logger()


class Connections:
    """The connections to the port.

    Where a token is asked for, whoever has not said it is a stranger: brings a small message at a
    time, has some seconds to say it, and gives way where all connections are taken.

    Args:
        traffic: what may come through them.
        audience: knows who waits for jobs.
        has_strangers: whether a token is asked for.
    """

    def __init__(self, traffic: Traffic, audience: Audience, *, has_strangers: bool) -> None:
        self._traffic = traffic
        self._audience = audience
        self._has_strangers = has_strangers
        self._peers: dict[Stream, Peer] = {}
        large_at_a_time = max(_LARGE_BYTES_UNDER_WAY // traffic.message_bytes, 1)
        self._room_for_large = asyncio.Semaphore(large_at_a_time)
        self._reception: Reception
        self._server: asyncio.Server

    async def open(self, host: str, port: int, reception: Reception) -> int:
        """Open a port, or any that is free for 0, and return it.

        Raises:
            OSError: it cannot be opened.
        """
        self._reception = reception
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(partial(Stream, self._serve), host, port)
        opened: int = self._server.sockets[0].getsockname()[1]
        return opened

    def close(self) -> None:
        """Close the port and all connections."""
        self._server.close()
        for stream in self._peers:
            stream.close()

    # --- one connection

    async def _serve(self, stream: Stream) -> None:
        host, port = stream.address
        post = partial(self._post, stream)
        peer = Peer(f"{host}:{port}", host, post, url="", drained=stream.drained)
        peer.is_authorised = not self._has_strangers
        try:
            self._let_in(stream, peer)
            await self._converse(stream, peer)
        except BusyError as error:
            peer.refuse(error)
        except (OSError, asyncio.TimeoutError):
            log.debug("connection lost", client=peer.name)
        finally:
            self._peers.pop(stream, None)
            self._audience.left(peer)
            stream.close()

    def _post(self, stream: Stream, packet: bytes) -> None:
        """Send a packet to a connection; one that does not read what it is sent is cut."""
        if not stream.is_open:
            return
        unread = stream.unread_bytes
        if unread > _UNREAD_BYTES_AT_LEAST and unread > self._most_unread():
            stream.cut()
            return
        stream.send(packet)

    def _most_unread(self) -> int:
        """Return how much one connection may leave unread just now."""
        of_all = sum(stream.unread_bytes for stream in self._peers)
        return _UNREAD_BYTES if of_all < _UNREAD_BYTES_OF_ALL else _UNREAD_BYTES_AT_LEAST

    async def _converse(self, stream: Stream, peer: Peer) -> None:
        """Answer one packet after the other."""
        seconds = _SECONDS_TO_HELLO if self._has_strangers else _SECONDS_TO_FIRST_MESSAGE
        deadline = asyncio.get_running_loop().time() + seconds
        goes_on = await self._exchange(stream, peer, deadline)
        while goes_on and not peer.is_authorised:
            await asyncio.sleep(_SECONDS_BETWEEN_STRANGERS_MESSAGES)
            goes_on = await self._exchange(stream, peer, deadline)
        while goes_on:
            goes_on = await self._exchange(stream, peer, None)

    async def _exchange(self, stream: Stream, peer: Peer, deadline: float | None) -> bool:
        """Take a packet and answer it; return whether there may be another.

        While the next one is waited for, nothing is left of this one.
        """
        size = await self._next_size(stream, peer, deadline)
        if not size:
            return False
        async with self._room_for_large if size > _SMALL_BYTES else nullcontext():
            packet = await stream.receive(size, _seconds_left(SLOW_SECONDS, deadline))
            if len(packet) < size:
                return False
            if answer := self._reception.take(packet, peer):
                await answer
            await peer.drained()
        return True

    async def _next_size(self, stream: Stream, peer: Peer, deadline: float | None) -> int:
        """Return how large the next packet is, 0 where the connection is to be closed."""
        header = bytearray()
        while not header and stream.is_open:
            header = await stream.receive(FRAME_HEADER.size, _seconds_left(_IDLE_SECONDS, deadline))
            if not header and not self._audience.awaits(peer):
                break
        if len(header) < FRAME_HEADER.size:
            if stream.is_open and not peer.is_authorised:
                peer.refuse(UnauthorisedError(HELLO_FIRST))
            return 0
        (size,) = FRAME_HEADER.unpack(header)
        return size if self._is_taken(size, peer) else 0

    def _is_taken(self, size: int, peer: Peer) -> bool:
        """Return whether a packet is not too large, and say so where it is."""
        most = self._traffic.message_bytes
        if not peer.is_authorised:
            most = min(most, _STRANGERS_MESSAGE_BYTES)
        if 0 < size <= most:
            return True
        reason = f"A TCP message has 1 to {most} bytes, not {size}."
        peer.refuse(OptionError(reason) if peer.is_authorised else UnauthorisedError(HELLO_FIRST))
        return False

    # --- who may come in

    def _let_in(self, stream: Stream, peer: Peer) -> None:
        """Take in a connection.

        Raises:
            BusyError: there are too many, in all or from one network.
        """
        if self._has_strangers:
            self._check_network(peer)
        if len(self._peers) >= self._traffic.connections:
            strangers = (each for each, who in self._peers.items() if not who.is_authorised)
            oldest = next(strangers, None)
            if not oldest:
                raise BusyError(f"{self._traffic.connections} connections are open.")
            del self._peers[oldest]
            oldest.cut()
        self._peers[stream] = peer

    def _check_network(self, peer: Peer) -> None:
        """Leave room for others than those of a network."""
        neighbours = [each for each in self._peers.values() if each.network == peer.network]
        strangers = [each for each in neighbours if not each.is_authorised]
        share = max(self._traffic.connections // 2, 1)
        if len(strangers) >= _STRANGERS_OF_A_NETWORK or len(neighbours) >= share:
            raise BusyError(f"Too many connections are open from {peer.host}; ask again later.")


def _seconds_left(most: float, deadline: float | None) -> float:
    """Return how long to wait: so many seconds, or less up to a deadline."""
    if deadline is None:
        return most
    return max(min(most, deadline - asyncio.get_running_loop().time()), 0.0)
