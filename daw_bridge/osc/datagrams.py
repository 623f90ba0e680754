"""The UDP side: one socket, and whoever can be reached through it."""

from __future__ import annotations

import asyncio
import socket
from collections import OrderedDict
from contextlib import suppress
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from daw_bridge.errors import OptionError
from daw_bridge.osc.peers import Peer
from daw_bridge.osc.settings import is_loopback

if TYPE_CHECKING:
    from asyncio import DatagramTransport
    from collections.abc import Callable

_UDP_BUFFER_BYTES = 4 << 20
_MAX_REMEMBERED = 1_024


class Datagrams(asyncio.DatagramProtocol):
    """A UDP socket whose peers are remembered by their address, the latest so many.

    Until it is open, nobody can be reached.
    """

    def __init__(self) -> None:
        self._transport: DatagramTransport | None = None
        self._take: Callable[[bytes, Peer], None] | None = None
        self._peers: OrderedDict[tuple[str, int], Peer] = OrderedDict()

    async def open(self, host: str, port: int, take: Callable[[bytes, Peer], None]) -> None:
        """Open a port; ``take`` is given what comes, and who sent it.

        Raises:
            OSError: it cannot be opened.
        """
        self._take = take
        loop = asyncio.get_running_loop()
        await loop.create_datagram_endpoint(lambda: self, local_addr=(host, port))

    def connection_made(self, transport: DatagramTransport) -> None:  # type: ignore[override]
        """Send and receive from now on."""
        self._transport = transport
        udp: socket.socket = transport.get_extra_info("socket")
        with suppress(OSError):
            udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _UDP_BUFFER_BYTES)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """Hand a packet on."""
        if self._take:
            self._take(data, self.peer(*addr[:2]))

    def close(self) -> None:
        """Close the port."""
        if self._transport:
            self._transport.close()

    def peer(self, host: str, port: int) -> Peer:
        """Return who sends from an address."""
        peer = self._peers.pop((host, port), None)
        if peer is None:
            url = self.url(host, port)
            peer = Peer(f"{host}:{port}", host, self.post_to(host, port), url=url)
            while len(self._peers) >= _MAX_REMEMBERED:
                self._peers.popitem(last=False)
        self._peers[host, port] = peer
        return peer

    def peer_at(self, url: str) -> Peer:
        """Return a peer that is known by nothing but the URL it can be reached at."""
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or 0
        return Peer(f"{host}:{port}", host, self.post_to(host, port), url=url)

    def diverted(self, peer: Peer, url: str) -> Peer:
        """Return the one who listens on another UDP port of a peer's machine.

        Raises:
            OptionError: the URL names another machine, or no port.
        """
        return self.peer_at(self.url(peer.host, _port_of(url, peer.host)))

    def post_to(self, host: str, port: int) -> Callable[[bytes], None]:
        """Return what sends packets to an address."""

        def post(packet: bytes) -> None:
            if self._transport and not self._transport.is_closing():
                self._transport.sendto(packet, (host, port))

        return post

    @staticmethod
    def url(host: str, port: int) -> str:
        """Return an address as OSC URLs write it."""
        return f"osc.udp://[{host}]:{port}" if ":" in host else f"osc.udp://{host}:{port}"


def _port_of(url: str, own_host: str) -> int:
    """Return the port of a reply URL, which may only name the machine it comes from."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise OptionError(f"{url!r:.80} is no URL: {error}.") from error
    if parts.scheme != "osc.udp" or not port:
        raise OptionError(f"{url!r:.80} is no reply URL; write osc.udp://:PORT.")
    is_own = host in (None, own_host) or (is_loopback(host or "") and is_loopback(own_host))
    if not is_own:
        raise OptionError(f"{url!r:.80} names another machine than yours, {own_host}.")
    return port
