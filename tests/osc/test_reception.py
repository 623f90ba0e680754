"""What holds up or fills up one connection, and leaves the others as they are."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from daw_bridge.osc import connections, methods
from daw_bridge.osc.addresses import WARNING
from daw_bridge.osc.server import Server
from daw_bridge.osc.settings import ServerSettings
from daw_bridge.serving.folders import Folders
from daw_bridge.serving.store import Store
from tests.osc.requests import submit
from tests.server import PATIENCE_S, Tcp, Udp


class Disk:
    """Stands in for a function that reads, and waits until the disk is back."""

    def __init__(self) -> None:
        self.is_asked = threading.Event()
        self.is_back = threading.Event()

    def read(self, *_: object) -> Path:
        self.is_asked.set()
        assert self.is_back.wait(PATIENCE_S)
        return Path("/")


def run_beside_a_server(home: Path, talk: Callable[[int, Server], None]) -> None:
    """Have somebody talk to the port of a server that has its sockets open, and no workers."""

    async def serve() -> None:
        settings = ServerSettings(port=0, roots=(home,), state=home / "state")
        folders = Folders(settings.state, settings.roots)
        with closing(Store(folders.jobs)) as store:
            server = Server(settings, folders, store)
            port = await server._listen()
            try:
                await asyncio.to_thread(talk, port, server)
            finally:
                server._sockets.close()

    asyncio.run(serve())


@pytest.mark.parametrize("kind", [Udp, Tcp])
@pytest.mark.parametrize("request_name", ["presets", "separate"])
def test_others_are_answered_meanwhile(
    request_name: str, kind: type[Udp], home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = Disk()
    monkeypatch.setattr(methods, "read_summary", disk.read)
    monkeypatch.setattr(Folders, "find", disk.read)

    def talk(port: int, _: Server) -> None:
        with kind(port) as waiting, kind(port) as other:
            if request_name == "presets":
                waiting.send("/stems/presets")
            else:
                submit(waiting, "job", "/music/stems", "/music/song.wav")
            waiting.send("/stems/sync", "i", 1)
            assert disk.is_asked.wait(PATIENCE_S)
            try:
                assert other.ask("/stems/sync", "i", 2).arguments == [2]
            finally:
                disk.is_back.set()
            *before, synced = waiting.receive_until("/stems/synced")
            assert synced.arguments == [1]
            assert before[-1].address in ("/stems/done", "/stems/error")

    run_beside_a_server(home, talk)


def test_who_says_nothing_is_shown_out(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "_SECONDS_TO_FIRST_MESSAGE", 0.5)

    def talk(port: int, _: Server) -> None:
        with Tcp(port) as client, Tcp(port) as silent:
            assert client.ask("/stems/sync", "i", 1).arguments == [1]
            with pytest.raises(EOFError):
                silent.receive()
            assert client.ask("/stems/sync", "i", 2).arguments == [2]

    run_beside_a_server(home, talk)


def test_events_that_nobody_reads_are_bounded_over_all_connections(home: Path) -> None:
    event = "x" * 100_000

    def talk(port: int, server: Server) -> None:
        with ExitStack() as opened:
            deaf = [opened.enter_context(Tcp(port)) for _ in range(40)]
            for peer in deaf:
                assert peer.ask("/stems/sync", "i", 3).arguments == [3]
            reached = asyncio.run_coroutine_threadsafe(flood(server), server_loop(server))
            assert reached.result(PATIENCE_S) < (64 << 20) + len(deaf) * 400_000
            with Tcp(port) as client:
                assert client.ask("/stems/sync", "i", 4).arguments == [4]

    async def flood(server: Server) -> int:
        """Tell all who are connected so much; return how many bytes wait at the most."""
        streams, most = dict(server._connections._peers), 0
        for _ in range(100):
            for peer in streams.values():
                peer.tell(WARNING, "job", event)
            most = max(most, sum(stream.unread_bytes for stream in streams if stream.is_open))
        return most

    run_beside_a_server(home, talk)


def server_loop(server: Server) -> asyncio.AbstractEventLoop:
    return server._connections._server.get_loop()
