from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daw_bridge.errors import AudioError, OptionError
from daw_bridge.osc.addresses import GET, HELLO, JOBS, LIST, METHODS, PROGRESS, STEM
from daw_bridge.osc.datagrams import Datagrams
from daw_bridge.osc.messages import Message, decode
from daw_bridge.osc.peers import Peer, address_of, network_of


@pytest.fixture
def heard() -> list[Message]:
    return []


@pytest.fixture
def peer(heard: list[Message]) -> Peer:
    return Peer("me", "127.0.0.1", lambda packet: heard.extend(decode(packet)), url="osc.udp://x:1")


def test_replies_have_the_types_of_the_table(peer: Peer, heard: list[Message]) -> None:
    peer.reply(HELLO, "1.0", 1, 0, ":udp:")
    peer.reply(JOBS["upmix"], "j", "queued")
    peer.tell(PROGRESS, "j", 1, "upmixing")
    peer.refuse(AudioError("None."), GET.address, "j")
    assert heard == [
        Message("/stems/reply", ["/stems/hello", "1.0", 1, 0, ":udp:"]),
        Message("/stems/reply", ["/stems/upmix", "j", "queued"]),
        Message("/stems/progress", ["j", 1.0, "upmixing"]),
        Message("/stems/error", ["/stems/get", "j", -4, "None."]),
    ]
    assert isinstance(heard[2].arguments[1], float)


def test_a_list_ends_with_its_length(peer: Peer, heard: list[Message]) -> None:
    peer.reply_page(LIST, [("a", "done", 1.0, "me", "/a"), ("b", "queued", 0.0, "me", "/b")])
    peer.reply_page(LIST, [])
    assert [(each.address, each.arguments[:2]) for each in heard] == [
        ("/stems/reply", ["/stems/list", "a"]),
        ("/stems/reply", ["/stems/list", "b"]),
        ("/stems/done", ["/stems/list", 2]),
        ("/stems/done", ["/stems/list", 0]),
    ]


def test_a_page_has_one_row_at_least_and_a_few_datagrams(peer: Peer, heard: list[Message]) -> None:
    rows = [(f"{number}", "done", 1.0, "me", "/" * 1_500) for number in range(4)]
    for first in (0, 2, 4):
        peer.reply_page(LIST, rows, first)
    assert [each.arguments[1] for each in heard] == ["0", "1", 4, "2", "3", 4, 4]
    heard.clear()
    peer.reply_page(LIST, [("a", "done", 1.0, "me", "/" * 9_000)])
    assert [each.arguments[1] for each in heard] == ["a", 1]


@given(st.text(max_size=200), st.integers(0, 300))
def test_a_refusal_fits_the_room_that_there_is(sentence: str, room: int) -> None:
    packets: list[bytes] = []
    stranger = Peer("who", "127.0.0.1", packets.append, url="osc.udp://x:1")
    stranger.room = room
    stranger.refuse(AudioError(sentence), "/stems/status", "job")
    assert [len(packet) <= room for packet in packets] in ([], [True])
    assert bool(packets) == (room >= 40)
    for packet in packets:
        assert sentence.replace("\0", "?").startswith(str(decode(packet)[0].arguments[3]))


@pytest.mark.parametrize(
    ("name", "address"),
    [
        (("192.0.2.1", 9), ("192.0.2.1", 9)),
        (("2001:db8::1", 9, 0, 0), ("2001:db8::1", 9)),
        (("fe80::1", 9, 0, 2), ("fe80::1%2", 9)),
        (("fe80::1%eth0", 9, 0, 2), ("fe80::1%eth0", 9)),
    ],
)
def test_an_address_has_its_zone(name: tuple[str | int, ...], address: tuple[str, int]) -> None:
    assert address_of(name) == address


@pytest.mark.parametrize(
    ("one", "other", "are_neighbours"),
    [
        ("192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("192.0.2.1", "::ffff:192.0.2.1", True),
        ("2001:db8::1", "2001:db8::ffff", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("fe80::1%eth0", "fe80::1%eth0", True),
        ("::1", "::1", True),
        ("nobody", "nobody", True),
    ],
)
def test_networks(one: str, other: str, are_neighbours: bool) -> None:
    assert (network_of(one) == network_of(other)) is are_neighbours


@pytest.mark.parametrize(
    ("url", "host", "reached_at"),
    [
        ("osc.udp://:9", "192.0.2.1", "osc.udp://192.0.2.1:9"),
        ("osc.udp://:9", "fe80::1%eth0", "osc.udp://[fe80::1%eth0]:9"),
        ("osc.udp://localhost:9", "127.0.0.1", "osc.udp://127.0.0.1:9"),
    ],
)
def test_answers_are_diverted_on_ones_own_machine(url: str, host: str, reached_at: str) -> None:
    own = Peer("me", host, print, url="")
    listener = Datagrams().diverted(own, url)
    assert listener.url == reached_at
    assert listener.host == host


@pytest.mark.parametrize(
    "url",
    [
        "osc.udp://:0", "osc.udp://:65536", "osc.udp://:-1", "osc.udp://", "osc.tcp://:9",
        "osc.udp://192.0.2.2:9", "osc.udp://192.0.2.1.example:9", "osc.udp://me@192.0.2.2:9",
        "osc.udp://[::1]:9", "osc.udp://[::1:9", "osc.udp://127.0.0.1:9", "\ud800", ":9",
    ],
)  # fmt: skip
def test_answers_are_diverted_nowhere_else(url: str) -> None:
    with pytest.raises(OptionError):
        Datagrams().diverted(Peer("me", "192.0.2.1", print, url=""), url)


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("j", 0, 2, "vocals"),
        ("j", 0, 2, "vocals", "/v", 1),
        ("j", 0.5, 2, "vocals", "/v"),
        ("j", 0, 2, "vocals", b"/v"),
    ],
)
def test_what_does_not_fit_is_not_sent(
    arguments: tuple[str | float, ...], peer: Peer, heard: list[Message]
) -> None:
    with pytest.raises(TypeError, match="/stems/stem s:job i:index"):
        peer.tell(STEM, *arguments)
    assert not heard


def test_a_reply_repeats_its_address_first() -> None:
    for method in METHODS.values():
        if method.answers[0].address == "/stems/reply":
            assert method.answers[0].signature.startswith(f's:"{method.address}" ')


def test_nobody_waits_for_datagrams() -> None:
    datagrams = Datagrams()
    peer = datagrams.peer("127.0.0.1", 9)
    peer.reply(HELLO, "1.0", 1, 0, "")  # to nobody: the port is not open yet
    asyncio.run(asyncio.wait_for(peer.drained(), 1))
    assert not peer.is_stream
