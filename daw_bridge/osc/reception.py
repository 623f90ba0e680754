"""Packets are answered, whichever way they came."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import structlog

from daw_bridge.errors import DawBridgeError, OptionError
from daw_bridge.osc.addresses import EVENTS
from daw_bridge.osc.messages import MAX_MESSAGES, decode

if TYPE_CHECKING:
    from collections.abc import Awaitable, Coroutine, Iterator

    from daw_bridge.osc.messages import Message
    from daw_bridge.osc.methods import Methods
    from daw_bridge.osc.peers import Peer
    from daw_bridge.serving.idleness import Idleness

_MAX_DATAGRAM_MESSAGES = 16

log = structlog.get_logger()


class Reception:
    """Has the methods do what packets ask for, and says what stands against it.

    Args:
        methods: what can be asked for.
        idleness: is interrupted.
    """

    def __init__(self, methods: Methods, idleness: Idleness) -> None:
        self._methods = methods
        self._idleness = idleness

    def take(self, packet: bytes | bytearray, peer: Peer) -> Coroutine[Any, Any, None] | None:
        """Answer a packet's messages in their order, or return what is to be awaited for it."""
        self._idleness.interrupt()
        messages = self._decode(packet, peer)
        answer = self._take(messages[0], peer) if messages else None
        others = messages[1:]
        return self._go_on(answer, others, peer) if answer or others else None

    async def _go_on(
        self, answer: Awaitable[None] | None, messages: list[Message], peer: Peer
    ) -> None:
        """Wait for an answer, and take the messages after it; other clients come in between."""
        if answer:
            await answer
        for message in messages:
            await asyncio.sleep(0)
            await peer.drained()
            if later_answer := self._take(message, peer):
                await later_answer

    def _decode(self, packet: bytes | bytearray, peer: Peer) -> list[Message]:
        try:
            return decode(packet, _most_messages(peer))
        except OptionError as error:
            peer.refuse(error)
            return []

    def _take(self, message: Message, peer: Peer) -> Awaitable[None] | None:
        """Answer a message, or return what is to be awaited for the answer."""
        if message.address in EVENTS:
            return None  # another server's: to answer would go on for ever
        with _refusing(message, peer):
            answer = self._methods.call(message, peer)
            return self._finish(message, peer, answer) if answer else None
        return None

    async def _finish(self, message: Message, peer: Peer, answer: Awaitable[None]) -> None:
        with self._idleness.interrupted(), _refusing(message, peer):
            await answer


@contextmanager
def _refusing(message: Message, peer: Peer) -> Iterator[None]:
    """Turn what goes wrong into an answer."""
    job = next(iter(message.arguments), "")
    try:
        yield
    except DawBridgeError as error:
        peer.refuse(error, message.address, job if isinstance(job, str) else "")
    except (ConnectionError, asyncio.TimeoutError):
        raise  # there is nobody to answer
    except Exception as error:
        log.exception("error of ours", address=message.address)
        reason = f"The server failed on an error of its own, {type(error).__name__}."
        peer.refuse(DawBridgeError(reason), message.address)


def _most_messages(peer: Peer) -> int:
    """Return how many messages are taken in one packet."""
    if not peer.is_authorised:
        return 1
    return MAX_MESSAGES if peer.is_stream else _MAX_DATAGRAM_MESSAGES
