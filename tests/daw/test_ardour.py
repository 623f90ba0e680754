"""The scripts for Ardour, in a real Ardour: press a key, and stems are on tracks."""

from __future__ import annotations

import os
import re
import signal
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from daw_bridge import Audio
from tests.daw.ardour import (
    CANCEL,
    EVERYTHING,
    OF,
    RATE_HZ,
    SEPARATE,
    SEPARATE_AGAIN,
    Ardour,
    add_region,
    choose,
    find_mixtures,
    make_ardour,
    read_colours,
    read_groups,
    read_mixture,
    read_ranges,
    read_regions,
    read_tracks,
)
from tests.daw.screens import photograph
from tests.server import Server, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from daw_bridge import Separator

SCREENSHOTS_VARIABLE = "DAW_BRIDGE_SCREENSHOTS"  # a folder for pictures, such as docs
FADE_SAMPLES = 64  # Ardour fades the edges of regions

# Tracks, with the channels, the position and the end of their one region.
TRACKS = {"Song": (2, 100_003, 364_603), "Voice": (1, 33_331, 209_731)}
TITLE = "Separate selection into stems"
STEMS = ("vocals", "accompaniment")
ALL_TRACKS = [
    name for track in TRACKS for name in (track, *(f"{track}{OF}{stem}" for stem in STEMS))
]
LOOP = (120_001, 250_011)

# What is pressed to select, and which part of each track is then to be separated.
SELECTIONS = {
    "regions": (
        EVERYTHING,
        {track: (position, end) for track, (_, position, end) in TRACKS.items()},
    ),
    # Ardour ends this range on the last sample; only where a region ends is that a mistake.
    "range of regions": (
        (*EVERYTHING, "Editor/select-from-regions"),
        {"Song": (33_331, 364_603), "Voice": (33_331, 364_602)},
    ),
    "range": (
        ("Common/select-all-tracks", "Editor/select-loop-range"),
        {"Song": LOOP, "Voice": LOOP},
    ),
}


@pytest.fixture(scope="module")
def ardour(tmp_path_factory: pytest.TempPathFactory, network_path: Path) -> Ardour:
    """An Ardour with our scripts, which ask and show nothing, and with a model."""
    ardour = make_ardour(tmp_path_factory.mktemp("ardour"))
    (ardour.state.parent / "weights").symlink_to(network_path.parents[1])
    (ardour.state / "roots").write_text(f"{ardour.folder}\n", "utf-8")
    ardour.install()
    choose(ardour)
    return ardour


@pytest.fixture(scope="module")
def server(ardour: Ardour) -> Iterator[Server]:
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
    regions = {region.track: region for region in read_regions(session) if OF in region.track}
    expected = separator.separate(mixture)
    names = [f"{track}{OF}{name}" for name in expected.names]
    below = read_tracks(session).index(track) + 1
    assert read_tracks(session)[below:][: len(names)] == names
    for name, samples in zip(names, expected.samples, strict=True):
        region = regions[name]
        assert (region.position, region.length) == (position, samples.shape[1])
        np.testing.assert_allclose(region.read().samples, samples, atol=1e-6)


def is_muted(session: Path, start: int, end: int) -> dict[str, bool]:
    """Tell of each source whether all that plays between two samples, and only that, is muted."""
    sources = [region for region in read_regions(session) if OF not in region.track]
    return {
        track: {region.position for region in sources if region.track == track and region.muted}
        == {
            region.position
            for region in sources
            if region.track == track
            and start <= region.position
            and region.position + region.length <= end
        }
        for track in TRACKS
    }


