"""``stemtool daw separate audacity``, in a real Audacity: what is selected gets stems below it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import soundfile

from daw_bridge import Audio
from tests.conftest import SONGS
from tests.daw.audacity import Window, make_audacity
from tests.server import Server
from tests.stemtool import STEMTOOL

if TYPE_CHECKING:
    from collections.abc import Iterator

RATE_HZ = 44_100
NULL = 10 ** (-120 / 20)
STEMS = ("vocals", "accompaniment")
WAV_ENCODING = "/FileFormats/ExportFormat_SF1_Type/WAV_10000"
COMMAND = (STEMTOOL, "daw", "separate", "audacity")


@pytest.fixture(scope="module")
def window(tmp_path_factory: pytest.TempPathFactory, network_path: Path) -> Iterator[Window]:
    """One Audacity for all tests, whose user has a model, but no server yet."""
    audacity = make_audacity(tmp_path_factory.mktemp("audacity"))
    (audacity.bridge / "weights").symlink_to(network_path.parents[1])
    with audacity.open() as window:
        yield window
    Server(audacity.folder, audacity.bridge / "state")


@pytest.fixture
def song(window: Window) -> Song:
    """A project with one stereo track."""
    return load(window, "Song")


@dataclass(frozen=True)
class Song:
    """A track in a project that has no other, and its audio."""

    window: Window
    audio: Audio
    name: str

    def select(self, first: int, end: int, *tracks: int) -> None:
        """Select frames of tracks."""
        rate_hz = self.audio.sample_rate_hz
        with self.window.connect() as pipe:
            pipe.do("SelectTime", Start=first / rate_hz, End=end / rate_hz)
            for mode, track in zip(["Set", "Add"], tracks or (0,), strict=False):
                pipe.do("SelectTracks", Track=track, TrackCount=1, Mode=mode)

    def part(self, first: int, end: int) -> np.ndarray[Any, Any]:
        """Return frames of its audio, (channels, frames)."""
        return self.audio.samples[:, first:end]


def load(window: Window, name: str, *, rate_hz: int = RATE_HZ, channels: int = 2) -> Song:
    """Show a song, or its first channel, in a project that has no other track."""
    song = Audio.read(SONGS / "rubidium.ogg")
    samples = song.samples[:channels, : 5 * RATE_HZ]
    path = window.audacity.folder / f"{name}.wav"
    soundfile.write(path, samples.T, rate_hz, "FLOAT")
    with window.connect() as pipe:
        pipe.do("SelectAll")
        pipe.ask("RemoveTracks")
        pipe.do("SetProject", Rate=rate_hz)
        pipe.do("Import2", Filename=path)
    return Song(window, Audio(samples, rate_hz), name)


def test_a_selection_at_odd_samples(song: Song) -> None:
    song.select(44_101, 130_007)
    run = song.window.audacity.stemtool("daw", "separate", "audacity")
    print(run, song.window.titles())
    print(song.window.do("GetInfo", Type="Tracks"))
