"""The script for Ableton Live, in a model of Live, against a real server."""

from __future__ import annotations

import ast
import os
import signal
import subprocess
import sys
from pathlib import Path
from subprocess import PIPE
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import soundfile

from daw_bridge.daw.installers import DAWS, find_homes, uninstall
from daw_bridge.daw.shipping import PACKAGE
from daw_bridge.library.colours import colour_of
from daw_bridge.library.places import HOME_VARIABLE
from tests.conftest import level_db
from tests.daw.conftest import install, labelled
from tests.daw.live import RATE_HZ, Core, Live, LomObject, definitions, heard, load_script
from tests.server import Server, wait_until
from tests.stemtool import STEMTOOL, stemtool

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

STEMS = ("vocals", "accompaniment")
NOTE = 0x90


class Session:
    """Live with the script in it, and the folder where they and the server meet."""

    def __init__(self, live: Live, script: Any, state: Path) -> None:
        self.live, self.script, self.state = live, script, state

    def __getattr__(self, name: str) -> Any:
        return getattr(self.live, name)

    def type(self, words: str, clip: Core | None = None) -> None:
        """Add to the name of the clip that is shown, as a user does."""
        shown = clip or self.live.song_core.values["view"].values["clip"]
        self.live.song_core.values["view"].values["clip"] = shown
        self.live.tick()
        shown.values["name"] += f" {words}"
        self.live.tick()

    def run_until_said(self, words: str) -> None:
        self.live.run(lambda: any(words in text for text in self.live.said))

    def set(self, **pairs: str) -> None:
        lines = "".join(f"{key}={value}\n" for key, value in pairs.items())
        (self.state / "live.settings").write_text(lines, "utf-8")


@pytest.fixture
def session(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Session]]:
    """Open a set in Live, with the script that a user of the server installed."""
    opened: list[Session] = []

    def open_set(of: Server = server, **preferences: Any) -> Session:
        monkeypatch.setenv(HOME_VARIABLE, str(of.state.parent))
        live = Live(**preferences)
        live.song_core.values["file_path"] = str(tmp_path / "Song Project" / "Song.als")
        folder = install("live", tmp_path / "User Library", of)
        (of.state / "live.settings").unlink(missing_ok=True)
        opened.append(Session(live, load_script(folder, live, monkeypatch), of.state))
        return opened[-1]

    yield open_set
    for each in opened:
        each.script.disconnect()
    wait_until(lambda: not any(each.script._desk._server.is_starting for each in opened))


def below(live: Live, source: str) -> list[str]:
    """Return the tracks that are named after another."""
    return [name for name in live.names if name.startswith(f"{source} – ")]  # noqa: RUF001


# --- The model, and what the script may lean on


@pytest.mark.parametrize("of", LomObject.__subclasses__(), ids=lambda of: of.__name__)
def test_the_model_has_what_live_has(of: type[LomObject]) -> None:
    members = {name for name in vars(of) if not name.startswith("_")} - {"stub", "core"}
    assert members
    for name in members:
        theirs = definitions(of, name)
        ours = vars(of)[name]
        if isinstance(ours, property) or not callable(ours):
            assert ast.unparse(theirs[0].decorator_list[0]) == "property"
            assert not getattr(ours, "fset", None) or len(theirs) == 2
        else:
            arguments = theirs[0].args
            most = ours.__code__.co_argcount
            optional = len(ours.__defaults__ or ())
            takes = len(arguments.posonlyargs) + len(arguments.args)
            assert takes - len(arguments.defaults) <= most
            assert most - optional <= takes


@pytest.mark.parametrize("path", [*(PACKAGE / "live").glob("*.py")], ids=lambda path: path.stem)
def test_the_script_needs_nothing_but_lives_python(path: Path) -> None:
    tree = ast.parse(path.read_text("utf-8"), feature_version=(3, 11))
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [name.name for name in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or ""] if not node.level else []
        else:
            continue
        assert {name.split(".")[0] for name in names} <= {*sys.stdlib_module_names, "Live"}


