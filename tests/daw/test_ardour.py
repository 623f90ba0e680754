"""The scripts for Ardour, in a real Ardour: press a key, and stems are on tracks."""

from __future__ import annotations

import os
import re
import signal
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from daw_bridge import Audio
from tests.daw.ardour import (
    OF,
    RATE_HZ,
    SEPARATE,
    SEPARATE_AGAIN,
    Ardour,
    add_region,
    choose,
    make_ardour,
    read_mixture,
    read_regions,
    read_tracks,
)
from tests.server import Server, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from daw_bridge import Separator

SCREENSHOTS_VARIABLE = "DAW_BRIDGE_SCREENSHOTS"  # a folder for pictures, such as docs
FADE_SAMPLES = 64  # Ardour fades the edges of regions

# Tracks, with the channels, the position and the end of their one region.
TRACKS = {"Song": (2, 100_003, 364_603), "Voice": (1, 33_331, 209_731)}
STEMS = ("vocals", "accompaniment")
ALL_TRACKS = [
    name for track in TRACKS for name in (track, *(f"{track}{OF}{stem}" for stem in STEMS))
]
LOOP = (120_001, 250_011)

# What is pressed to select, and which part of each track is then to be separated.
SELECTIONS = {
    "regions": (
        ["Editor/select-all-objects"],
        {track: (position, end) for track, (_, position, end) in TRACKS.items()},
    ),
    # Ardour ends this range on the last sample; only where a region ends is that a mistake.
    "range-of-regions": (
        ["Editor/select-all-objects", "Editor/select-from-regions"],
        {"Song": (33_331, 364_603), "Voice": (33_331, 364_602)},
    ),
    "range": (
        ["Editor/select-all-tracks", "Editor/select-loop-range"],
        {"Song": LOOP, "Voice": LOOP},
    ),
}


@pytest.fixture(scope="module")
def ardour(tmp_path_factory: pytest.TempPathFactory) -> Ardour:
    """An Ardour with our scripts, which ask and show nothing."""
    ardour = make_ardour(tmp_path_factory.mktemp("ardour"))
    run = ardour.stemtool("daw", "install", "ardour")
    assert run.returncode == 0, run.stderr
    choose(ardour)
    return ardour


@pytest.fixture(scope="module")
def server(ardour: Ardour, network_path: Path) -> Iterator[Server]:
    with Server(ardour.folder, ardour.state) as server:
        yield server


def make_session(ardour: Ardour, name: str, song: Audio, rate_hz: int = RATE_HZ) -> Path:
    """Return a saved session that has parts of a song on a stereo and on a mono track."""
    channels = {track: shape[0] for track, shape in TRACKS.items()}
    session = ardour.new_session(name, rate_hz, channels)
    for track, (count, position, end) in TRACKS.items():
        part = Audio(song.samples[:count, : end - position], rate_hz)
        add_region(session, track, part, position)
    return session


def play(song: Audio, track: str, start: int, end: int) -> tuple[np.ndarray, np.ndarray]:
    """Return what a track plays between two samples, and which of it is not in a fade."""
    channels, position, region_end = TRACKS[track]
    played = np.zeros((channels, 400_000), np.float32)
    played[:, position:region_end] = song.samples[:channels, : region_end - position]
    plain = np.ones(400_000, bool)
    for edge in (position, region_end):
        plain[edge - FADE_SAMPLES : edge + FADE_SAMPLES] = False
    return played[:, start:end], plain[start:end]


def assert_stems(
    session: Path, track: str, position: int, mixture: Audio, separator: Separator
) -> None:
    """Assert that below a track there are the stems that the Python API makes of a mixture."""
    regions = {region.track: region for region in read_regions(session)}
    expected = separator.separate(mixture)
    names = [f"{track}{OF}{name}" for name in expected.names]
    below = read_tracks(session).index(track) + 1
    assert read_tracks(session)[below:][: len(names)] == names
    for name, samples in zip(names, expected.samples, strict=True):
        region = regions[name]
        assert (region.position, region.length) == (position, samples.shape[1])
        np.testing.assert_allclose(region.read().samples, samples, atol=1e-6)


