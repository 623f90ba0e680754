"""What strangers, and clients that mean no good, can do to a server by what they send."""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from daw_bridge.osc.addresses import METHODS
from daw_bridge.osc.messages import Message, decode, encode, frame
from tests.server import HOST, PATIENCE_S, Server, Tcp, Udp, memory_mb, wait_until

TOKEN = "correct horse battery"
HELLO = encode("/stems/hello", "siiss", "", 1, 0, "", TOKEN)
WRONG = encode("/stems/hello", "siiss", "", 1, 0, "", "wrong horse battery")


@pytest.fixture(scope="module")
def closed(network_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that asks for a token."""
    root = tmp_path_factory.mktemp("closed")
    token = root / "token"
    token.write_text(TOKEN)
    with Server(root, root / "state", ("--token-file", str(token))) as server:
        yield server


def bundle(*elements: bytes) -> bytes:
    return b"#bundle\0" + bytes(7) + b"\1" + b"".join(map(frame, elements))


def datagrams_heard(peer: Udp) -> list[bytes]:
    """Return what comes to a socket within a moment."""
    peer.socket.settimeout(0.3)
    heard = []
    try:
        while True:
            heard.append(peer.socket.recv(65_536))
    except TimeoutError:
        return heard


def say_hello(peer: Udp) -> None:
    assert peer.ask("/stems/hello", "siiss", "", 1, 0, "", TOKEN).address == "/stems/reply"


# --- bytes under way


@pytest.mark.parametrize("which", ["server", "closed"])
def test_connections_that_break_off_leave_no_memory_behind(
    which: str, request: pytest.FixtureRequest
) -> None:
    server: Server = request.getfixturevalue(which)
    assert server.process
    before = memory_mb(server.process.pid)
    streams = [send_most_of_a_large_message(server.port) for _ in range(250)]
    assert memory_mb(server.process.pid) < before + 100
    for stream in streams:
        stream.close()
    wait_until(lambda: memory_mb(server.process.pid) < before + 20)  # type: ignore[union-attr]


def send_most_of_a_large_message(port: int) -> socket.socket:
    stream = connect(port)
    with suppress(OSError):  # the server takes no more of it, or none
        stream.sendall(struct.pack(">I", 1 << 20) + bytes(1_000_000))
    return stream


def connect(port: int) -> socket.socket:
    """Return a connection that is patient until it is there, and then no more."""
    stream = socket.create_connection((HOST, port), timeout=PATIENCE_S)
    stream.settimeout(0.05)
    return stream


def test_large_messages_arrive_beside_those_that_never_end(server: Server) -> None:
    silent = [send_most_of_a_large_message(server.port) for _ in range(100)]
    with Tcp(server.port) as peer:
        assert "not announced" in str(send_piece(peer, 100_000).arguments[3])
        for stream in silent:
            stream.close()
        assert "not announced" in str(send_piece(peer, 1_000_000).arguments[3])


def send_piece(peer: Udp, size: int) -> Message:
    return peer.ask("/stems/data", "shb", "of nothing", 0, bytes(size))


def test_a_stranger_brings_small_messages_only(closed: Server) -> None:
    with Tcp(closed.port) as peer:
        peer.socket.sendall(struct.pack(">I", 5_000))
        assert peer.receive().arguments[2] == -10
        with pytest.raises(EOFError):
            peer.receive()


def test_who_leaves_answers_unread_takes_no_other_clients_memory(server: Server) -> None:
    assert server.process
    before = memory_mb(server.process.pid)
    deaf = [connect(server.port) for _ in range(50)]
    requests = frame(bundle(*[encode("/stems/models")] * 256)) * 200
    for stream in deaf:
        with suppress(OSError):
            stream.sendall(requests)
    assert memory_mb(server.process.pid) < before + 100
    with Tcp(server.port) as peer:
        assert peer.ask("/stems/sync", "i", 1).arguments == [1]
    for stream in deaf:
        stream.close()


# --- datagrams


PACKETS = [
    *[encode(address) for address in METHODS],
    encode("/stems/none"),
    encode("/stems/*"),
    encode("/stems/hello", "siis", "", 9, 0, ""),
    WRONG,
    b"garbage!",
    b"#bundle\0" + bytes(4),
    bundle(*[encode("/stems/models")] * 256),
    bundle(*[WRONG] * 16),
    encode("/stems/status", "s", "x" * 200) + bytes(20_000),
]


@pytest.mark.parametrize("packet", PACKETS, ids=lambda packet: packet[:16].decode().strip("\0"))
def test_a_stranger_hears_once_and_no_more_than_was_sent(packet: bytes, closed: Server) -> None:
    with Udp(closed.port) as stranger:
        stranger.socket.send(packet)
        heard = datagrams_heard(stranger)
    assert len(heard) <= 1
    assert sum(map(len, heard)) <= len(packet)
    assert all(decode(each)[0].address == "/stems/error" for each in heard)


def test_a_flood_of_strangers_is_answered_at_a_pace(closed: Server) -> None:
    with Udp(closed.port) as stranger:
        for _ in range(3_000):
            stranger.socket.send(WRONG)
        assert len(datagrams_heard(stranger)) < 1_000


def test_strangers_take_nobodys_access(closed: Server) -> None:
    with Udp(closed.port) as client:
        say_hello(client)
        for _ in range(1_100):
            with Udp(closed.port) as stranger:
                stranger.send("/stems/list")
        assert client.ask("/stems/sync", "i", 2).arguments == [2]


def test_a_client_on_many_ports_takes_no_other_hosts_access(closed: Server) -> None:
    with Udp(closed.port) as client, socket.socket(type=socket.SOCK_DGRAM) as neighbour:
        neighbour.bind(("127.0.0.2", 0))
        neighbour.settimeout(10)
        neighbour.connect((HOST, closed.port))
        neighbour.send(HELLO)
        assert decode(neighbour.recv(9_000))[0].address == "/stems/reply"
        for _ in range(100):
            with Udp(closed.port) as another:
                say_hello(another)
        say_hello(client)
        neighbour.send(encode("/stems/sync", "i", 3))
        assert decode(neighbour.recv(9_000)) == [Message("/stems/synced", [3])]


def test_wrong_tokens_by_datagrams_lock_nobody_out(closed: Server) -> None:
    with Udp(closed.port) as peer:
        for _ in range(50):
            peer.socket.send(WRONG)
        datagrams_heard(peer)
        peer.socket.settimeout(10)
        say_hello(peer)


def test_a_wrong_token_diverts_nothing(closed: Server) -> None:
    with Udp(closed.port) as sender, Udp(closed.port) as listener:
        sender.send("/stems/hello", "siiss", "", 1, 0, listener.url, "wrong horse battery")
        sender.receive()
        assert not datagrams_heard(listener)


def test_a_datagram_asks_for_little_at_a_time(server: Server) -> None:
    with Udp(server.port) as peer:
        peer.socket.send(bundle(*[encode("/stems/list")] * 256))
        assert peer.receive().arguments[2] == -3
        peer.socket.send(bundle(*[encode("/stems/models")] * 16))
        assert sum(map(len, datagrams_heard(peer))) < 16 * 5_000


def test_answers_to_datagrams_keep_their_order(server: Server) -> None:
    with Udp(server.port) as peer:
        for number in range(5):
            peer.send("/stems/presets")
            peer.send("/stems/sync", "i", number)
        for number in range(5):
            assert peer.receive_until("/stems/done", "/stems/synced")[-1].arguments[1] > 0  # type: ignore[operator]
            assert peer.receive().arguments == [number]


def test_a_burst_of_datagrams_is_answered(server: Server) -> None:
    with Udp(server.port) as peer:
        for _ in range(200):
            peer.send("/stems/presets", "i", 1_000)
        for _ in range(200):
            assert peer.receive().address == "/stems/done"


# --- pages


@pytest.fixture
def crowded(
    network_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Server]:
    """A server with presets for many pages."""
    presets = tmp_path / "home" / "presets" / "effects"
    presets.mkdir(parents=True)
    for number in range(300):
        (presets / f"mine-{number:03}.toml").write_text(f'summary = "Preset {number}."\n')
    weights = network_path.parents[1]
    (tmp_path / "home" / "weights").symlink_to(weights)
    monkeypatch.setenv("DAW_BRIDGE_HOME", str(tmp_path / "home"))
    with Server(tmp_path, tmp_path / "state") as server:
        yield server


def test_lists_come_in_pages(crowded: Server) -> None:
    with crowded.client() as client:
        presets = client.presets()
    mine = {name: summary for name, summary in presets.items() if name.startswith("mine-")}
    assert mine == {f"mine-{number:03}": f"Preset {number}." for number in range(300)}
    with Udp(crowded.port) as peer:
        peer.send("/stems/presets")
        *rows, done = peer.receive_until("/stems/done")
        assert done.arguments == ["/stems/presets", len(presets), ""]
        assert [row.arguments[1] for row in rows] == list(presets)[: len(rows)]
        assert 10 < len(rows) < 100
        peer.send("/stems/presets", "i", len(rows))
        assert peer.receive().arguments[1] == list(presets)[len(rows)]
        peer.receive_until("/stems/done")
        for beyond in (len(presets), 1 << 30):
            assert peer.ask("/stems/presets", "i", beyond) == done
        peer.send("/stems/presets", "i", -5)
        assert peer.receive().arguments == rows[0].arguments


# --- connections


def test_a_network_has_few_strangers(closed: Server) -> None:
    with Tcp(closed.port) as client:
        say_hello(client)
        strangers = [Tcp(closed.port) for _ in range(20)]
        assert strangers[-1].receive().arguments[2] == -6
        for stranger in strangers:
            stranger.socket.close()
        assert client.ask("/stems/sync", "i", 4).arguments == [4]
    wait_until(lambda: is_let_in(closed.port))


def is_let_in(port: int) -> bool:
    with suppress(OSError, EOFError), Tcp(port) as peer:
        return peer.ask("/stems/hello", "siiss", "", 1, 0, "", TOKEN).address == "/stems/reply"
    return False


def test_who_does_not_say_hello_is_shown_out(closed: Server) -> None:
    with Tcp(closed.port) as silent, Tcp(closed.port) as dribbling, Tcp(closed.port) as client:
        say_hello(client)
        dribbling.socket.sendall(frame(HELLO)[:20])
        assert silent.receive().arguments[2] == -10
        for peer in (silent, dribbling):
            with pytest.raises(EOFError):
                peer.receive()
        assert client.ask("/stems/sync", "i", 5).arguments == [5]


def test_wrong_tokens_are_answered_later_and_later(closed: Server) -> None:
    with Tcp(closed.port) as guesser, Tcp(closed.port) as client:
        say_hello(client)
        delays = []
        for _ in range(3):
            guesser.socket.sendall(frame(WRONG))
            began = time.monotonic()
            assert client.ask("/stems/sync", "i", 6).arguments == [6]
            assert guesser.receive().arguments[2] == -10
            delays.append(time.monotonic() - began)
        assert delays[0] >= 0.2
        assert delays[-1] >= 0.9
        say_hello(guesser)
    assert 'event="wrong token" client=127.0.0.1:' in closed.log


def test_strangers_give_way_where_all_connections_are_taken(
    network_path: Path, tmp_path: Path
) -> None:
    token = tmp_path / "token"
    token.write_text(TOKEN)
    options = ("--token-file", str(token), "--max-connections", "4")
    with Server(tmp_path, tmp_path / "state", options) as server:
        hosts = [f"127.0.0.{number}" for number in range(2, 6)]
        address = (HOST, server.port)
        with ExitStack() as connections:
            strangers = [
                connections.enter_context(socket.create_connection(address, 5, (host, 0)))
                for host in hosts
            ]
            wait_until(lambda: is_let_in(server.port))
            assert strangers[0].recv(1) == b""