def test_the_model_refuses() -> None:
    live = Live()
    track = live.add_track("Song")
    clip = live.song().tracks[0].clip_slots[0]
    with pytest.raises(AssertionError, match="step to undo"):
        clip.create_audio_clip("/nowhere.wav")
    live.song().begin_undo_step()
    with pytest.raises(RuntimeError, match="valid audio file"):
        clip.create_audio_clip("/nowhere.wav")
    with pytest.raises(TypeError, match="signature"):
        live.song().tracks[0].name = 3
    with pytest.raises(AttributeError, match="can't set"):
        live.song().tracks[0].is_frozen = True
    with pytest.raises(AssertionError, match="has no colour"):
        _ = live.song().tracks[0].colour
    track.is_gone = True
    assert live.song().tracks[0] == None  # noqa: E711
    live.is_notifying = True
    with pytest.raises(RuntimeError, match="notifications"):
        live.song().tempo = 90.0


# --- Clips


TO_THE_END = [(0.0, 1.0), (3.0, 6.0), (3.0 + 60 / 100 / 32, 6.0 + 1 / 32)]
MARKERS = [(0.0, -1.0), (0.5, 0.3), (1.7, 3.1), (2.2, 3.9), (2.2 + 60 / 96 / 32, 3.9 + 1 / 32)]


def add_clips(live: Live, song: Path) -> dict[str, Core]:
    """Add a track each with a clip that plays a song in its own way."""
    ways: dict[str, dict[str, Any]] = {
        "as it is": {"warping": False},
        "cropped": {"warping": False, "loop_start": 0.25, "loop_end": 1.125, "gain": 0.7},
        "warped": {"warping": True, "loop_start": 0.5, "loop_end": 3.5},
        "warped to the end": {"warping": True, "loop_start": 1.0, "loop_end": 6.0},
        "looped": {
            "warping": True, "looping": True, "loop_start": 1.0, "loop_end": 2.5,
            "start_marker": 0.25, "end_marker": 3.0, "beats": 7.3,
        },
        "behind its loop": {
            "warping": True, "looping": True, "loop_start": 0.0, "loop_end": 1.0,
            "start_marker": 1.5, "end_marker": 3.0, "beats": 1.25,
        },
    }  # fmt: skip
    clips = {}
    for number, (name, values) in enumerate(ways.items()):
        track = live.add_track(name, is_part_of_selection=True)
        track.values["mixer"].values["volume"].values["value"] = 0.5
        clip = live.add_clip(track, song, 3.5 + number / 7, **values)
        if values["warping"]:
            markers = TO_THE_END if "end" in name else MARKERS
            clip.values |= {"markers": markers, "warp_mode": 4, "pitch_coarse": -3}
        clips[name] = clip
    return clips


@pytest.mark.parametrize(
    ("units_a_second", "warps_new_clips"), [(1.0, True), (float(RATE_HZ), False)]
)
def test_stems_play_as_their_source(
    units_a_second: float, warps_new_clips: bool, session: Any, song_path: Path
) -> None:
    live = session(units_a_second=units_a_second, warps_new_clips=warps_new_clips)
    clips = add_clips(live.live, song_path)
    live.type("!stems tracks", clips["looped"])
    live.run_until_said("Stems are on")
    assert live.boxes == []
    assert live.names == [
        name for source in clips for name in (source, *(labelled(source, stem) for stem in STEMS))
    ]
    for name, clip in clips.items():
        stems = [live.track(labelled(name, stem)) for stem in STEMS]
        beats = clip.values["start_time"] + np.arange(0, clip.values["end_time"], 1 / 4000)
        stem_clips = [each for track in stems for each in track.values["clips"]]
        mixture = heard([clip], beats)
        assert level_db(heard(stem_clips, beats) - mixture, mixture) < -120, name
        assert min(each.values["start_time"] for each in stem_clips) == clip.values["start_time"]
        assert max(each.values["end_time"] for each in stem_clips) == pytest.approx(
            clip.values["end_time"], abs=1e-9
        )
        assert [track.values["color"] for track in stems] == [
            int(str(colour_of(stem))[1:], 16) for stem in STEMS
        ]
        assert {each.values["name"] for each in stem_clips} == {clip.values["name"]}
        for value in ("warping", "pitch_coarse", "gain", "warp_mode"):
            assert {each.values[value] for each in stem_clips} == {clip.values[value]}
        assert {track.values["mixer"].values["volume"].values["value"] for track in stems} == {0.5}
        assert clip.values["muted"]
        assert not any(slot.values["clip"] for track in stems for slot in track.values["slots"])
    assert len([step for step in live.undo_steps if "create_audio_track" in str(step)]) == 6


