"""``stemtool daw separate audacity``, in a real Audacity: what is selected gets stems below it."""

from __future__ import annotations

import os
import signal
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import soundfile
from filelock import FileLock

from daw_bridge import Audio
from daw_bridge.daw.audacity.project import Project as AudacityProject
from daw_bridge.errors import DawError
from daw_bridge.osc.client import Client
from daw_bridge.osc.settings import read_server_file
from tests.conftest import SONGS
from tests.daw.audacity import ONE_AT_A_TIME, Audacity, Window, make_audacity
from tests.daw.conftest import labelled
from tests.server import wait_until
from tests.stemtool import STEMTOOL

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

RATE_HZ = 44_100
QUIET = 10 ** (-120 / 20)
STEMS = ("vocals", "accompaniment")
WAV_ENCODING = "/FileFormats/ExportFormat_SF1_Type/WAV_10000"
PCM_24, FLOAT_32 = "65539", "65542"
SONG_FRAMES = 5 * RATE_HZ


@pytest.fixture(scope="module")
def audacity(tmp_path_factory: pytest.TempPathFactory, network_path: Path) -> Iterator[Audacity]:
    """An Audacity whose user has a model, but no server yet."""
    audacity = make_audacity(tmp_path_factory.mktemp("audacity"))
    (audacity.bridge / "weights").symlink_to(network_path.parents[1])
    yield audacity
    if audacity.server.exists():
        end_server(audacity)


@pytest.fixture(scope="module")
def window(audacity: Audacity) -> Iterator[Window]:
    """One Audacity for all tests."""
    with audacity.open() as window:
        window.do("SetPreference", Name=WAV_ENCODING, Value=PCM_24)
        yield window


@pytest.fixture
def project(window: Window) -> Iterator[Project]:
    """A project without tracks; what a test changes of preferences and selection fails it."""
    with window.connect() as pipe:
        pipe.do("SelectAll")
        pipe.ask("RemoveTracks")
        pipe.do("SetProject", Rate=RATE_HZ)
    yield Project(window)
    assert window.do("GetPreference", Name=WAV_ENCODING) == PCM_24


@dataclass(frozen=True)
class Project:
    """What an Audacity shows."""

    window: Window

    def add(
        self, name: str, *, start_s: float = 0, rate_hz: int = RATE_HZ, channels: int = 2
    ) -> Audio:
        """Put a part of a song, or its first channel, on a track of its own, and return it."""
        samples = Audio.read(SONGS / "rubidium.ogg").samples[:channels, :SONG_FRAMES]
        folder = self.window.audacity.folder
        soundfile.write(folder / "song.wav", samples.T, rate_hz, "FLOAT")
        (folder / "song.lof").write_text(
            f'file "{folder}/song.wav" offset {start_s:.9f}\n', "utf-8"
        )
        with self.window.connect() as pipe:
            pipe.ask("Import2", Filename=folder / "song.lof")
            pipe.do("SetTrackStatus", Name=name)
        return Audio(samples, rate_hz)

    def select(self, start_s: float, end_s: float, *tracks: int) -> None:
        with self.window.connect() as pipe:
            pipe.do("SelectTime", Start=f"{start_s:.9f}", End=f"{end_s:.9f}")
            pipe.do("SelectTracks", Track=0, TrackCount=0, Mode="Set")
            for track in tracks:
                pipe.do("SelectTracks", Track=track, TrackCount=1, Mode="Add")

    def tracks(self) -> list[dict[str, Any]]:
        with self.window.connect() as pipe:
            return pipe.read("Tracks")

    def column(self, key: str) -> list[Any]:
        """Return one thing of each track."""
        return [track.get(key) for track in self.tracks()]

    def edges(self) -> tuple[float, float]:
        """Return what is selected in time."""
        with self.window.connect() as pipe:
            found = AudacityProject(pipe, self.window.audacity.folder).selection()
        return found.start_s, found.end_s

    def state(self) -> tuple[list[dict[str, Any]], tuple[float, float] | None]:
        """Return all that should stay as it is where nothing is done."""
        return self.tracks(), self.edges() if any(self.column("selected")) else None

    def separate(self, *options: object) -> list[str]:
        """Do what is to be tested; return the names of the stems' tracks."""
        run = self.window.audacity.stemtool("daw", "separate", "audacity", *options)
        assert (run.stderr, run.returncode) == ("", 0)
        return run.stdout.splitlines()

    def refuse(self, *options: object) -> str:
        """Do what must not work and changes nothing; return the sentence."""
        before = self.state()
        run = self.window.audacity.stemtool("daw", "separate", "audacity", *options)
        assert run.returncode in (1, 2)
        assert run.stdout == ""
        assert self.state() == before
        return run.stderr

    def play(self, start_s: float, frames: int, rate_hz: int, *tracks: int) -> np.ndarray[Any, Any]:
        """Return what tracks play together, (channels, frames), as exported from Audacity again."""
        path = self.window.audacity.folder / "played.wav"
        path.unlink(missing_ok=True)
        self.select(start_s, start_s + frames / rate_hz, *tracks)
        channels = {track["channels"] for track in self.tracks() if track["selected"]}
        with self.window.connect() as pipe:
            pipe.do("SetPreference", Name=WAV_ENCODING, Value=FLOAT_32)
            pipe.do("Export2", Filename=path, NumChannels=max(channels))
            pipe.do("SetPreference", Name=WAV_ENCODING, Value=PCM_24)
        return Audio.read(path).samples


