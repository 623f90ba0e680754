"""Servers and audio to send them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from daw_bridge import Audio
from tests.conftest import SONGS
from tests.server import Server


@pytest.fixture(scope="module")
def server(network_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for the tests of a module; their ``tmp_path`` is below its root."""
    root = tmp_path_factory.getbasetemp()
    with Server(root, tmp_path_factory.mktemp("state")) as server:
        yield server


@pytest.fixture
def clip(tmp_path: Path, song: Audio) -> Path:
    """Two seconds of a real song."""
    path = tmp_path / "clip.wav"
    samples = song.samples[:, 200_000 : 200_000 + 2 * song.sample_rate_hz]
    soundfile.write(path, samples.T, song.sample_rate_hz, "PCM_24")
    return path


@pytest.fixture
def long(tmp_path: Path) -> Path:
    """Ten minutes of a real song, again and again."""
    path = tmp_path / "long.wav"
    song = Audio.read(SONGS / "rubidium.ogg")
    soundfile.write(path, np.tile(song.samples.T, (30, 1)), song.sample_rate_hz, "PCM_16")
    return path
