from __future__ import annotations

import asyncio

import pytest

from daw_bridge.errors import AudioError
from daw_bridge.osc.addresses import GET, HELLO, JOBS, LIST, METHODS, PROGRESS, STEM
from daw_bridge.osc.datagrams import Datagrams
from daw_bridge.osc.messages import Message, decode
from daw_bridge.osc.peers import Peer


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