def test_without_audacity_it_is_said_at_once(audacity: Audacity) -> None:
    with FileLock(ONE_AT_A_TIME):
        run = audacity.stemtool("daw", "separate", "audacity")
    assert run.returncode == 1
    assert run.stderr.startswith("stemtool: Audacity is not running, or its script pipe is off")


def test_the_stems_of_a_selection_are_below_their_source_to_the_sample(project: Project) -> None:
    song = project.add('It\'s "B" \\d')
    project.add("Other")
    first, end = 44_101, 130_007
    project.window.do("NewLabelTrack")
    project.window.do("SetTrackStatus", Name="Labels 1")
    project.select(first / RATE_HZ, end / RATE_HZ, 0, 2)
    selected = project.edges()
    assert not project.window.audacity.server.exists()  # it is started now

    names = project.separate()

    assert names == [labelled('It\'s "B" \\d', stem) for stem in STEMS]
    assert project.column("name") == ['It\'s "B" \\d', *names, "Other", "Labels 1"]
    assert project.column("mute") == [1, 0, 0, 0, None]
    assert project.column("selected") == [1, 0, 0, 0, 1]
    assert project.edges() == selected
    around = project.play((first - 2) / RATE_HZ, end - first + 4, RATE_HZ, 1, 2)
    assert not around[:, :2].any()
    assert around.shape[1] == 2 + end - first  # nothing is behind the end
    assert np.abs(around[:, 2:] - song.samples[:, first:end]).max() <= QUIET
    assert np.abs(project.play(first / RATE_HZ, end - first, RATE_HZ, 1)).max() > 0.01


