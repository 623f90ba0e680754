"""Who talks to the server, and how an answer reaches them."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import structlog

from daw_bridge.errors import OptionError
from daw_bridge.osc.addresses import ERROR
from daw_bridge.osc.messages import encode
from daw_bridge.osc.settings import is_loopback
from daw_bridge.serving.codes import code_of

if TYPE_CHECKING:
    from asyncio import DatagramTransport
    from collections.abc import Awaitable, Callable

    from daw_bridge.errors import DawBridgeError
    from daw_bridge.osc.addresses import Argument

_MAX_REMEMBERED = 1_024

log = structlog.get_logger()


class Peer:
    """Somebody who talks to the server.

    Args:
        name: what to call them until they say.
        host: their IP address.
        post: sends a packet back to them.
        url: where they can be reached after a restart; empty: nowhere.

    Attributes:
        is_stream: whether they came by TCP.
        is_authorised: whether they know the token.
        drained: waits until they have taken in what was sent.
    """

    def __init__(self, name: str, host: str, post: Callable[[bytes], None], *, url: str) -> None:
        self.name = name
        self.host = host
        self.url = url
        self.is_stream = not url
        self.is_authorised = False
        self.drained: Callable[[], Awaitable[None]]
        self._post = post

    def send(self, address: str, types: str = "", *arguments: Argument) -> None:
        """Send a message; who cannot take it does not get it."""
        self._post(encode(address, types, *arguments))

    def refuse(self, error: DawBridgeError, address: str = "", job: str = "") -> None:
        """Say what stands against a request."""
        log.debug("refused", client=self.name, address=address, job=job, reason=str(error))
        self.send(ERROR, "ssis", address, job, code_of(error), str(error))

    def divert(self, other: Peer) -> None:
        """Have all answers go where another's go from now on."""
        self.url, self._post = other.url, other._post


class Datagrams:
    """The UDP side: peers are remembered by their address, the latest so many."""

    def __init__(self, transport: DatagramTransport) -> None:
        self._transport = transport
        self._peers: OrderedDict[tuple[str, int], Peer] = OrderedDict()

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
            if not self._transport.is_closing():
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
