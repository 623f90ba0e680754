"""The tool in a real Audacity: stems on tracks, to the sample, whatever is selected."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import soundfile

from daw_bridge import Audio
from daw_bridge.daw.audacity.choices import palette_of
from daw_bridge.library.places import cache_folder
from tests.conftest import SONGS
from tests.daw.audacity import Audacity, Window, find_windows, make_audacity
from tests.daw.conftest import labelled
from tests.programs import require
from tests.server import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from daw_bridge import Separator
    from daw_bridge.daw.audacity.pipe import ScriptPipe

TITLE = "Separate into Stems"
TOOL = TITLE.title().replace(" ", "")
MODEL = "spleeter-2stems"
STEMS = ("vocals", "accompaniment")
SCREENSHOTS_VARIABLE = "DAW_BRIDGE_SCREENSHOTS"  # a folder for pictures, such as docs
NULL_DB = -120.0
FLOAT_WAV = 65_542  # of libsndfile
WAV_PREFERENCE = "/FileFormats/ExportFormat_SF1_Type/WAV_10000"
PREFERENCES = {
    WAV_PREFERENCE: "65538",  # 16 bits
    "/FileFormats/ExternalProgramExportCommand": 'lame -b 192 - "%f.mp3"',
}
A_WHILE_S = 90.0
SIZE = "1120x694+0+0"  # of the window


@pytest.fixture(scope="module")
def audacity(tmp_path_factory: pytest.TempPathFactory, network_path: Path) -> Iterator[Audacity]:
    """Audacity with the tool, and whatever server it starts."""
    audacity = make_audacity(tmp_path_factory.mktemp("audacity"))
    (audacity.bridge / "weights").symlink_to(cache_folder() / "weights")
    assert audacity.stemtool("daw", "install", "audacity").returncode == 0
    yield audacity
    kill_server(audacity)


@pytest.fixture(scope="module")
def pipe(window: Window) -> Iterator[ScriptPipe]:
    """The one connection that all commands take."""
    with window.connect() as pipe:
        yield pipe


@pytest.fixture(scope="module")
def window(audacity: Audacity) -> Iterator[Window]:
    with audacity.open() as window:
        yield window


@pytest.fixture(autouse=True)
def _new_project(pipe: ScriptPipe) -> None:
    """Leave no tracks: the first file that is imported then gives the sample rate."""
    if pipe.read("Tracks"):
        pipe.do("SelectAll")
        pipe.do("RemoveTracks")


@pytest.fixture(scope="module")
def songs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight seconds of a song: in stereo, on one channel, and as if it had been at 48 kHz."""
    song = Audio.read(SONGS / "rubidium.ogg").samples[:, : 8 * 44_100]
    folder = tmp_path_factory.mktemp("songs")
    soundfile.write(folder / "Song.wav", song.T, 44_100, "FLOAT")
    soundfile.write(folder / "Voice.wav", song[0], 44_100, "FLOAT")
    soundfile.write(folder / "Song 48.wav", song.T, 48_000, "FLOAT")
    soundfile.write(folder / "Voice 48.wav", song[1], 48_000, "FLOAT")
    soundfile.write(folder / "Long.wav", np.tile(song, 12).T, 44_100, "FLOAT")
    return folder


def kill_server(audacity: Audacity) -> None:
    """End the server, if there is one, as a power cut would."""
    file = audacity.bridge / "state" / "server"
    with suppress(FileNotFoundError, ProcessLookupError):
        facts = dict(line.split("=", 1) for line in file.read_text("utf-8").splitlines())
        os.kill(int(facts["pid"]), signal.SIGKILL)
        file.unlink()


def select(pipe: ScriptPipe, tracks: Sequence[int], start: float, end: float) -> None:
    for track in tracks:
        mode = "Set" if track == tracks[0] else "Add"
        pipe.do("SelectTracks", Track=track, TrackCount=1, Mode=mode)
    pipe.do("SelectTime", Start=f"{start:.9f}", End=f"{end:.9f}", RelativeTo="ProjectStart")