def test_clips_of_the_session_stay_in_their_scene(
    session: Any, song_path: Path, tmp_path: Path
) -> None:
    live = session(focused_view="Session")
    live.song_core.values["file_path"] = ""
    track = live.add_track("Song")
    how = {"warping": True, "looping": True, "loop_start": 1.0, "loop_end": 3.0, "launch_mode": 2}
    clip = live.add_clip(track, song_path, 0, slot=3, **how)
    clip.values |= {"markers": MARKERS, "start_marker": 0.5, "end_marker": 3.5, "legato": True}
    live.type("!stems on vocals")
    live.run_until_said("Stems are on")
    assert live.names == ["Song", labelled("Song", "vocals")]
    slots = live.track(labelled("Song", "vocals")).values["slots"]
    assert [number for number, slot in enumerate(slots) if slot.values["clip"]] == [3]
    values = slots[3].values["clip"].values
    assert tmp_path / "User Library" / "Samples" / "Stems" in Path(values["path"]).parents
    for name in (*how, "start_marker", "end_marker", "legato"):
        assert values[name] == clip.values[name], name
    np.testing.assert_allclose(values["markers"][: len(MARKERS)], MARKERS, atol=1e-9)
    assert not clip.values["muted"]
    assert live.song_core.values["view"].values["clip"] is clip


def test_an_earlier_run_is_left_alone_and_its_free_tracks_are_used(
    session: Any, song_path: Path
) -> None:
    live = session()
    track = live.add_track("Song", is_part_of_selection=True)
    live.add_clip(track, song_path, 0, warping=False)
    live.type("!stems tracks vocals")
    live.run_until_said("Stems are on")
    for core in live.song_core.values["tracks"]:
        core.values["is_part_of_selection"] = True
    live.add_clip(track, song_path, 16, warping=False)
    live.said.clear()
    live.type("!stems")  # as last time
    live.run_until_said("Stems are on")
    assert live.names == ["Song", labelled("Song", "vocals")]
    for core in live.song_core.values["tracks"]:
        assert [clip.values["start_time"] for clip in core.values["clips"]] == [0, 16]


def test_all_but_one_stem_and_what_was_wished_for_is_kept(session: Any, song_path: Path) -> None:
    live = session()
    track = live.add_track('<b>"Song"</b>\'s %s 🎸')
    clip = live.add_clip(track, song_path, 0, warping=False)
    name = clip.values["name"] = "a\tclip; with=all, <of> 'it' 🎸"
    live.type("!stems -vocals")
    live.run_until_said("Stems are on")
    assert clip.values["name"] == name
    (made,) = below(live.live, track.values["name"])
    assert made == labelled(track.values["name"], "no vocals")
    live.said.clear()
    live.type("!stems")
    live.run_until_said("Stems are on")
    assert below(live.live, track.values["name"]) == [made, made]
    live.said.clear()
    live.type("!stems all")
    live.run_until_said("Stems are on")
    assert len(below(live.live, track.values["name"])) == 4
    assert live.boxes == []


def test_a_frozen_track_is_muted_as_its_clips_are_not_to_change(
    session: Any, song_path: Path
) -> None:
    live = session()
    track = live.add_track("Song", is_part_of_selection=True)
    clip = live.add_clip(track, song_path, 0, warping=True)
    track.values["is_frozen"] = True
    live.set(clips="tracks")
    press(live)
    live.run_until_said("Stems are on")
    assert track.values["mute"]
    assert not clip.values["muted"]
    assert live.said[-1].endswith("; switched off: 'Song'.")


def press(live: Session, kind: int = NOTE, number: int = 60) -> None:
    pairs = (live.state / "live.settings").read_text("utf-8")
    (live.state / "live.settings").write_text(f"{pairs}button=note 60\n", "utf-8")
    live.script.build_midi_map(1)
    live.script.receive_midi((kind | 5, number, 100))
    live.script.receive_midi((0x80, number, 0))


