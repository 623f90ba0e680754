"""The client, and servers that are not what they should be."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from daw_bridge.errors import DawBridgeError
from daw_bridge.osc.addresses import HELLO, MODELS
from daw_bridge.osc.client import Client
from daw_bridge.osc.messages import FRAME_HEADER, decode, encode, fill, frame
from tests.server import HOST

WELCOME = fill(HELLO.answers[0], HELLO.address, "1.0", 1, 1, "")
ROWS = [(name, 44_100, "vocals,rest", "MIT", "here", 0.0) for name in ("one", "two")]


@contextmanager
def server_that_answers(answer: Callable[[list[object]], bytes]) -> Iterator[int]:
    """A server that welcomes one client, and answers all else as told; gives its port."""
    listener = socket.create_server((HOST, 0))

    def serve() -> None:
        stream, _ = listener.accept()
        with stream, stream.makefile("rb") as requests:
            while header := requests.read(4):
                (message,) = decode(requests.read(*FRAME_HEADER.unpack(header)))
                if message.address == HELLO.address:
                    stream.sendall(frame(WELCOME))
                else:
                    stream.sendall(answer(message.arguments))

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        thread.join(10)
        listener.close()


def page(rows: list[Any], count: int) -> bytes:
    reply, end = MODELS.answers
    packets = [fill(reply, MODELS.address, *row) for row in rows]
    packets.append(fill(end, MODELS.address, count, ""))
    return b"".join(map(frame, packets))


def test_pages_are_asked_for_until_all_rows_are_there() -> None:
    asked: list[list[object]] = []

    def answer(arguments: list[object]) -> bytes:
        asked.append(arguments)
        return page(ROWS[len(asked) - 1 :][:1], 2)

    with server_that_answers(answer) as port, Client(HOST, port) as client:
        assert list(client.models()) == ["one", "two"]
    assert asked == [[], [1]]


def test_a_server_that_knows_no_pages_is_asked_once() -> None:
    with server_that_answers(lambda _: page(ROWS, 2)) as port, Client(HOST, port) as client:
        assert list(client.models()) == ["one", "two"]


def test_a_list_that_becomes_shorter_ends() -> None:
    answers = iter([page(ROWS, 5), page([], 2)])
    with server_that_answers(lambda _: next(answers)) as port, Client(HOST, port) as client:
        assert list(client.models()) == ["one", "two"]


@pytest.mark.parametrize(
    "answer",
    [
        FRAME_HEADER.pack(1 << 31),
        FRAME_HEADER.pack(0),
        frame(b"garbage!"),
        frame(encode("/stems/reply")),
        frame(encode("/stems/reply", "s", MODELS.address)),
        frame(encode("/stems/reply", "ssss", MODELS.address, "one", "44100", "vocals")),
        frame(encode("/stems/error", "s", MODELS.address)),
        frame(encode("/stems/error", "ssis", MODELS.address, "", -999, "No.")),
        frame(encode("/stems/done", "sss", MODELS.address, "many", "")),
        frame(b"#bundle\0" + bytes(8) + frame(encode("/x", "i", 1)) * 2),
        frame(b"#bundle\0" + bytes(8)),
    ],
)
def test_a_server_that_talks_nonsense_is_told_of_in_a_sentence(answer: bytes) -> None:
    with (
        server_that_answers(lambda _: answer) as port,
        Client(HOST, port) as client,
        pytest.raises(DawBridgeError, match=r"\.$"),
    ):
        client.models()