def separate(
    window: Window,
    pipe: ScriptPipe,
    *,
    model: str = MODEL,
    stems: str = "all",
    source: str = "mute",
) -> str:
    """Run the tool; return what it says, in a box that is closed then."""
    log = log_of(window)
    log.unlink(missing_ok=True)
    closing = threading.Thread(target=close_box, args=(window, log), daemon=True)
    closing.start()
    pipe.ask(TOOL, patience_s=A_WHILE_S, MODEL=model, STEMS=stems, SOURCE=source)
    closing.join()
    return log.read_text("utf-8").strip()


def log_of(window: Window) -> Path:
    return window.audacity.bridge / "state" / "audacity.log"


def close_box(window: Window, log: Path) -> None:
    """Press OK if the tool says something when it ends."""
    wait_until(lambda: log.exists() and log.read_text("utf-8").endswith("\n"))
    if log.read_text("utf-8").strip():
        wait_until(lambda: len(window.titles()) > 1)
        window.press("Return")


def read_tracks(pipe: ScriptPipe) -> dict[str, tuple[int, bool]]:
    """Return the tracks from the top down: their channels, and whether they are muted."""
    return {
        row["name"]: (row.get("channels", 0), bool(row.get("mute"))) for row in pipe.read("Tracks")
    }


def play(pipe: ScriptPipe, track: int, channels: int, path: Path) -> Audio:
    """Return what Audacity exports of the time selection on one track."""
    pipe.do("SelectTracks", Track=track, TrackCount=1, Mode="Set")
    pipe.do("SetTrackAudio", Mute=0)
    pipe.do("SetPreference", Name=WAV_PREFERENCE, Value=FLOAT_WAV)
    pipe.do("Export2", Filename=path, NumChannels=channels)
    return Audio.read(path)


def assert_null(mixture: Audio, stems: Sequence[Audio]) -> None:
    """Assert that stems sum to their mixture."""
    rest = mixture.samples - np.sum([stem.samples for stem in stems], axis=0, dtype=np.float64)
    assert mixture.samples.std() > 0.01
    assert 20 * np.log10(rest.std() / mixture.samples.std() + 1e-12) < NULL_DB


@contextmanager
def preferences(pipe: ScriptPipe) -> Iterator[None]:
    """Have preferences of the user's own, and find them as they were."""
    for name, value in PREFERENCES.items():
        pipe.do("SetPreference", Name=name, Value=value)
    yield
    for name, value in PREFERENCES.items():
        assert pipe.do("GetPreference", Name=name) == value


def test_refusals_are_one_sentence(window: Window, pipe: ScriptPipe, songs: Path) -> None:
    pipe.do("Import2", Filename=songs / "Song.wav")
    select(pipe, [0], 1.0, 2.0)
    assert separate(window, pipe, stems="piano") == (
        "spleeter-2stems makes vocals, accompaniment, not piano: choose one of these, or another"
        " model."
    )
    assert not (window.audacity.bridge / "state" / "server").exists()
    roots = window.audacity.bridge / "state" / "roots"
    roots.write_bytes(b"\xff\n")
    with preferences(pipe):
        said = separate(window, pipe)
    roots.unlink()
    assert "roots cannot be read" in said
    assert len(said.splitlines()) == 1
    assert list(read_tracks(pipe)) == ["Song"]