@contextmanager
def server_file(ardour: Ardour, content: str | None) -> Iterator[None]:
    """Have the server's own file say something else for a while, or be missing."""
    file = ardour.state / "server"
    told = file.read_text("utf-8")
    file.unlink()
    if content is not None:
        file.write_text(content, "utf-8")
    try:
        yield
    finally:
        file.write_text(told, "utf-8")


@pytest.mark.parametrize("kind", SELECTIONS)
def test_a_selection_becomes_stems_on_new_tracks(
    kind: str, ardour: Ardour, server: Server, song: Audio, separator: Separator
) -> None:
    """Of a stereo and a mono track at once, to the sample; and one undo takes a track's off."""
    actions, parts = SELECTIONS[kind]
    session = make_session(ardour, kind, song)
    with ardour.open(session) as window:
        window.send("/loop_location", "ii", *LOOP)
        window.select(*actions)
        ardour.forget_log()
        window.press(SEPARATE_AGAIN)
        wait_until(lambda: ardour.log.count("are at sample") == len(parts))
        window.save()
        for track, (start, end) in parts.items():
            mixture = read_mixture(session, track)
            played, plain = play(song, track, start, end)
            assert mixture.samples.shape == played.shape
            np.testing.assert_array_equal(mixture.samples[:, plain], played[:, plain])
            assert_stems(session, track, start, mixture, separator)
        assert not (session.parent / "stems.pending").exists()

        (last,) = re.findall(r"The stems of '(.*?)'", ardour.log.splitlines()[-1])
        window.press("Editor/undo")
        window.save()
        left = [region.track for region in read_regions(session)]
        assert left == [track for track in ALL_TRACKS if not track.startswith(last + OF)]


def test_the_dialog_is_confirmed_with_a_key(ardour: Ardour, server: Server, song: Audio) -> None:
    settings = ardour.state / "ardour.settings"
    session = make_session(ardour, "dialog", song)
    choose(ardour, dialogs="yes", model="none-of-these", stems="vocals")
    ardour.forget_log()
    with ardour.open(session) as window:
        window.select("Editor/select-all-objects")
        window.press(SEPARATE)

        def confirm() -> bool:
            window.press_key("Alt_L", "o")
            return "spleeter-2stems" in settings.read_text("utf-8")

        wait_until(confirm)
        wait_until(lambda: ardour.log.count("are at sample") == len(TRACKS))
        window.save()
    choose(ardour)
    assert read_tracks(session) == [
        name for track in TRACKS for name in (track, f"{track}{OF}vocals")
    ]


def test_what_is_done_while_ardour_is_closed_comes_when_the_session_is_opened(
    ardour: Ardour, server: Server, song: Audio
) -> None:
    """On a track whose name is hard to write; a second time, nothing is overwritten."""
    track = 'Bäss; 100% "DI" & it\'s a/b = c'
    session = ardour.new_session("later, dü", RATE_HZ, {track: 1})
    add_region(session, track, Audio(song.samples[:1, :RATE_HZ], RATE_HZ), 5)
    assert server.process
    ardour.forget_log()
    server.process.send_signal(signal.SIGSTOP)
    try:
        with ardour.open(session) as window:
            window.select("Editor/select-all-objects")
            window.press(SEPARATE_AGAIN)
            window.press(SEPARATE_AGAIN)
            pending = session.with_name("stems.pending")
            wait_until(lambda: pending.exists() and pending.read_text("utf-8").count("\n") == 2)
    finally:
        server.process.send_signal(signal.SIGCONT)
    assert not ardour.log
    with ardour.open(session) as window:
        wait_until(lambda: ardour.log.count("are at sample 5;") == 2)
        window.save()
    stems = [f"{track}{OF}{stem}" for stem in STEMS]
    assert read_tracks(session) == [track, *(f"{stem} 1" for stem in stems), *stems]
    regions = read_regions(session)
    assert {(region.position, region.length) for region in regions} == {(5, RATE_HZ)}
    assert len({region.files for region in regions}) == 5