def test_a_button_begins_and_calls_off(session: Any, long_song_path: Path) -> None:
    live = session()
    live.set(stems="vocals")
    clip = live.add_clip(live.add_track("Song"), long_song_path, 0, warping=False)
    press(live, number=61)
    press(live, kind=0xB0)
    live.tick()
    assert live.said == []
    press(live)
    assert set(live.mapped) == {(NOTE, 60)}
    live.run(lambda: live.said[-1:] > ["Stemtool: 'long': 1"])
    press(live)
    live.tick()
    assert live.said[-1] == "Stemtool: Called off."
    assert live.names == ["Song"]
    assert not clip.values["muted"]
    assert live.boxes == []
    folder = Path(live.song_core.values["file_path"]).parent
    (status,) = folder.rglob("status")
    live.run(lambda: "state=cancelled" in status.read_text("utf-8"))
    assert [path for path in folder.rglob("*") if path.is_file()] == [status]
    live.run(lambda: not [path for path in (live.state / "inbox").iterdir() if path.is_file()])


@pytest.mark.parametrize(
    ("takes_into_groups", "boxes"),
    [(True, []), (False, ["Stems of 'Song' are below its group: move them there."])],
)
def test_tracks_in_a_group(
    takes_into_groups: bool, boxes: list[str], session: Any, song_path: Path
) -> None:
    live = session(takes_into_groups=takes_into_groups)
    group = live.add_track("Group", has_audio_input=False)
    track = live.add_track("Song", group=group)
    live.add_clip(track, song_path, 0, warping=True)
    live.type("!stems vocals")
    live.run_until_said("Stems are on")
    assert [box.split("\n")[0] for box in live.boxes] == boxes
    made = live.track(labelled("Song", "vocals"))
    assert (made.values["group"] is group) == takes_into_groups


def test_clips_that_do_not_come_where_they_belong(session: Any, song_path: Path) -> None:
    live = session(misplaces_by=0.01)
    track = live.add_track("Song", is_part_of_selection=True)
    for number in range(3):
        live.add_clip(track, song_path, 10 * number, warping=False, name=f"{number}")
    live.type("!stems tracks")
    live.run(lambda: bool(live.boxes))
    (box,) = live.boxes
    assert box.startswith("Stems of '0' and 2 more may be out of step: listen.\nStems are on ")


def test_only_what_is_typed_here_is_obeyed(session: Any, song_path: Path) -> None:
    live = session()
    clip = live.add_clip(live.add_track("Song"), song_path, 0, name="of a stranger !stems ?")
    live.tick()
    live.tick()
    assert clip.values["name"] == "of a stranger !stems ?"
    live.song_core.values["can_redo"] = True
    live.type("!stems ?")
    assert live.boxes == []
    live.song_core.values["can_redo"] = False
    live.type("!stems ?")
    assert len(live.boxes) == 1


