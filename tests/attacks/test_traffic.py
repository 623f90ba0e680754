"""What comes through the sockets: from who has no token, and from who has one and no manners."""

from __future__ import annotations

import socket
import struct
import threading
import time
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING

import pytest

from tests.attacks.client import HOST, PATIENCE_S, Tcp, Udp, bundle, frame, pack
from tests.attacks.serving import TOKEN, assert_prompt
from tests.server import Server, memory_mb, open_files, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

_OTHER_HOST = "127.0.0.5"
_MEGABYTE = 1 << 20
_STRANGERS = 1_100
_CONNECTIONS = 200
_HELLO = ("/stems/hello", "siiss", "stranger", 1, 0, "")
_JOB = ("job", "", "/tmp/out", 0.0, -1.0, "", "/tmp/song.wav")
_REQUESTS = {
    "hello": pack(*_HELLO, "no token"),
    "hello without": pack("/stems/hello", "siis", "x", 1, 0, ""),
    "hello of another version": pack("/stems/hello", "siiss", "x", 9, 0, "", "no token"),
    "hello for another port": pack("/stems/hello", "siiss", "x", 1, 0, "osc.udp://:9", "x"),
    "models": pack("/stems/models"),
    "presets": pack("/stems/presets"),
    "list": pack("/stems/list"),
    "separate": pack("/stems/separate", "sssddss", *_JOB),
    "remix": pack("/stems/remix", "sssddss", *_JOB),
    "upmix": pack("/stems/upmix", "sssddss", *_JOB),
    "status": pack("/stems/status", "s", "job"),
    "cancel": pack("/stems/cancel", "s", "job"),
    "sync": pack("/stems/sync", "i", 1),
    "put": pack("/stems/put", "sshs", "t", "song.wav", 10, "0" * 64),
    "data": pack("/stems/data", "shb", "t", 0, bytes(10)),
    "get": pack("/stems/get", "ss", "job", "vocals"),
    "drop": pack("/stems/drop", "s", "t"),
    "no method": pack("/x"),
    "a pattern": pack("/*"),
    "a reply": pack("/stems/reply", "s", "/stems/sync"),
    "a byte": b"/",
    "nothing": b"",
    "zeros": bytes(64),
    "noise": bytes(range(256)),
    "an empty bundle": bundle(),
    "a bundle of lists": bundle(*[pack("/stems/list")] * 256),
    "a bundle of bundles": bundle(bundle(bundle(bundle(bundle(pack("/stems/models")))))),
    "a bundle of noise": bundle(*[b"\1\2\3\4"] * 256),
    "a negative size": b"#bundle\0" + bytes(8) + b"\xff\xff\xff\xff",
    "too many arguments": pack("/stems/sync", "i" * 500, *range(500)),
    "too large": pack("/stems/sync", "b", bytes(30_000)),
    "a long address": pack("/" + "x" * 4_000),
}


def _answers(client: Udp) -> Iterator[bytes]:
    client.socket.settimeout(0.3)
    with suppress(TimeoutError):
        while True:
            yield client.receive_packet()


@pytest.mark.parametrize("request_", _REQUESTS)
def test_a_stranger_gets_one_short_answer(request_: str, guarded: Server) -> None:
    packet = _REQUESTS[request_]
    with Udp(guarded.port) as stranger:
        stranger.send_packet(packet)
        answers = list(_answers(stranger))
    assert len(answers) <= 1
    assert sum(map(len, answers)) <= len(packet)
    assert_prompt(guarded, TOKEN)


def test_strangers_take_nobody_s_access(guarded: Server) -> None:
    with Udp(guarded.port) as friend:
        assert friend.ask(*_HELLO, TOKEN).address == "/stems/reply"
        for number in range(_STRANGERS):
            with Udp(guarded.port, f"127.0.{1 + number % 200}.{1 + number // 200}") as stranger:
                stranger.send("/stems/sync", "i", number)
        assert friend.ask("/stems/sync", "i", 7) == ("/stems/synced", [7])


def test_who_says_no_hello_is_disconnected(guarded: Server) -> None:
    with Tcp(guarded.port) as silent, suppress(ConnectionError):
        while silent.socket.recv(65_536):  # fails when patience ends
            pass
    assert_prompt(guarded, TOKEN)


def test_one_host_does_not_take_all_connections(guarded: Server) -> None:
    with ExitStack() as stack:
        for _ in range(300):
            with suppress(OSError):
                stack.enter_context(Tcp(guarded.port, _OTHER_HOST))
        assert_prompt(guarded, TOKEN)