def test_selections_become_stems_on_tracks_below_their_source(
    ardour: Ardour, server: Server, song: Audio, separator: Separator
) -> None:
    """Of a stereo and a mono track at once, to the sample; undone, their tracks serve the next."""
    session = make_session(ardour, "selections", song)
    sources = read_regions(session)
    with ardour.open(session) as window:
        window.send("/loop_location", "ii", *LOOP)
        for actions, parts in SELECTIONS.values():
            window.select(*actions)
            ardour.forget_log()
            before = find_mixtures(session)
            window.press(SEPARATE_AGAIN)
            wait_until(lambda: ardour.log.count("are at sample") == len(TRACKS))
            window.save()
            assert read_tracks(session) == ALL_TRACKS
            for track, (start, end) in parts.items():
                mixture = read_mixture(session, track, before)
                played, plain = play(song, track, start, end)
                assert mixture.samples.shape == played.shape
                np.testing.assert_array_equal(mixture.samples[:, plain], played[:, plain])
                assert_stems(session, track, start, mixture, separator)
                assert f"{start}; '{track}' is muted there." in ardour.log
                assert is_muted(session, start, end)[track]
            assert not session.with_name("stems.pending").exists()
            for _ in (*TRACKS, *STEMS):  # Ardour notes each import as a step of its own
                window.press("Editor/undo")
            window.save()
            assert read_regions(session) == sources
    colours = read_colours(session)
    assert {colours[f"{track}{OF}{name}"] for track in TRACKS for name in STEMS[:1]} == {"#56B4E9"}
    assert {colours[f"{track}{OF}{name}"] for track in TRACKS for name in STEMS[1:]} == {"#0072B2"}
    assert read_groups(session) == {
        f"{track}{OF}stems": {f"{track}{OF}{name}" for name in STEMS} for track in TRACKS
    }


def test_stems_come_to_free_tracks_and_are_left_out_of_the_next_run(
    ardour: Ardour, server: Server, song: Audio
) -> None:
    """Three regions, two of which overlap, beside a user's own track of a stem's name."""
    taken = f"Song{OF}vocals"
    session = ardour.new_session("again", RATE_HZ, {taken: 2, "Song": 2})
    add_region(session, taken, Audio(song.samples[:, :1000], RATE_HZ), 0)
    for position in (50_000, 150_000, 180_000):
        add_region(session, "Song", Audio(song.samples[:, :40_000], RATE_HZ), position)
    choose(ardour, mute="no")
    ardour.forget_log()
    with ardour.open(session) as window:
        window.select(*EVERYTHING)
        window.press(SEPARATE_AGAIN)
        wait_until(lambda: ardour.log.count("are at sample") == 3)
        window.save()
        found = {(region.track, region.position, region.length) for region in read_regions(session)}
        parts = [(50_000, 40_000), (150_000, 70_000)]
        assert {
            (name, *part) for part in parts for name in (taken, f"Song{OF}accompaniment")
        } < found
        assert (f"{taken}{OF}vocals", 0, 1000) in found  # of what is the user's
        assert len(read_tracks(session)) == 5
        assert "'Song' sounds as before" in ardour.log
        assert not any(region.muted for region in read_regions(session))

        ardour.forget_log()
        window.select(*EVERYTHING)
        window.press(SEPARATE_AGAIN)
        wait_until(lambda: ardour.log.count("are at sample") == 3)
        assert "Stems of earlier runs were left out (6)" in ardour.log
        window.save()
        assert len(read_tracks(session)) == 9

        ardour.forget_log()
        window.select("Editor/select-all-objects")  # of the track that came last, so a stem alone
        window.press(SEPARATE_AGAIN)
        wait_until(lambda: "are at sample" in ardour.log)
    choose(ardour)


def test_the_dialogs_are_confirmed_with_a_key(ardour: Ardour, server: Server, song: Audio) -> None:
    settings = ardour.state / "ardour.settings"
    session = make_session(ardour, "dialog", song)
    choose(ardour, dialogs="yes", model="none-of-these", stems="vocals")
    ardour.forget_log()
    with ardour.open(session) as window:
        window.select(*EVERYTHING)
        window.press(SEPARATE)

        def confirm() -> bool:
            window.press_key("Alt_L", "o")
            return "spleeter-2stems" in settings.read_text("utf-8")

        wait_until(confirm)
        wait_until(lambda: ardour.log.count("are at sample") == len(TRACKS))
        window.save()
        assert read_tracks(session) == [
            name for track in TRACKS for name in (track, f"{track}{OF}vocals")
        ]
        assert (
            settings.read_text("utf-8") == "model=spleeter-2stems\nstems=vocals\nminus=\nmute=yes\n"
        )
    choose(ardour)


