"""A real server for the clients, a short song to send it, and the stems that must come back."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import soundfile

from daw_bridge import Audio
from tests.conftest import SONGS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from daw_bridge import Separator

HOST = "127.0.0.1"
STEMTOOL = Path(sys.executable).with_name("stemtool")
CLIENTS = Path(__file__).parents[2] / "daw_bridge" / "daw"
START_S = 60.0
END_S = 20.0


@dataclass(frozen=True)
class Server:
    """A server that runs: where it listens, where it keeps its state, what it may touch."""

    port: int
    state: Path
    root: Path


@contextmanager
def serve(root: Path, state: Path) -> Iterator[Server]:
    """Run ``stemtool serve`` on a free port, from its first reply until the block ends."""
    port = free_port()
    command: list[object] = [STEMTOOL, "serve", "--port", port, "--root", root, "--state", state]
    state.mkdir(parents=True, exist_ok=True)
    with (
        (state / "log").open("w") as log,
        subprocess.Popen([*map(str, command)], stderr=log) as process,
    ):
        try:
            wait_for(state / "server", process)
            yield Server(port, state, root)
        finally:
            process.terminate()
            try:
                process.wait(END_S)
            except subprocess.TimeoutExpired:
                process.kill()


def wait_for(path: Path, process: subprocess.Popen[bytes], timeout_s: float = START_S) -> None:
    """Return once a process has written a file; fail with its log if it ends or takes too long."""
    deadline = time.monotonic() + timeout_s
    while not path.exists():
        if process.poll() is not None or time.monotonic() > deadline:
            pytest.fail(f"The server did not start:\n{path.with_name('log').read_text()}")
        time.sleep(0.05)


def free_port() -> int:
    """Return a port of this machine that is free for UDP and for TCP."""
    while True:
        with socket.socket() as stream, socket.socket(type=socket.SOCK_DGRAM) as datagrams:
            stream.bind((HOST, 0))
            port: int = stream.getsockname()[1]
            try:
                datagrams.bind((HOST, port))
            except OSError:
                continue
            return port


@pytest.fixture(scope="session")
def server(network_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One real server for all clients; every ``tmp_path`` is under its root."""
    with serve(tmp_path_factory.getbasetemp(), tmp_path_factory.mktemp("state")) as server:
        yield server


@pytest.fixture(scope="session")
def song_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three seconds of a real song, in a file whose name is hard to quote."""
    song = Audio.read(SONGS / "rubidium.ogg")
    path = tmp_path_factory.mktemp("songs") / 'it\'s 100% "Bass" & $HOME, dü.wav'
    start = 4 * song.sample_rate_hz
    part = song.samples[:, start : start + 3 * song.sample_rate_hz]
    soundfile.write(path, part.T, song.sample_rate_hz, "PCM_16")
    return path


@pytest.fixture
def plain_song_path(song_path: Path, tmp_path: Path) -> Path:
    """Return the same song in a file whose name is easy, for programs that need one."""
    path = tmp_path / "song.wav"
    path.write_bytes(song_path.read_bytes())
    return path


def assert_stems(stems: Mapping[str, Path], mixture: Audio, separator: Separator) -> None:
    """Assert that files hold what the Python API makes of a mixture, to 24 bits."""
    expected = separator.separate(mixture)
    assert list(stems) == list(expected)
    for name, path in stems.items():
        written = Audio.read(path)
        assert written.sample_rate_hz == mixture.sample_rate_hz
        np.testing.assert_allclose(written.samples, expected[name].samples, atol=2.0**-22)


def read_status(path: Path) -> dict[str, str]:
    """Return the pairs of a status file."""
    lines = path.read_text("utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines)


def install(name: str, folder: Path, server: Server) -> Path:
    """Copy a client as ``stemtool daw install`` would; return the folder that holds it."""
    folder.mkdir(parents=True, exist_ok=True)
    for source in (CLIENTS / name).iterdir():
        text = source.read_text("utf-8")
        text = text.replace("@STATE@", str(server.state)).replace("@STEMTOOL@", str(STEMTOOL))
        (folder / source.name).write_text(text, "utf-8")
    return folder