_WRONG_TOKENS = ["", "a", TOKEN[:-1], TOKEN + "x", TOKEN.upper(), "x" * 800, "ä" * 30, TOKEN * 2]


def test_wrong_tokens_of_any_length_get_the_same_answer(guarded: Server) -> None:
    answers = set()
    for number, token in enumerate(_WRONG_TOKENS):
        with Tcp(guarded.port, f"127.0.7.{1 + number}") as stranger:
            answers.add(str(stranger.ask(*_HELLO, token)))
    assert len(answers) == 1
    assert "error of its own" not in answers.pop()


@pytest.mark.parametrize("token", [b"\xff\xfe", b"\xed\xa0\x80" * 9, "\udcff"])
def test_a_token_that_is_no_text_is_refused(guarded: Server, token: str | bytes) -> None:
    with Tcp(guarded.port, "127.0.6.1") as stranger:
        answer = stranger.ask(*_HELLO, token)
    assert answer.address == "/stems/error"
    assert "error of its own" not in str(answer)


def test_wrong_tokens_are_slowed(guarded: Server) -> None:
    """A host that guesses gets a few answers a second, from however many connections."""
    guesses: list[str] = []
    end = time.monotonic() + 3

    def guess() -> None:
        while time.monotonic() < end:
            with suppress(OSError, EOFError), Tcp(guarded.port, "127.0.9.9", 3) as stranger:
                while time.monotonic() < end:
                    guesses.append(stranger.ask(*_HELLO, "a wrong token of mine").address)

    guessers = [threading.Thread(target=guess) for _ in range(4)]
    for guesser in guessers:
        guesser.start()
    assert_prompt(guarded, TOKEN)
    for guesser in guessers:
        guesser.join()
    assert len(guesses) < 100


def test_a_bundle_of_lists_stalls_nobody(server: Server) -> None:
    with Udp(server.port) as busy:
        for name in ("/stems/list", "/stems/presets", "/stems/models"):
            busy.send_packet(bundle(*[pack(name)] * 256))
            assert_prompt(server)


def _break_off(port: int, *, stays: bool) -> socket.socket:
    """Send most of a message of a megabyte."""
    connection = socket.create_connection((HOST, port), PATIENCE_S)
    with suppress(OSError):
        connection.sendall(struct.pack(">I", _MEGABYTE) + bytes(_MEGABYTE - 100))
    if not stays:
        connection.close()
    return connection


@pytest.mark.parametrize("stays", [False, True], ids=["break off", "stay silent"])
def test_unfinished_messages_leave_nothing_behind(server: Server, stays: bool) -> None:
    assert server.process
    pid = server.process.pid
    assert_prompt(server)
    before_mb, before_files = memory_mb(pid), open_files(pid)
    with ExitStack() as stack:
        for _ in range(_CONNECTIONS):
            stack.enter_context(_break_off(server.port, stays=stays))
        assert memory_mb(pid) < before_mb + 150  # while they last
        assert_prompt(server)
    wait_until(lambda: open_files(pid) <= before_files + 2)
    wait_until(lambda: memory_mb(pid) < before_mb + 30)


@pytest.mark.parametrize("size", [0, _MEGABYTE + 1, (1 << 31) - 1, (1 << 32) - 1])
def test_a_message_s_size_is_bounded(server: Server, size: int) -> None:
    with socket.create_connection((HOST, server.port), PATIENCE_S) as stranger:
        stranger.sendall(struct.pack(">I", size) + bytes(1_000))
        with suppress(ConnectionError):
            while stranger.recv(65_536):
                pass
    assert_prompt(server)


def test_who_does_not_read_is_not_waited_for(server: Server) -> None:
    with ExitStack() as stack:
        for _ in range(10):
            deaf = stack.enter_context(Tcp(server.port, patience_s=2))
            with suppress(OSError):
                deaf.socket.sendall(frame(pack("/stems/models")) * 5_000)
        assert_prompt(server)
    assert_prompt(server)


def test_replies_go_to_no_other_machine(server: Server) -> None:
    urls = ["osc.udp://10.0.0.1:9", "osc.udp://:0", "osc.udp://:99999", "osc.udp://example.org:9",
            "http://:9", "osc.udp://" + "x" * 500, "osc.udp://\x01:9", b"\xed\xa0\x80"]  # fmt: skip
    with Udp(server.port) as client:
        for url in urls:
            assert client.ask("/stems/hello", "siis", "x", 1, 0, url).address == "/stems/error"
