"""The UDP side: one socket, and whoever can be reached through it."""

from __future__ import annotations

import asyncio
import socket
from collections import OrderedDict, deque
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import urlsplit

from daw_bridge.errors import BusyError, OptionError
from daw_bridge.osc.pace import Pace
from daw_bridge.osc.peers import Peer, address_of
from daw_bridge.osc.settings import Traffic, is_loopback

if TYPE_CHECKING:
    from asyncio import DatagramTransport
    from collections.abc import Callable, Coroutine

    Take: TypeAlias = Callable[[bytes, Peer], Coroutine[Any, Any, None] | None]

_UDP_BUFFER_BYTES = 4 << 20
_MAX_REMEMBERED = 1_024
_MAX_REMEMBERED_OF_A_HOST = 64
_MAX_LINES = 1_024
_MAX_WAITING_IN_A_LINE = 256
_MAX_WAITING_BYTES = 16 << 20
_ANSWERS_TO_STRANGERS_PER_SECOND = 100


class Datagrams(asyncio.DatagramProtocol):
    """A UDP socket; who said hello through it is remembered by their address.

    Until it is open, nobody can be reached.

    Args:
        traffic: what may come through it.
        has_strangers: whether a token is asked for; who has not said it is not remembered, and gets
            at most as many bytes as they sent.
    """

    def __init__(self, traffic: Traffic | None = None, *, has_strangers: bool = False) -> None:
        self._traffic = traffic or Traffic()
        self._has_strangers = has_strangers
        self._transport: DatagramTransport | None = None
        self._take: Take | None = None
        self._peers: OrderedDict[tuple[str, int], Peer] = OrderedDict()
        self._lines: dict[tuple[str, int], deque[bytes]] = {}
        self._waiting_bytes = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._answers_to_strangers = Pace(_ANSWERS_TO_STRANGERS_PER_SECOND)

    async def open(self, host: str, port: int, take: Take) -> None:
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

    def datagram_received(self, data: bytes, addr: tuple[Any, ...]) -> None:
        """Hand a packet on, unless an earlier one of the sender is still being answered."""
        sender = address_of(addr)
        line = self._lines.get(sender)
        if line is None:
            self._hand_on(data, sender)
        elif len(line) < _MAX_WAITING_IN_A_LINE and self._waiting_bytes < _MAX_WAITING_BYTES:
            line.append(data)  # the rest is lost, as datagrams may be
            self._waiting_bytes += len(data)

    def close(self) -> None:
        """Close the port."""
        if self._transport:
            self._transport.close()

    def peer(self, host: str, port: int) -> Peer:
        """Return who sends from an address."""
        if known := self._peers.get((host, port)):
            self._peers.move_to_end((host, port))
            return known
        url = self.url(host, port)
        peer = Peer(f"{host}:{port}", host, self.post_to(host, port), url=url)
        peer.is_authorised = not self._has_strangers
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

    # --- who sends

    def _hand_on(self, packet: bytes, sender: tuple[str, int]) -> None:
        """Have a packet answered."""
        peer = self.peer(*sender)
        if not peer.is_authorised:
            peer.room = len(packet) if self._answers_to_strangers.allows() else 0
        if not (answer := self._answer(packet, sender, peer)):
            return
        if len(self._lines) >= _MAX_LINES:
            answer.close()
            peer.refuse(BusyError(f"{_MAX_LINES} others are being answered; ask again later."))
            return
        self._lines[sender] = deque()
        task = asyncio.create_task(self._work_off(answer, sender, peer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _work_off(
        self, answer: Coroutine[Any, Any, None], sender: tuple[str, int], peer: Peer
    ) -> None:
        """Wait for an answer, and then for those to the packets that came meanwhile."""
        line = self._lines[sender]
        try:
            await answer
            while line:
                packet = line.popleft()
                self._waiting_bytes -= len(packet)
                if later_answer := self._answer(packet, sender, peer):
                    await later_answer
        finally:
            self._waiting_bytes -= sum(map(len, line))
            del self._lines[sender]

    def _answer(
        self, packet: bytes, sender: tuple[str, int], peer: Peer
    ) -> Coroutine[Any, Any, None] | None:
        """Answer a packet, or return what is to be awaited for it; remember who says hello."""
        most = self._traffic.datagram_bytes
        if len(packet) > most:
            peer.refuse(OptionError(f"A datagram has at most {most} bytes; use TCP."))
            return None
        answer = self._take(packet, peer) if self._take else None
        if peer.has_said_hello and sender not in self._peers:
            self._make_room(peer.host)
            self._peers[sender] = peer
        return answer

    def _make_room(self, host: str) -> None:
        """Forget who was silent for longest of those at a host, or of all, where they are many."""
        of_host = [sender for sender in self._peers if sender[0] == host]
        if len(of_host) >= _MAX_REMEMBERED_OF_A_HOST:
            del self._peers[of_host[0]]
        elif len(self._peers) >= _MAX_REMEMBERED:
            self._peers.popitem(last=False)


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
