"""Who talks to the server, and how an answer reaches them."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Any

import structlog

from daw_bridge.osc.addresses import ERROR
from daw_bridge.osc.messages import fill
from daw_bridge.serving.codes import code_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from daw_bridge.errors import DawBridgeError
    from daw_bridge.osc.addresses import Argument, Form, Method

_PAGE_BYTES = 4_096
_MAX_SENTENCE_LENGTH = 1_000
_SITE_BITS = 64  # of an IPv6 address: what a subscriber has of his own follows (RFC 6177)

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
        is_authorised: whether they know the token, where there is one.
        has_said_hello: whether they are to be known again when they send the next datagram.
        room: how many bytes a refusal may have while they are not authorised; None: any number.
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
        self.has_said_hello = False
        self.room: int | None = None
        self.drained = drained
        self._post = post

    @property
    def network(self) -> str:
        """Their address, or of an IPv6 address the part that is the same for one site."""
        return network_of(self.host)

    def tell(self, form: Form, *arguments: Argument) -> None:
        """Send a message of the table; who cannot take it does not get it.

        Raises:
            TypeError: the arguments do not fit the form.
        """
        self._post(fill(form, *arguments))

    def reply(self, method: Method, *arguments: Argument) -> None:
        """Answer a request."""
        self.tell(method.answers[0], method.address, *arguments)

    def reply_page(
        self, method: Method, rows: Sequence[tuple[Argument, ...]], first: int = 0
    ) -> None:
        """Answer a request with the rows from one on, at most a page of them, and their number."""
        answer, end = method.answers
        size = 0
        for row in rows[max(first, 0) :]:
            packet = fill(answer, method.address, *row)
            if size and size + len(packet) > _PAGE_BYTES:
                break
            size += len(packet)
            self._post(packet)
        self.tell(end, method.address, len(rows), "")

    def refuse(self, error: DawBridgeError, address: str = "", job: str = "") -> None:
        """Say what stands against a request."""
        log.debug("refused", client=self.name, address=address, job=job, reason=str(error))
        sentence = str(error)[:_MAX_SENTENCE_LENGTH]
        packet = fill(ERROR, address, job, code_of(error), sentence)
        if self.room is not None and not self.is_authorised and len(packet) > self.room:
            spare = self.room - len(fill(ERROR, "", "", code_of(error), ""))
            if spare < 0:
                return
            packet = fill(ERROR, "", "", code_of(error), _shortened(sentence, spare))
        self._post(packet)

    def divert(self, other: Peer) -> None:
        """Have all answers go where another's go from now on."""
        self.url, self._post = other.url, other._post


def address_of(name: tuple[Any, ...]) -> tuple[str, int]:
    """Return the IP address, with its zone where it has one, and the port of a socket's name."""
    host, port, *rest = name
    zone = rest[1] if rest else 0  # of IPv6: flow, zone
    return (f"{host}%{zone}" if zone and "%" not in host else host), port


def network_of(host: str) -> str:
    """Return an IPv4 address as it is, and the network of an IPv6 address's site."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    if isinstance(address, ipaddress.IPv4Address):
        return host
    if address.ipv4_mapped:
        return str(address.ipv4_mapped)
    return f"{int(address) >> _SITE_BITS:x}"


def _shortened(sentence: str, spare: int) -> str:
    """Return what of a sentence takes so many bytes more in a packet than none does."""
    whole_words = spare // 4 * 4
    return sentence.encode("utf-8", "replace")[: whole_words + 3].decode("utf-8", "ignore")