def test_how_far_it_is_stands_over_the_selection_and_it_can_be_called_off(
    ardour: Ardour, server: Server, song: Audio
) -> None:
    session = ardour.new_session("long", RATE_HZ, {"Song": 2})
    add_region(session, "Song", Audio(np.tile(song.samples, (1, 12)), RATE_HZ), 10)
    with ardour.open(session) as window:
        ardour.forget_log()
        window.select(*EVERYTHING)
        window.press(SEPARATE_AGAIN)

        def shows_progress() -> bool:
            window.save()
            return any(re.fullmatch(r"Stems: [1-9]\d? %", name) for name in read_ranges(session))

        wait_until(shows_progress)
        window.press(CANCEL)
        wait_until(lambda: "The separation of 'Song' was called off." in ardour.log)
        with server.client() as client:
            wait_until(lambda: [job.state for job in client.jobs()][-1:] == ["cancelled"])

        def shows_none() -> bool:
            window.save()
            return read_ranges(session) == []

        wait_until(shows_none)
        assert read_tracks(session) == ["Song"]
        window.press(CANCEL)
        wait_until(lambda: "Nothing is being separated in this session." in ardour.log)


def test_what_is_done_while_ardour_is_closed_comes_when_the_session_is_opened(
    ardour: Ardour, server: Server, song: Audio
) -> None:
    """On a track whose name is hard to write, though the server died before it took the job in."""
    track = 'Bäss; 100% "DI" & it\'s a/b = c'
    session = ardour.new_session("later, dü", RATE_HZ, {track: 1})
    add_region(session, track, Audio(song.samples[:1, :RATE_HZ], RATE_HZ), 5)
    assert server.process
    ardour.forget_log()
    server.process.send_signal(signal.SIGSTOP)
    try:
        with ardour.open(session) as window:
            window.select(*EVERYTHING)
            window.press(SEPARATE_AGAIN)
            window.press(SEPARATE_AGAIN)
            pending = session.with_name("stems.pending")
            wait_until(lambda: pending.exists() and pending.read_text("utf-8").count("\n") == 2)
    finally:
        server.kill()
    assert not ardour.log
    with server_of_its_own(ardour, server), ardour.open(session) as window:
        wait_until(lambda: ardour.log.count("are at sample 5;") == 2)
        window.save()
    stems = [f"{track}{OF}{stem}" for stem in STEMS]
    assert read_tracks(session) == [track, *(f"{stem} 1" for stem in stems), *stems]
    made = [region for region in read_regions(session) if OF in region.track]
    assert {(region.position, region.length) for region in made} == {(5, RATE_HZ)}
    assert len({region.files for region in made}) == 4


@contextmanager
def server_of_its_own(ardour: Ardour, server: Server) -> Iterator[None]:
    """Leave it to Ardour to start a server; end that, and start the tests' own again."""
    try:
        yield
    finally:
        pid = int(server.facts["pid"])
        assert server.process
        assert pid != server.process.pid
        os.kill(pid, signal.SIGTERM)
        wait_until(lambda: not (ardour.state / "server").exists())
        server.start()


def test_what_goes_wrong_changes_nothing_and_a_server_is_started_if_there_is_none(
    ardour: Ardour, server: Server, song: Audio
) -> None:
    session = make_session(ardour, "wrong", song)
    with ardour.open(session) as window:
        window.select(*EVERYTHING)
        window.save()
        before = read_tracks(session), read_regions(session)

        def assert_refused(message: str) -> None:
            ardour.forget_log()
            window.press(SEPARATE_AGAIN)
            wait_until(lambda: ardour.log.count(message) == len(TRACKS))
            window.save()
            assert (read_tracks(session), read_regions(session)) == before

        choose(ardour, model="no-such-model")
        assert_refused("was not separated: There is no model 'no-such-model'")
        choose(ardour, model="quality:fast", stems="kazoo")
        assert_refused("was not separated: No model makes kazoo")
        choose(ardour)

        server.stop()
        with server_of_its_own(ardour, server):
            window.press(SEPARATE_AGAIN)
            wait_until(lambda: window.count(TITLE) == 1)  # which says that it starts one
            wait_until(lambda: ardour.log.count("are at sample") == len(TRACKS))
            assert window.count(TITLE) == 0


