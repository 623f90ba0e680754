"""Connections, and what systems do with them."""

from __future__ import annotations

import asyncio
import socket
from asyncio.protocols import _feed_data_to_buffered_proto  # type: ignore[attr-defined]
from collections.abc import Sequence

import pytest

from daw_bridge.osc.streams import Stream
from tests.server import HOST

PIECES = [[b"ab", b"cdefgh", b"ijklm", b"n"], [b"abcdefghijklmn"], [b"a", b"bcdefghijk", b"lmn"]]


async def received(pieces: Sequence[bytes], sizes: Sequence[int], seconds: float) -> list[bytes]:
    """Return what is received of what a client sends."""
    took: asyncio.Future[list[bytes]] = asyncio.get_running_loop().create_future()

    async def serve(stream: Stream) -> None:
        took.set_result([bytes(await stream.receive(size, seconds)) for size in sizes])
        stream.close()

    server = await asyncio.get_running_loop().create_server(lambda: Stream(serve), HOST, 0)
    _, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    for piece in pieces:
        await asyncio.sleep(0.05)
        writer.write(piece)
    await asyncio.wait({took}, timeout=0.5)
    writer.close()
    server.close()
    return await took


@pytest.mark.parametrize("pieces", PIECES)
def test_what_is_asked_for_is_received_and_no_more(pieces: list[bytes]) -> None:
    took = asyncio.run(received(pieces, (4, 6, 3, 5), 5))
    assert took == [b"abcd", b"efghij", b"klm", b"n"]


def test_silence_ends_after_a_while() -> None:
    assert asyncio.run(received([b"ab"], (4, 2), 0.2)) == [b"ab", b""]


class ReadingAhead(asyncio.Transport):
    """Hands over what it has, wanted or not, as Windows' does."""

    def pause_reading(self) -> None:
        """Go on reading all the same."""

    def resume_reading(self) -> None:
        """Go on reading."""

    def is_closing(self) -> bool:
        return False


@pytest.mark.parametrize("pieces", PIECES)
def test_what_the_system_reads_ahead_is_not_lost(pieces: list[bytes]) -> None:
    took: list[bytes] = []

    async def serve(stream: Stream) -> None:
        took.extend([bytes(await stream.receive(size, 5)) for size in (4, 6, 3, 1)])

    async def talk() -> None:
        with socket.socket() as unused:
            stream = Stream(serve)
            stream.connection_made(ReadingAhead({"socket": unused}))
            for piece in pieces:
                _feed_data_to_buffered_proto(stream, piece)
                await asyncio.sleep(0)
            await stream._task

    asyncio.run(asyncio.wait_for(talk(), 20))
    assert took == [b"abcd", b"efghij", b"klm", b"n"]
