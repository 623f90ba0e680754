"""What a server keeps: damaged by a power cut, or spoilt by a client."""

from __future__ import annotations

import hashlib
import shutil
import sqlite3
import stat
from typing import TYPE_CHECKING

import pytest

from tests.attacks.client import Tcp, Udp
from tests.attacks.serving import assert_prompt, finished, serving, write_song
from tests.attacks.victims import some
from tests.server import Server

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def _upload(client: Udp, transfer: str, data: bytes, name: str = "song.wav") -> None:
    digest = hashlib.sha256(data).hexdigest()
    answer = client.ask("/stems/put", "sshs", transfer, name, len(data), digest)
    assert answer.arguments[-1] == 0, answer
    client.send("/stems/data", "shb", transfer, 0, data)
    assert client.receive().arguments == ["/stems/data", transfer, len(data)]


@pytest.fixture(scope="module")
def used(library: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a server that has done a job, has an upload, and was killed."""
    folder = tmp_path_factory.mktemp("used")
    with serving(library, folder) as server, Tcp(server.port) as client:
        song = write_song(server.root / "song.wav", 0.5)
        assert finished(client, "done", server.root / "out", song).address == "/stems/done"
        _upload(client, "whole", song.read_bytes())
        digest = hashlib.sha256(bytes(5_000)).hexdigest()
        client.ask("/stems/put", "sshs", "part", "part.wav", 5_000, digest)
        client.send("/stems/data", "shb", "part", 0, bytes(100))
        client.ask("/stems/sync", "i", 1)
        server.kill()
    return folder


def _spoil_files(pattern: str, data: bytes) -> Callable[[Path], None]:
    def spoil(state: Path) -> None:
        files = [path for path in state.rglob(pattern) if path.is_file()]
        assert files, pattern
        for path in files:
            path.write_bytes(data)

    return spoil


def _spoil_records(record: object) -> Callable[[Path], None]:
    def spoil(state: Path) -> None:
        (path,) = [path for path in state.iterdir() if _is_database(path)]
        with sqlite3.connect(path) as database:
            assert database.execute("UPDATE jobs SET record = ?", (record,)).rowcount
        database.close()

    return spoil


def _spoil_database(data: bytes) -> Callable[[Path], None]:
    def spoil(state: Path) -> None:
        (path,) = [path for path in state.iterdir() if _is_database(path)]
        path.write_bytes(data or path.read_bytes()[:5_000])

    return spoil


def _is_database(path: Path) -> bool:
    return path.is_file() and path.read_bytes()[:15] == b"SQLite format 3"


def _remove_parts(state: Path) -> None:
    for path in state.rglob("part"):
        path.unlink()


_DAMAGE: dict[str, Callable[[Path], None]] = {
    "announcement emptied": _spoil_files("announced.json", b""),
    "announcement zeroed": _spoil_files("announced.json", bytes(200)),
    "announcement cut": _spoil_files("announced.json", b'{"transfer": "who'),
    "announcement of another kind": _spoil_files("announced.json", b'{"size": -1}'),
    "announcement of another file": _spoil_files(
        "announced.json",
        b'{"transfer":"whole","name":"../../../x","size":9223372036854775807,"sha256":"0"}',
    ),
    "part gone": _remove_parts,
    "record emptied": _spoil_records(""),
    "record zeroed": _spoil_records(bytes(100)),
    "record cut": _spoil_records('{"task": {"job": "do'),
    "record of another kind": _spoil_records("[" * 50_000),
    "record gone": _spoil_records(7),
    "database zeroed": _spoil_database(bytes(8_192)),
    "database cut": _spoil_database(b""),
    "database of another kind": _spoil_database(b"no database " * 1_000),
    "log of the database": _spoil_files("*-wal", b"\xff" * 5_000),
}


@pytest.mark.parametrize("damage", some(_DAMAGE))
def test_a_server_with_damaged_memory_starts_and_serves(
    damage: str, used: Path, library: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "server"
    shutil.copytree(used, folder)
    _DAMAGE[damage](folder / "state")
    with serving(library, folder) as server, Tcp(server.port) as client:
        assert_prompt(server)
        song = write_song(server.root / "song.wav", 0.5)
        ended = finished(client, "after", server.root / "out-after", song)
        assert ended.address == "/stems/done"
        _upload(client, "after", song.read_bytes())


@pytest.mark.parametrize("offset", [0, -1, 1, 1 << 62])
def test_an_empty_piece_spoils_no_upload(offset: int, server: Server, place: Path) -> None:
    data = write_song(place / "song.wav", 0.5).read_bytes()
    transfer = f"whole-{place.name}"
    with Tcp(server.port) as client:
        _upload(client, transfer, data)
        at = len(data) if offset < 0 else offset
        for _ in range(3):
            client.send("/stems/data", "shb", transfer, at, b"")
        client.send("/stems/sync", "i", 1)
        client.receive("/stems/synced")
        job = f"upload-{place.name}"
        ended = finished(client, job, place / "out", f"transfer:{transfer}")
    assert ended.address == "/stems/done"


@pytest.mark.parametrize(
    "name",
    ["../x", "/tmp/x", "..", ".", "", "part", "announced.json", "x" * 300, "ä" * 200, "a\udcffb",
     "a\nb", "CON", "x.lock"],
)  # fmt: skip
def test_an_upload_s_name_is_a_name(name: str, server: Server, place: Path) -> None:
    data = write_song(place / "song.wav", 0.1).read_bytes()
    transfer, digest = f"name-{place.name}", hashlib.sha256(data).hexdigest()
    outside = sorted(path.name for path in server.state.iterdir())
    with Tcp(server.port) as client:
        answer = client.ask("/stems/put", "sshs", transfer, name, len(data), digest)
        assert "error of its own" not in str(answer.arguments)
        if answer.address == "/stems/reply":
            client.send("/stems/data", "shb", transfer, 0, data)
            assert "error of its own" not in str(client.receive().arguments)
    assert sorted(path.name for path in server.state.iterdir()) == outside


@pytest.mark.parametrize("size", [-1, 0, 1 << 62, (1 << 63) - 1])
def test_an_upload_s_size_is_bounded(size: int, server: Server) -> None:
    with Tcp(server.port) as client:
        said = (f"size-{size}", "song.wav", size, "0" * 64)
        answer = client.ask("/stems/put", "sshs", *said)
    assert answer.address == "/stems/error"
    assert "error of its own" not in str(answer.arguments)


@pytest.mark.parametrize("sha256", ["", "x" * 64, "0" * 63, "ä" * 64, "0" * 10_000])
def test_an_upload_s_hash_is_a_hash(sha256: str, server: Server) -> None:
    with Tcp(server.port) as client:
        answer = client.ask("/stems/put", "sshs", f"hash-{sha256[:9]}", "song.wav", 10, sha256)
    assert "error of its own" not in str(answer.arguments)


def test_uploads_beside_each_other_do_not_mix(server: Server, place: Path) -> None:
    data = write_song(place / "song.wav", 0.5).read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    with Tcp(server.port) as one, Tcp(server.port) as other:
        one.ask("/stems/put", "sshs", "beside", "song.wav", len(data), digest)
        one.send("/stems/data", "shb", "beside", 0, data[:1_000])
        one.ask("/stems/sync", "i", 1)
        other.send("/stems/data", "shb", "beside", 0, b"x" * 1_000)
        assert other.receive().address == "/stems/error"
        one.send("/stems/data", "shb", "beside", 1_000, data[1_000:])
        assert one.receive().arguments == ["/stems/data", "beside", len(data)]


def test_a_neighbour_cannot_look_into_what_is_kept(server: Server) -> None:
    assert stat.S_IMODE(server.state.stat().st_mode) == 0o700
