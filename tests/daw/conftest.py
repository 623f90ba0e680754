"""A real server for the clients, songs to send it, and the stems that must come back."""

from __future__ import annotations

import os
import socket
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import soundfile

from daw_bridge import Audio
from daw_bridge.library.places import HOME_VARIABLE
from tests.conftest import SONGS
from tests.server import HOST, Server
from tests.stemtool import STEMTOOL

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from daw_bridge import Separator

ROOT = Path(__file__).parents[2]
CLIENTS = ROOT / "daw_bridge" / "daw"
PAGE = ROOT / "docs" / "clients.md"


@pytest.fixture(scope="session")
def server(network_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One real server for all clients; every ``tmp_path`` is under its root."""
    state = tmp_path_factory.mktemp("home") / "state"
    with Server(tmp_path_factory.getbasetemp(), state) as server:
        yield server


@pytest.fixture
def deaf_server(tmp_path: Path) -> Server:
    """What a server that was killed leaves: a file that names a port where nobody listens."""
    server = Server(tmp_path, tmp_path / "home" / "state")
    server.state.mkdir(parents=True)
    (server.state / "server").write_text(f"host={HOST}\nport={free_port()}\n", "utf-8")
    return server


@pytest.fixture(scope="session")
def song_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three seconds of a real song, in a file whose name is hard to quote."""
    song = Audio.read(SONGS / "rubidium.ogg")
    path = tmp_path_factory.mktemp("songs") / 'it\'s 100% "Bass" & $HOME, dü.wav'
    start = 4 * song.sample_rate_hz
    part = song.samples[:, start : start + 3 * song.sample_rate_hz]
    soundfile.write(path, part.T, song.sample_rate_hz, "PCM_16")
    return path


@pytest.fixture(scope="session")
def long_song_path(song_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a song that takes long enough to be called off."""
    samples, sample_rate_hz = soundfile.read(song_path, dtype="int16")
    path = tmp_path_factory.mktemp("long") / "long.wav"
    soundfile.write(path, np.tile(samples, (100, 1)), sample_rate_hz)
    return path


def free_port() -> int:
    """Return a UDP port of this machine that is free."""
    with socket.socket(type=socket.SOCK_DGRAM) as datagrams:
        datagrams.bind((HOST, 0))
        port: int = datagrams.getsockname()[1]
        return port


def labelled(label: str, stem: str) -> str:
    """Return what a stem of something is called, in files, tracks and takes."""
    return f"{label} – {stem}"  # noqa: RUF001


def assert_stems(stems: Mapping[str, Path], mixture: Audio, separator: Separator) -> None:
    """Assert that files hold what the Python API makes of a mixture, to 24 bits."""
    expected = separator.separate(mixture)
    assert tuple(stems) == expected.names
    for name, path in stems.items():
        written = Audio.read(path)
        assert written.sample_rate_hz == mixture.sample_rate_hz
        np.testing.assert_allclose(written.samples, expected[name].samples, atol=2.0**-22)


def install(name: str, home: Path, server: Server) -> Path:
    """Install a client for a server into a program's own folder; return what holds it now."""
    run = subprocess.run(
        [str(STEMTOOL), "daw", "install", name, "--into", str(home)],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, HOME_VARIABLE: str(server.state.parent)},
    )
    return Path(run.stdout.splitlines()[0].partition(": ")[2])
