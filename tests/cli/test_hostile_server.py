"""``stemtool send`` to a server that wants to write where it should not."""

from __future__ import annotations

import hashlib
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from daw_bridge.osc.messages import FRAME_HEADER, Message, decode, encode, frame
from tests.conftest import SONGS
from tests.server import HOST, PATIENCE_S
from tests.stemtool import stemtool

CONTENT = b"not what you wanted"


class Hostile:
    """Says that it has made stems, in files with names of its choice."""

    def __init__(self, paths: list[str]) -> None:
        self._paths = paths
        self._listener = socket.create_server((HOST, 0))
        self.port: int = self._listener.getsockname()[1]

    def serve(self) -> None:
        with self._listener:
            connection, _ = self._listener.accept()
        with connection, connection.makefile("rb") as requests:
            while header := requests.read(FRAME_HEADER.size):
                (message,) = decode(requests.read(FRAME_HEADER.unpack(header)[0]))
                for answer in self._answers(message):
                    connection.sendall(frame(answer))

    def _answers(self, message: Message) -> Iterator[bytes]:
        address: str = message.address
        arguments: list[Any] = message.arguments
        first, *rest = arguments
        digest = hashlib.sha256(CONTENT).hexdigest()
        match address:
            case "/stems/hello":
                yield encode("/stems/reply", "ssiis", address, "1", 1, 9, "")
            case "/stems/put":
                yield encode("/stems/reply", "ssh", address, first, rest[1])
            case "/stems/separate":
                yield encode("/stems/reply", "sss", address, first, "done")
                for number, path in enumerate(self._paths):
                    yield encode("/stems/stem", "siiss", first, number, 9, f"stem{number}", path)
                yield encode("/stems/done", "sis", first, len(self._paths), "/outcome.json")
            case "/stems/get":
                yield encode("/stems/reply", "sssis", address, first, rest[0], len(CONTENT), digest)
                yield encode("/stems/data", "sib", f"{first}/{rest[0]}", 0, CONTENT)


@contextmanager
def hostile(paths: list[str]) -> Iterator[int]:
    server = Hostile(paths)
    thread = threading.Thread(target=server.serve, daemon=True)
    thread.start()
    yield server.port
    thread.join(PATIENCE_S)


def send(folder: Path, paths: list[str], *options: str) -> tuple[int, str]:
    source = SONGS / "sodium.ogg"
    with hostile(paths) as port:
        to = ("--to", f"{HOST}:{port}", "--upload", *options)
        run = stemtool("send", source, "-o", folder, *to, timeout=60)
    return run.returncode, run.stderr


@pytest.mark.parametrize(
    "path",
    ["/x/.bashrc", "/x/.hidden.wav", "a.wav/..", "", "/x/run.sh"],
)
def test_only_names_of_audio_files_are_taken(path: str, tmp_path: Path) -> None:
    (folder := tmp_path / "home").mkdir()
    code, said = send(folder, ["/x/vocals.wav", path], "--overwrite")
    assert code == 1
    assert "not the name of an audio file" in said
    assert "Traceback" not in said
    assert {each.name for each in folder.iterdir()} <= {"status"}
    assert {each.name for each in tmp_path.iterdir()} == {"home"}


def test_two_stems_are_not_one_file(tmp_path: Path) -> None:
    code, said = send(tmp_path / "out", ["/x/a.wav", "/y/a.wav"])
    assert code == 1
    assert "nothing was fetched" in said


def test_folders_of_the_servers_are_none_of_ours(tmp_path: Path) -> None:
    code, said = send(tmp_path / "out", ["/etc/cron.d/a.wav", "../../b.wav"])
    assert code == 0, said
    fetched = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    assert fetched == {"a.wav": CONTENT, "b.wav": CONTENT}


def test_what_exists_stays(tmp_path: Path) -> None:
    (folder := tmp_path / "out").mkdir()
    (folder / "b.wav").write_bytes(b"mine")
    code, said = send(folder, ["/x/a.wav", "/x/b.wav"])
    assert code == 2
    assert "--overwrite replaces it" in said
    assert (folder / "b.wav").read_bytes() == b"mine"
    assert not (folder / "a.wav").exists()