def test_stems_come_below_their_track_to_the_sample(
    window: Window, pipe: ScriptPipe, songs: Path, separator: Separator, tmp_path: Path
) -> None:
    """The server is started by the tool, as nobody else has."""
    assert not (window.audacity.bridge / "state" / "server").exists()
    pipe.do("Import2", Filename=songs / "Song.wav")
    pipe.do("Import2", Filename=songs / "Voice.wav")
    start, end = 92_611 / 44_100, 231_013 / 44_100
    select(pipe, [0], start, end)
    with preferences(pipe):
        assert separate(window, pipe) == ""
    assert read_tracks(pipe) == {
        "Song": (2, True),
        labelled("Song", "vocals"): (2, False),
        labelled("Song", "accompaniment"): (2, False),
        "Voice": (1, False),
    }
    assert [row["selected"] for row in pipe.read("Tracks")] == [1, 0, 0, 0]
    colours = [row["color"] for row in pipe.read("Clips")]
    assert colours[1:3] == [palette_of(stem) for stem in STEMS]
    mixture, *stems = (play(pipe, track, 2, tmp_path / f"{track}.wav") for track in range(3))
    song = Audio.read(songs / "Song.wav")
    np.testing.assert_array_equal(mixture.samples, song.samples[:, 92_611:231_013])
    assert_null(mixture, stems)
    expected = separator.separate(mixture)
    for stem, name in zip(stems, STEMS, strict=True):
        np.testing.assert_allclose(stem.samples, expected[name].samples, atol=2.0**-22)


def test_two_tracks_at_once_at_48_khz(
    window: Window, pipe: ScriptPipe, songs: Path, tmp_path: Path
) -> None:
    """Each by itself, also the one that was muted; stems of a mono track are mono."""
    pipe.do("Import2", Filename=songs / "Voice 48.wav")
    pipe.do("Import2", Filename=songs / "Song 48.wav")
    pipe.do("SelectTracks", Track=1, TrackCount=1, Mode="Set")
    pipe.do("SetTrackAudio", Mute=1)
    select(pipe, [0, 1], 33_331 / 48_000, 200_003 / 48_000)
    assert separate(window, pipe, source="keep") == ""
    tracks = {"Voice 48": (1, False), "Song 48": (2, True)}
    assert read_tracks(pipe) == {
        name: (channels, is_muted and name == track)
        for track, (channels, is_muted) in tracks.items()
        for name in (track, *(labelled(track, stem) for stem in STEMS))
    }
    for first, channels in ((0, 1), (3, 2)):
        mixture, *stems = (
            play(pipe, first + index, channels, tmp_path / f"{first + index}.wav")
            for index in range(3)
        )
        assert mixture.sample_rate_hz == 48_000
        assert mixture.samples.shape == (channels, 200_003 - 33_331)
        assert_null(mixture, stems)
    pipe.do("SelectAll")
    assert separate(window, pipe, stems="no vocals", source="keep") == ""
    assert list(read_tracks(pipe)) == [
        name
        for track in tracks
        for name in (
            track, labelled(track, "no vocals"), *(labelled(track, stem) for stem in STEMS)
        )
    ]  # fmt: skip


def test_what_is_separated_is_what_would_be_heard(
    window: Window, pipe: ScriptPipe, songs: Path, tmp_path: Path
) -> None:
    """With gain and pan, though another track is solo; labels are no audio, and names no code."""
    pipe.do("Import2", Filename=songs / "Voice.wav")
    pipe.do("SetTrackStatus", Name='a "b" \\ <c> \N{GRINNING FACE}; %')
    pipe.do("SetTrackAudio", Pan=-50, Gain=-6)
    pipe.do("Import2", Filename=songs / "Song.wav")
    pipe.do("SetTrackAudio", Solo=1)
    pipe.do("NewLabelTrack")
    select(pipe, [0, 2], 1.0, 2.5)
    assert separate(window, pipe) == ""
    rows = pipe.read("Tracks")
    assert [row["name"] for row in rows[3:]] == ["Song", "Labels 1"]
    assert [row["name"] for row in rows[1:3]] == [
        labelled("a _b_  _c_ _; %", stem) for stem in STEMS
    ]
    assert [row.get("solo", 0) for row in rows] == [0, 0, 0, 1, 0]
    pipe.do("SelectTracks", Track=3, TrackCount=1, Mode="Set")
    pipe.do("SetTrackAudio", Solo=0)
    mixture, *stems = (play(pipe, track, 2, tmp_path / f"{track}.wav") for track in range(3))
    assert mixture.samples[0].std() > 1.5 * mixture.samples[1].std()
    assert_null(mixture, stems)