def test_two_tracks_each_by_itself_and_no_stems_of_theirs(project: Project) -> None:
    mono = project.add("Voice", channels=1)
    project.add("Between")
    stereo = project.add("Song")
    project.select(1, 2, 0, 2)
    project.separate("--keep-source", "--minus", "vocals")
    project.select(0.5, 1.5, 0, 1, 3, 4)

    names = project.separate()

    assert names == [labelled(track, stem) for track in ("Voice", "Song") for stem in STEMS]
    of_voice, of_song = names[:2], names[2:]
    assert project.column("name") == [
        "Voice", *of_voice, labelled("Voice", "no vocals"), "Between",
        "Song", *of_song, labelled("Song", "no vocals"),
    ]  # fmt: skip
    assert project.column("mute") == [1, 0, 0, 0, 0, 1, 0, 0, 0]
    assert project.column("channels") == [1, 1, 1, 1, 2, 2, 2, 2, 2]
    assert project.column("selected") == [1, 0, 0, 1, 0, 1, 0, 0, 1]
    for track, audio in ((0, mono), (5, stereo)):
        played = project.play(0.5, RATE_HZ, RATE_HZ, track + 1, track + 2)
        expected = audio.samples[:, RATE_HZ // 2 : RATE_HZ * 3 // 2]
        assert np.abs(played - expected).max() <= QUIET


def test_all_of_a_muted_track_far_behind_at_48_khz_where_no_time_is_selected(
    project: Project,
) -> None:
    project.window.do("SetProject", Rate=48_000)
    start_s = 12_345_679 / 48_000
    song = project.add("Song", start_s=start_s, rate_hz=48_000)
    project.window.do("SetTrackAudio", Mute=1)
    project.select(1.5, 1.5, 0)

    project.separate()

    assert project.column("mute") == [1, 0, 0]
    assert project.column("solo") == [0, 0, 0]
    assert project.edges() == (1.5, 1.5)
    played = project.play(start_s, SONG_FRAMES, 48_000, 1, 2)
    assert np.abs(played - song.samples).max() <= QUIET


def test_what_cannot_be_separated_is_said_and_nothing_changes(project: Project) -> None:
    project.add("Song")
    project.select(1, 2)
    assert "No audio track is selected in Audacity" in project.refuse()
    project.select(7, 8, 0)
    assert "There is no audio in what is selected in Audacity" in project.refuse()
    project.select(1, 2, 0)
    assert "kazoo" in project.refuse("--stems", "kazoo")


def test_an_interruption_calls_the_job_off(project: Project) -> None:
    project.add("Song")
    with project.window.connect() as pipe:
        pipe.do("SelectAll")
        pipe.do("Repeat", Count=40)
    project.select(1, 190, 0)
    audacity, before = project.window.audacity, project.state()
    command = [str(STEMTOOL), "daw", "separate", "audacity"]
    with (
        subprocess.Popen(command, env=audacity.environment, stderr=subprocess.PIPE) as running,
        Client(port=server_port(audacity)) as client,
    ):
        wait_until(lambda: any(job.state == "running" for job in client.jobs()))
        running.send_signal(signal.SIGINT)
        assert running.communicate(timeout=30)[1].lstrip().startswith(b"stemtool: interrupted")
        wait_until(lambda: client.jobs()[-1].state == "cancelled")
    assert running.returncode == 130
    assert project.state() == before


def test_who_is_interrupted_reads_the_answer_first(project: Project) -> None:
    before = signal.signal(signal.SIGALRM, signal.default_int_handler)
    try:
        with project.window.connect() as pipe:
            signal.setitimer(signal.ITIMER_REAL, 0.02)
            with pytest.raises(KeyboardInterrupt):
                pipe.do("GetInfo", Type="Commands", Format="JSON")
            assert pipe.read("Tracks") == []
            with pytest.raises(DawError, match="takes no command as long"):
                pipe.do("SetTrackStatus", Name="o" * 1000)
            with pytest.raises(DawError, match="takes no line breaks"):
                pipe.do("SetTrackStatus", Name="two\nlines")
            with pytest.raises(DawError, match=r"did not do Nonsense: .*not recognized"):
                pipe.do("Nonsense")
    finally:
        signal.signal(signal.SIGALRM, before)


def test_a_question_that_nobody_answers_is_not_waited_for(window: Window) -> None:
    with window.connect() as pipe:
        with pytest.raises(DawError, match="it may be showing a question"):
            pipe.do("GetInfo", Type="Nonsense", patience_s=1)
        with pytest.raises(DawError, match="it may be showing a question"):
            pipe.do("SelectAll", patience_s=60)  # but is told at once


def server_port(audacity: Audacity) -> int:
    return int(read_server_file(audacity.server.parent)["port"])


def end_server(audacity: Audacity) -> None:
    """End the server that was started on demand."""
    os.kill(int(read_server_file(audacity.server.parent)["pid"]), signal.SIGTERM)
    wait_until(lambda: not audacity.server.exists())
