"""A disk that does not answer holds up who asks for it, and nobody else."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from daw_bridge.osc import methods
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


def run_beside_a_server(home: Path, talk: Callable[[int], None]) -> None:
    """Have somebody talk to a server that has its sockets open, and no workers."""

    async def serve() -> None:
        settings = ServerSettings(port=0, roots=(home,), state=home / "state")
        folders = Folders(settings.state, settings.roots)
        with closing(Store(folders.jobs)) as store:
            server = Server(settings, folders, store)
            port = await server._listen()
            try:
                await asyncio.to_thread(talk, port)
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

    def talk(port: int) -> None:
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