def test_what_goes_wrong_inside_is_told(window: Window, pipe: ScriptPipe, songs: Path) -> None:
    pipe.do("Import2", Filename=songs / "Voice.wav")
    pipe.do("SetTrackStatus", Name="a\\")
    pipe.do("SelectAll")
    with preferences(pipe):
        assert separate(window, pipe).startswith("The tool failed. Does the name of a track end in")


def test_it_can_be_called_off(window: Window, pipe: ScriptPipe, songs: Path) -> None:
    pipe.do("Import2", Filename=songs / "Long.wav")
    pipe.do("SelectAll")
    pressing = threading.Thread(target=press_cancel, args=(window,), daemon=True)
    pressing.start()
    with preferences(pipe):
        assert separate(window, pipe) == ""
    pressing.join()
    assert read_tracks(pipe) == {"Long": (2, False)}
    inbox = window.audacity.bridge / "state" / "inbox"
    wait_until(lambda: not [*inbox.glob("*.request"), *inbox.glob("*.cancel")])
    latest = max(inbox.glob("audacity-*/status"), key=lambda path: path.stat().st_mtime)
    assert "state=cancelled" in latest.read_text("utf-8")


def press_cancel(window: Window) -> None:
    """Press the button of the export once a job runs."""
    inbox = window.audacity.bridge / "state" / "inbox"
    wait_until(
        lambda: any("state=running" in file.read_text("utf-8") for file in inbox.glob("*/status"))
    )
    wait_until(lambda: bool(find_windows(window.display, "^Export$")))
    window.press("alt+c")


def open_dialog(window: Window) -> None:
    """Press what a person presses."""
    log_of(window).unlink(missing_ok=True)
    window.press("alt+o", "Up", "Return")  # the last entry of Tools
    wait_until(lambda: TITLE in window.titles())


def test_the_dialog_remembers(window: Window, pipe: ScriptPipe, songs: Path) -> None:
    pipe.do("Import2", Filename=songs / "Song.wav")
    select(pipe, [0], 1.0, 2.0)
    open_dialog(window)
    window.press("Tab", "Tab", "Tab", "Down", "shift+Tab", "shift+Tab", "space")
    wait_until(log_of(window).exists)
    assert list(read_tracks(pipe)) == ["Song", labelled("Song", "vocals")]
    settings = (window.audacity.config / "pluginsettings.cfg").read_text("utf-8")
    assert f'MODEL="{MODEL}" SOURCE="mute" STEMS="vocals"' in settings


def photograph(window: Window, path: Path) -> None:
    """Write a picture of Audacity alone."""
    time.sleep(2)  # nothing tells when all waveforms are drawn
    command = [require("import"), "-window", "root", "-crop", SIZE, "+repage", "+dither"]
    environment = os.environ | {"DISPLAY": window.display}
    subprocess.run([*command, "-colors", "48", f"png8:{path}"], env=environment, check=True)


@pytest.mark.skipif(
    SCREENSHOTS_VARIABLE not in os.environ,
    reason=f"{SCREENSHOTS_VARIABLE} names no folder for the pictures in the documentation",
)
def test_pictures_for_the_documentation(window: Window, pipe: ScriptPipe, songs: Path) -> None:
    folder = Path(os.environ[SCREENSHOTS_VARIABLE])
    pipe.do("Import2", Filename=songs / "Song.wav")
    select(pipe, [0], 1.0, 7.0)
    open_dialog(window)
    photograph(window, folder / "audacity-dialog.png")
    window.press("Escape")
    wait_until(lambda: TITLE not in window.titles())
    assert separate(window, pipe, model="bridge-4stems") == ""
    for command in ("FitInWindow", "FitV"):
        pipe.do(command)
    photograph(window, folder / "audacity.png")
