"""The token that clients must know, and those who guess at it."""

from __future__ import annotations

import asyncio
import hmac
import time
from collections import OrderedDict
from typing import TYPE_CHECKING

import structlog

from daw_bridge.errors import UnauthorisedError
from daw_bridge.osc.addresses import HELLO
from daw_bridge.osc.pace import Pace

if TYPE_CHECKING:
    from daw_bridge.osc.peers import Peer

HELLO_FIRST = f"Say {HELLO.address} with the server's token first."

_FIRST_DELAY_SECONDS = 0.25
_LONGEST_DELAY_SECONDS = 4.0
_SECONDS_REMEMBERED = 60.0
_MAX_REMEMBERED = 1_024
_LOGGED_PER_SECOND = 4

log = structlog.get_logger()


class Token:
    """What clients must know.

    Args:
        text: the token; empty: nothing.

    Attributes:
        is_needed: whether there is one.
    """

    def __init__(self, text: str) -> None:
        self.is_needed = bool(text)
        self._secret = _bytes(text)
        self._wrong_tries: OrderedDict[str, tuple[int, float]] = OrderedDict()
        self._logged = Pace(_LOGGED_PER_SECOND)

    def is_said_in(self, text: str) -> bool:
        """Return whether a text is the token, after the same time for all texts of a length."""
        return not self.is_needed or hmac.compare_digest(_bytes(text), self._secret)

    async def turn_away(self, peer: Peer) -> None:
        """Refuse a connection that said another, the later the more often its network did.

        Raises:
            UnauthorisedError: always.
        """
        tries = self._count(peer.network)
        self.note(peer, tries)
        delay = _FIRST_DELAY_SECONDS * 2.0 ** min(tries - 1, 10)
        await asyncio.sleep(min(delay, _LONGEST_DELAY_SECONDS))
        raise UnauthorisedError(HELLO_FIRST)

    def note(self, peer: Peer, tries: int = 1) -> None:
        """Log who said another, unless there is too much of it to be read."""
        if self._logged.allows():
            log.warning("wrong token", client=peer.name, tries=tries)

    def _count(self, network: str) -> int:
        """Return how many wrong tokens have come from a network lately, with this one."""
        tries, last = self._wrong_tries.pop(network, (0, 0.0))
        now = time.monotonic()
        tries = tries + 1 if now - last < _SECONDS_REMEMBERED else 1
        self._wrong_tries[network] = tries, now
        while len(self._wrong_tries) > _MAX_REMEMBERED:
            self._wrong_tries.popitem(last=False)
        return tries


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