def test_who_works_outside_of_the_servers_folders_is_told_so(
    ardour: Ardour, server: Server, song: Audio, tmp_path: Path
) -> None:
    """In one message for many regions."""
    session = ardour.new_session("out <b> & 'side'", RATE_HZ, {"Song": 2, "Voice": 1}, tmp_path)
    for index in range(6):
        part = Audio(song.samples[: 1 + index % 2, :1000], RATE_HZ)
        add_region(session, ("Voice", "Song")[index % 2], part, 5000 * index)
    choose(ardour, dialogs="yes")
    ardour.forget_log()

    def complaints() -> int:
        return (ardour.folder / "ardour.out").read_text("utf-8").count("markup")

    with ardour.open(session) as window:
        window.select(*EVERYTHING)
        own_complaints = complaints()  # of the session's name, at times
        window.press(SEPARATE_AGAIN)
        reason = f"the server may use files below {server.root}, and {session.parent} is not there"
        wait_until(lambda: ardour.log.count(f"was not separated: {reason}") == 6)
        wait_until(lambda: window.count(TITLE) == 1)

        def close_message() -> bool:
            window.press_key("Alt_L", "c")
            return window.count(TITLE) == 0

        wait_until(close_message)
        window.press(CANCEL)  # what would not be done behind a second message
        wait_until(lambda: "Nothing is being separated in this session." in ardour.log)
    assert complaints() == own_complaints
    choose(ardour)


def test_tracks_of_a_saved_session_are_separated_without_a_window(
    ardour: Ardour, server: Server, song: Audio, separator: Separator
) -> None:
    """At another sample rate, in stereo and in mono; and Ardour plays what comes out."""
    session = make_session(ardour, "headless", song, rate_hz=48_000)
    run = ardour.stemtool("daw", "separate", session.parent, *TRACKS)
    assert run.returncode == 0, run.stderr
    assert run.stdout.splitlines() == [name for name in ALL_TRACKS if OF in name]
    assert read_tracks(session) == ALL_TRACKS
    colours = read_colours(session)
    assert [colours[f"Voice{OF}{name}"] for name in STEMS] == ["#56B4E9", "#0072B2"]
    made = session.with_name("stems.made").read_text("utf-8").splitlines()
    bounced = ardour.bounce(session)
    for region in read_regions(session):
        assert region.muted == (OF not in region.track) == (region.files[0].name not in made)
        if region.muted:
            continue
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
    options = ("--quality", "fast", "--stems", "vocals,accompaniment", "--keep-source")
    run = ardour.stemtool("daw", "separate", session.parent, "Song", *options)
    assert run.returncode == 0, run.stderr
    assert [name for name in read_tracks(session) if OF in name] == [f"Song{OF}{s}" for s in STEMS]
    assert not any(region.muted for region in read_regions(session))
    run = ardour.stemtool("daw", "separate", session.parent, "Voice", "--minus", "vocals")
    assert run.stdout.splitlines() == [f"Voice{OF}no vocals"], run.stderr


def test_a_saved_session_that_cannot_be_separated_stays_as_it_is(
    ardour: Ardour, server: Server, song: Audio
) -> None:
    session = make_session(ardour, "refused", song)
    before = session.read_text("utf-8")

    def assert_refused(message: str, *arguments: object) -> None:
        run = ardour.stemtool("daw", "separate", *arguments)
        assert run.returncode
        assert message in run.stderr
        assert "Traceback" not in run.stderr
        assert session.read_text("utf-8") == before

    assert_refused("There is no audio track 'Master'", session, "Master")
    assert_refused("There is no model 'no-such-model'", session, "Song", "-m", "no-such-model")
    assert_refused("nowhere is no Ardour session", ardour.folder / "nowhere", "Song")
    assert_refused("say one of them", session, "Song", "--stems", "vocals", "--minus", "vocals")


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

        def show_all(name: str) -> None:
            window.press("Editor/zoom-to-extents")
            time.sleep(2)  # nothing tells when all waveforms are drawn
            photograph(window.display, folder / name)

        window.select(*EVERYTHING)
        show_all("ardour-before.png")
        window.press(SEPARATE_AGAIN)
        wait_until(lambda: "are at sample" in ardour.log)
        show_all("ardour-after.png")
        choose(ardour, dialogs="yes", model="spleeter-2stems", stems="vocals")
        window.select(*EVERYTHING)
        window.press(SEPARATE)
        wait_until(lambda: window.count(TITLE) == 1)
        window.show_models(TITLE)
        photograph(window.display, folder / "ardour-dialog.png", part="700x310+440+170")
    choose(ardour)