def test_what_goes_wrong_is_logged_and_changes_nothing(
    ardour: Ardour, server: Server, song: Audio
) -> None:
    session = make_session(ardour, "wrong", song)
    with ardour.open(session) as window:
        window.select("Editor/select-all-objects")
        window.save()
        before = read_tracks(session), read_regions(session)

        def assert_refused(message: str) -> None:
            ardour.forget_log()
            window.press(SEPARATE_AGAIN)
            wait_until(lambda: message in ardour.log)  # also of the other track, and before
            window.save()
            assert (read_tracks(session), read_regions(session)) == before

        choose(ardour, model="no-such-model")
        assert_refused("'Song' was not separated: There is no model 'no-such-model'")
        choose(ardour)
        with server_file(ardour, None):
            assert_refused("stemtool is not running: start it with `stemtool serve`")
        with server_file(ardour, "host=127.0.0.1\nport=9\n"):  # as after a crash
            assert_refused("No answer about 'Song': is `stemtool serve` running")


def test_tracks_of_a_saved_session_are_separated_without_a_window(
    ardour: Ardour, server: Server, song: Audio, separator: Separator
) -> None:
    """At another sample rate, in stereo and in mono; and Ardour plays what comes out."""
    session = make_session(ardour, "headless", song, rate_hz=48_000)
    run = ardour.stemtool("daw", "separate", session.parent, *TRACKS)
    assert run.returncode == 0, run.stderr
    assert run.stdout.splitlines() == [name for name in ALL_TRACKS if OF in name]
    assert read_tracks(session) == ALL_TRACKS
    bounced = ardour.bounce(session)
    for region in read_regions(session):
        track = region.track.partition(OF)[0]
        _, position, end = TRACKS[track]
        _, plain = play(song, track, position, end)
        np.testing.assert_array_equal(
            bounced[region.track].samples[:, plain], region.read().samples[:, plain]
        )
    for track, (_, position, _) in TRACKS.items():
        assert_stems(session, track, position, read_mixture(session, track), separator)


def test_a_model_may_be_chosen_by_its_quality(ardour: Ardour, server: Server, song: Audio) -> None:
    """Without fetching one, as the only one here that makes these stems is the server's own."""
    session = make_session(ardour, "quality", song)
    options = ("--quality", "fast", "--stems", "vocals,accompaniment")
    run = ardour.stemtool("daw", "separate", session.parent, "Song", *options)
    assert run.returncode == 0, run.stderr
    assert [name for name in read_tracks(session) if OF in name] == [f"Song{OF}{s}" for s in STEMS]
    choose(ardour, model="quality:fast", stems="kazoo")
    ardour.forget_log()
    with ardour.open(session) as window:
        window.select("Editor/select-all-objects")
        window.press(SEPARATE_AGAIN)
        wait_until(lambda: "was not separated: No model makes kazoo" in ardour.log)
    choose(ardour)


def test_a_saved_session_that_cannot_be_separated_stays_as_it_is(
    ardour: Ardour, server: Server, song: Audio
) -> None:
    session = make_session(ardour, "refused", song)
    before = session.read_text("utf-8")

    def assert_refused(message: str, *arguments: object) -> None:
        run = ardour.stemtool("daw", "separate", *arguments)
        assert run.returncode == 1
        assert message in run.stderr
        assert "Traceback" not in run.stderr
        assert session.read_text("utf-8") == before

    assert_refused("There is no audio track 'Master'", session, "Master")
    assert_refused("There is no model 'no-such-model'", session, "Song", "-m", "no-such-model")
    assert_refused("nowhere is no Ardour session", ardour.folder / "nowhere", "Song")
    with server_file(ardour, None):
        assert_refused("stemtool is not running", session, "Song")


@pytest.mark.skipif(
    SCREENSHOTS_VARIABLE not in os.environ,
    reason=f"{SCREENSHOTS_VARIABLE} names no folder for the pictures in the documentation",
)
def test_pictures_for_the_documentation(ardour: Ardour, server: Server, song: Audio) -> None:
    folder = Path(os.environ[SCREENSHOTS_VARIABLE])
    session = ardour.new_session("pictures", RATE_HZ, {"Song": 2})
    add_region(session, "Song", song, 44_100)
    ardour.forget_log()
    with ardour.open(session) as window:
        window.select("Editor/select-all-objects")
        window.photograph(folder / "ardour-before.png")
        window.press(SEPARATE_AGAIN)
        wait_until(lambda: "are at sample" in ardour.log)
        window.photograph(folder / "ardour-after.png")