@pytest.mark.parametrize(
    ("platform", "library"),
    [("darwin", "Music/Ableton/User Library"), ("win32", "Documents/Ableton/User Library")],
)
def test_the_user_library_is_found(
    platform: str, library: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.platform", platform)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert find_homes(DAWS["live"]) == []
    (tmp_path / library).mkdir(parents=True)
    assert find_homes(DAWS["live"]) == [tmp_path / library]


def test_nothing_is_left_where_it_is_uninstalled(session: Any, tmp_path: Path) -> None:
    session()
    library = tmp_path / "User Library"
    compiled = library / DAWS["live"].place / "__pycache__" / "run.cpython-311.pyc"
    compiled.parent.mkdir(exist_ok=True)
    compiled.touch()
    uninstall(DAWS["live"], library)
    assert [path for path in library.rglob("*") if path.is_file()] == []


def test_a_track_that_goes_away_meanwhile(session: Any, song_path: Path) -> None:
    live = session()
    kept, gone = live.add_track("Kept"), live.add_track("Gone")
    for track in (gone, kept):
        track.values["is_part_of_selection"] = True
        live.add_clip(track, song_path, 0, warping=False)
    live.type("!stems tracks vocals")
    live.song_core.values["tracks"].remove(gone)
    gone.is_gone = True
    live.run(lambda: bool(live.boxes))
    assert "A track went away while it was separated" in live.boxes[0]
    assert live.names == ["Kept", labelled("Kept", "vocals")]


def test_a_set_that_is_full(session: Any, song_path: Path) -> None:
    live = session(most_tracks=2)
    clip = live.add_clip(live.add_track("Song"), song_path, 0, warping=True)
    live.type("!stems")
    live.run(lambda: bool(live.boxes))
    assert "Live takes no more tracks here" in live.boxes[0]
    assert labelled("Song", "accompaniment") in live.boxes[0]
    assert not clip.values["muted"]


# --- What goes wrong


def spoil(live: Session, song: Path, tmp_path: Path) -> dict[str, Callable[[], Core]]:
    """Return ways to show a clip that cannot be separated."""
    audio, midi = live.add_track("Audio"), live.add_track("Keys", is_audio=False)
    gone = tmp_path / "gone.wav"
    return {
        "MIDI clips hold": lambda: live.add_clip(midi, None, 0),
        "is being recorded": lambda: live.add_clip(audio, song, 0, is_recording=True),
        "is missing": lambda: live.add_clip(audio, gone, 0),
    }


@pytest.mark.parametrize("sentence", ["MIDI clips hold", "is being recorded", "is missing"])
def test_clips_that_cannot_be_separated(
    sentence: str, session: Any, song_path: Path, tmp_path: Path
) -> None:
    live = session()
    clip = spoil(live, song_path, tmp_path)[sentence]()
    live.type("!stems")
    (box,) = live.boxes
    assert sentence in box
    assert clip.values["name"] in box
    assert live.script is not None
    assert "!stems" not in clip.values["name"]


def test_what_makes_no_sense_is_said_once(session: Any, song_path: Path) -> None:
    live = session()
    press_with_nothing = live.state / "live.settings"
    press_with_nothing.write_text("button=cc 7\n", "utf-8")
    live.script.receive_midi((0xB0, 7, 127))
    assert "Click an audio clip" in live.boxes[0]
    live.add_clip(live.add_track("Song"), song_path, 0, warping=True)
    live.type("!stems vocals -vocals")
    assert "stems to make and stems to take away" in live.boxes[1]
    live.type("!stems tracks")
    assert "The selected tracks have no audio clips here" in live.boxes[2]
    live.type("!stems ?")
    assert "spleeter-2stems" in live.boxes[3]
    for _ in range(5):
        live.tick()
    assert len(live.boxes) == 4
    live.set(dialogs="no")
    live.type("!stems vocals -")
    assert len(live.boxes) == 4
    assert "choose one" in live.said[-1]


def test_twenty_failures_are_one_box(session: Any, song_path: Path, tmp_path: Path) -> None:
    live = session()
    track = live.add_track("Song", is_part_of_selection=True)
    for number in range(20):
        path = tmp_path / f"{number}.wav"
        path.write_bytes(b"no audio")
        live.add_clip(track, path, 8 * number, warping=False)
    for number in range(20, 40):
        live.add_clip(track, tmp_path / f"{number}.wav", 8 * number)
    live.type("!stems tracks")
    live.run(lambda: bool(live.boxes))
    live.tick()
    (box,) = live.boxes
    assert "'20' and 19 more were not separated: its file is missing" in box
    assert box.count("\n") == 12
    assert box.endswith("\n9 more are in Live's Log.txt.")
    assert "'19' was not separated: " in live.logged[-1]
    assert live.names == ["Song"]


def test_live_goes_on_while_a_box_is_shown_and_after_an_error(
    session: Any, song_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    live = session()
    clip = live.add_clip(live.add_track("Song"), song_path, 0, is_recording=True)
    live.live.while_boxed = live.tick
    live.type("!stems")
    assert len(live.boxes) == 1
    clip.values["name"] = None
    live.tick()
    live.tick()
    assert len([line for line in live.logged if "TypeError" in line]) == 1
    clip.values |= {"name": "Song", "is_recording": False}
    live.type("!stems vocals")
    live.run_until_said("Stems are on")
    live.script.disconnect()
    assert not live.timers[0].running


# --- From a shell, and without a server


def ask(live: Session, *words: str) -> subprocess.CompletedProcess[str]:
    """Run `stemtool daw separate live` while Live runs."""
    command = [str(STEMTOOL), "daw", "separate", "live", *words]
    with subprocess.Popen(command, stdout=PIPE, stderr=PIPE, text=True) as process:
        live.run(lambda: process.poll() is not None)
        return subprocess.CompletedProcess(command, process.returncode, *process.communicate())


def test_a_shell_asks(session: Any, server: Server, song_path: Path) -> None:
    live = session()
    nobody = stemtool("daw", "separate", "live")
    assert nobody.returncode == 1
    assert "Live does not answer: start it" in nobody.stderr
    assert (
        ask(live).stderr
        == "stemtool: Click an audio clip, so that Clip View shows it, then try again.\n"
    )
    clip = live.add_clip(live.add_track("Song"), song_path, 2.5, warping=True)
    done = ask(live, "--stems", "vocals", "--keep-source")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"Stems are on '{labelled('Song', 'vocals')}'.\n"
    assert not clip.values["muted"]
    failed = ask(live, "-m", "unheard-of")
    assert failed.returncode == 1
    assert "There is no model 'unheard-of'" in failed.stderr
    assert ask(live, "stop").stdout == "Called off.\n"
    old = server.state / "live.request"
    old.write_text("id=1\nverb=stems\nwords=?\nend=1\n", "utf-8")
    os.utime(old, (0, 0))
    boxes = len(live.boxes)
    live.tick()
    assert len(live.boxes) == boxes
    assert not [*server.state.glob("live.*.status")]
    assert not (server.state / "live.request").exists()


def test_a_server_is_started_and_started_again_when_it_is_killed(
    session: Any,
    network_path: Path,
    song_path: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    samples, rate_hz = soundfile.read(song_path, dtype="int16")
    soundfile.write(tmp_path / "half a minute.wav", np.tile(samples, (10, 1)), rate_hz)
    home = tmp_path / "home"
    server = Server(tmp_path, home / "state")
    server.state.mkdir(parents=True)
    (server.state / "roots").write_text(f"{tmp_path.parent}\n", "utf-8")
    (home / "weights").symlink_to(network_path.parents[1])
    live = session(server)
    monkeypatch.setattr(sys.modules["Stemtool.jobs"], "WAKE_S", 0.5)
    monkeypatch.setattr(sys.modules["Stemtool.server"], "AGAIN_S", 0.5)
    live.add_clip(live.add_track("Song"), tmp_path / "half a minute.wav", 0, warping=False)
    live.type("!stems vocals")
    assert live.said == ["Stemtool: Starting stemtool …"]
    try:
        live.run(
            lambda: (
                live.said[-1].startswith("Stemtool: 'half a minute': ")
                and " 0%" not in live.said[-1]
            )
        )
        first = server.facts["pid"]
        os.kill(int(first), signal.SIGKILL)
        live.run(lambda: server.facts["pid"] != first)
        monkeypatch.setattr(sys.modules["Stemtool.jobs"], "WAKE_S", 60)
        live.run_until_said("Stems are on")
    finally:
        os.kill(int(server.facts["pid"]), signal.SIGTERM)
    assert live.boxes == []
    live.run(lambda: not (server.state / "server").exists())


def test_a_server_that_cannot_be_started(
    session: Any, song_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = Server(tmp_path, tmp_path / "home" / "state")
    (server.state / "jobs.sqlite").mkdir(parents=True)
    live = session(server)
    live.add_clip(live.add_track("Song"), song_path, 0, warping=False)
    live.type("!stems")
    live.run(lambda: bool(live.boxes))
    assert "' was not separated: " in live.boxes[0]
    assert "jobs.sqlite cannot be used" in live.boxes[0]
    live.script.disconnect()
    places = tmp_path / "User Library" / "Remote Scripts" / "Stemtool" / "places.txt"
    places.write_text(places.read_text("utf-8").replace(str(STEMTOOL), "/nowhere"), "utf-8")
    live = Session(live.live, load_script(places.parent, live.live, monkeypatch), server.state)
    live.type("!stems")
    assert "Live cannot start stemtool" in live.boxes[1]
    assert "stemtool daw install live" in live.boxes[1]
