"""A server that a client talks to may be a stranger too."""

from __future__ import annotations

import hashlib
import socketserver
import struct
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import pytest

from tests.attacks.client import HOST, Said, frame, pack, unpack
from tests.attacks.victims import some, stemtool, untouched

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_STEM = b"RIFF no audio"
_AWAY = ["../../canary/song", "..", ".", "", "{tmp}/canary/song", "../x", "a/b", "x\ny", "x" * 300]
_NOISE = {
    "nothing": b"",
    "text": b"HTTP/1.1 200 OK\r\n\r\n",
    "a vast message": struct.pack(">I", (1 << 32) - 1),
    "an empty message": struct.pack(">I", 0),
    "noise": frame(bytes(range(256))),
    "no arguments": frame(pack("/stems/reply")),
    "a bundle": frame(b"#bundle\0" + bytes(8)),
    "other types": frame(pack("/stems/reply", "sbbb", "/stems/hello", b"", b"", b"")),
    "an error of other types": frame(pack("/stems/error", "ibsb", 1, b"", "x", b"")),
}


class _Liar(socketserver.BaseRequestHandler):
    """Has done whatever it is asked for, and names the result as it likes."""

    name = path = ""

    def handle(self) -> None:
        with suppress(OSError, EOFError, struct.error):
            while True:
                self._answer(unpack(self._read(struct.unpack(">I", self._read(4))[0])))

    def _answer(self, said: Said) -> None:
        method, job = said.address, next(iter(said.arguments), "")
        match method.removeprefix("/stems/"):
            case "hello":
                self._reply("siis", method, "1.0", 1, 2, "")
            case "put":
                self._reply("ssh", method, job, said.arguments[2])
            case "separate":
                self._reply("sss", method, job, "queued")
                self._say("/stems/stem", "siiss", job, 0, 1, self.name, self.path)
                self._say("/stems/done", "sis", job, 1, "/tmp/outcome.json")
            case "get":
                digest = hashlib.sha256(_STEM).hexdigest()
                self._reply("ssshs", method, job, self.name, len(_STEM), digest)
                self._say("/stems/data", "shb", f"{job}/{self.name}", 0, _STEM)

    def _reply(self, types: str, *values: Any) -> None:
        self._say("/stems/reply", types, *values)

    def _say(self, address: str, types: str, *values: Any) -> None:
        self.request.sendall(frame(pack(address, types, *values)))

    def _read(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            if not (piece := self.request.recv(size - len(data))):
                raise EOFError
            data += piece
        return data


class _Babbler(socketserver.BaseRequestHandler):
    """Says one thing, whatever it hears."""

    noise = b""

    def handle(self) -> None:
        with suppress(OSError):
            self.request.recv(65_536)
            self.request.sendall(self.noise)


@contextmanager
def _serving(handler: type[socketserver.BaseRequestHandler]) -> Iterator[str]:
    """Give the address of a server."""
    with socketserver.ThreadingTCPServer((HOST, 0), handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"{HOST}:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize("told", ["name", "path"])
@pytest.mark.parametrize("away", some(_AWAY))
def test_what_a_server_sends_stays_in_the_folder(
    away: str, told: str, home: Path, song: Path, tmp_path: Path
) -> None:
    (tmp_path / "canary").mkdir()
    (tmp_path / "canary/song").write_text("mine")
    names = {"name": "vocals", "path": "/there/vocals.wav", told: away.format(tmp=tmp_path)}
    liar = type("Liar", (_Liar,), names)
    out = tmp_path / "deep/out"
    with _serving(liar) as address, untouched(tmp_path, but=(home, tmp_path / "deep")):
        run = stemtool("send", song, "-o", out, "--to", address, "--upload")
    assert run.status == 0 or run.is_refusal, run
    assert [path for path in (tmp_path / "deep").glob("*") if path != out] == []


@pytest.mark.parametrize("noise", _NOISE)
@pytest.mark.parametrize("command", ["send", "status"])
def test_a_server_that_speaks_nonsense_ends_a_command_with_a_sentence(
    command: str, noise: str, home: Path, song: Path, tmp_path: Path
) -> None:
    said = ["send", song, "-o", tmp_path / "out"] if command == "send" else ["status"]
    with _serving(type("Babbler", (_Babbler,), {"noise": _NOISE[noise]})) as address:
        run = stemtool(*said, "--to", address)
    assert run.is_refusal, run
