"""The script for REAPER, run in Lua against a stand-in for REAPER."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import soundfile

from daw_bridge import Audio
from daw_bridge.daw.installers import DAWS
from daw_bridge.library.colours import colour_of
from daw_bridge.osc.settings import read_server_file
from tests.daw.conftest import assert_stems, install, labelled
from tests.programs import require
from tests.server import Server, wait_until
from tests.stemtool import STEMTOOL

if TYPE_CHECKING:
    from collections.abc import Sequence

    from daw_bridge import Separator
    from daw_bridge.osc.client import JobStatus

STAND_IN = Path(__file__).with_name("reaper.lua")
RATE_HZ = 44_100
COLOUR_COUNTS = 0x1000000
STEMS = ("vocals", "accompaniment")
NO_ANSWER = "stemtool neither answers nor starts; {log} says why."
ANNOUNCEMENT = """\
host=127.0.0.1
port=1
pid=1
inbox={inbox}
model:spleeter-2stems=vocals,accompaniment
"""


class Lua(str):
    """Source code that goes into a project as it is."""

    __slots__ = ()


def to_lua(value: object) -> str:
    if isinstance(value, Lua):
        return value
    if isinstance(value, dict):
        return (
            "{"
            + ", ".join(f"[{json.dumps(key)}]={to_lua(element)}" for key, element in value.items())
            + "}"
        )
    if isinstance(value, list | tuple):
        return "{" + ", ".join(map(to_lua, value)) + "}"
    if isinstance(value, bool | int | float):
        return json.dumps(value)
    return f"[==[{value}]==]"


def make_item(path: object, name: str = "Take", **values: Any) -> dict[str, Any]:
    """Return an item of 3 s of a file, selected; names of takes' parameters go to its take."""
    of_take = {"D_STARTOFFS", "D_PLAYRATE", "D_PAN", "stretch_markers", "file", "seconds"}
    take = {"name": name, "file": path, "seconds": 3, "rate_hz": RATE_HZ}
    take |= {key: values.pop(key) for key in of_take & set(values)}
    return {"selected": True, "D_LENGTH": 3, "take": take} | values


def make_track(name: str, *items: dict[str, Any], **values: Any) -> dict[str, Any]:
    """Return a track, not selected."""
    return {"name": name, "items": list(items), **values}


def run(
    tmp_path: Path,
    server: Server,
    tracks: list[dict[str, Any]],
    *,
    script: str = "separate_into_stems",
    clicks: Sequence[str] = ("Separate",),
    **project: Any,
) -> Any:
    """Run a script on a project and return the trace that the stand-in prints."""
    lua = require("lua5.4")
    path = installed(server) / f"{script}.lua"
    folder = project_folder(tmp_path)
    project = {"path": str(folder), "tracks": tracks, "clicks": list(clicks)} | project
    (tmp_path / "project.lua").write_text(f"return {to_lua(project)}", "utf-8")
    command = [lua, str(STAND_IN), str(path), str(tmp_path / "project.lua")]
    result = subprocess.run(command, capture_output=True, text=True, timeout=150, check=False)
    assert result.returncode == 0, result.stderr
    trace = json.loads(result.stdout)
    assert trace["undo_depth"] == trace["refresh_depth"] == 0
    assert not trace["is_open"]
    return trace


def installed(server: Server) -> Path:
    """Return the folder of the scripts that ask a server."""
    home = server.state.parent / "REAPER"
    folder = home / DAWS["reaper"].place
    return folder if folder.is_dir() else install("reaper", home, server)


def project_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "Project's folder"
    folder.mkdir(exist_ok=True)
    return folder


def names_of(trace: Any) -> list[str]:
    return [track["name"] for track in trace["tracks"]]


def muted(track: dict[str, Any]) -> list[bool]:
    return [item["B_MUTE"] == 1 for item in track["items"]]


def native(stem: str) -> int:
    """Return a stem's colour as REAPER has it on Linux."""
    red, green, blue = colour_of(stem)
    return red | green << 8 | blue << 16 | COLOUR_COUNTS


def test_tracks_come_below_their_source(server: Server, song_path: Path, tmp_path: Path) -> None:
    """In the folder that it is in, or one of their own; and what was separated is muted."""
    tracks = [
        make_track("Bus", make_item(song_path, selected=False), I_FOLDERDEPTH=1),
        make_track(
            "Bass",
            make_item(song_path, "It's; a/take"),
            make_item(song_path, "Two", D_POSITION=4),
            I_FOLDERDEPTH=-1,
        ),
        make_track("", make_item(song_path)),
    ]
    trace = run(tmp_path, server, tracks)
    assert trace["messages"] == []
    assert trace["undo"] == ["Separate into stems, mute the source"]
    assert "the source is muted" in trace["help"]
    after = trace["tracks"]
    assert names_of(trace) == [
        "Bus",
        "Bass",
        *(labelled("Bass", stem) for stem in STEMS),
        "",
        labelled("Track 3", "stems"),
        *(labelled("Track 3", stem) for stem in STEMS),
    ]
    assert [len(track["items"]) for track in after] == [1, 2, 2, 2, 1, 0, 1, 1]
    paths = [Path(track["items"][0]["take"]["file"]) for track in after[2:4]]
    assert [path.name for path in paths] == [labelled("It's; a_take", f"{s}.wav") for s in STEMS]
    assert [track["I_FOLDERDEPTH"] for track in after] == [1, 0, 0, -1, 0, 1, 0, -1]
    colours = [track["I_CUSTOMCOLOR"] for track in after]
    assert colours == [0, 0, *map(native, STEMS), 0, 0, *map(native, STEMS)]
    assert [any(muted(track)) for track in after] == [False, True, False, False, True, *3 * [False]]
    assert muted(after[1]) == [True, True]
    assert any(text.endswith(" of 3, 0 %") for text in trace["texts"])


@pytest.mark.parametrize(
    ("values", "part", "offset_s"),
    [
        ({"D_POSITION": 20.25, "D_VOL": 0.5, "D_PAN": -0.25}, slice(None), 0),
        (  # begins and ends within a frame, and is played faster
            {"D_LENGTH": 1, "D_STARTOFFS": 0.500001, "D_PLAYRATE": 1.25, "D_FADEINLEN": 0.1},
            slice(22_050, 22_050 + 55_125 + 1),
            0.000001,
        ),
        ({"D_LENGTH": 4, "D_STARTOFFS": 2.5}, slice(110_250, None), 0),
        ({"D_LENGTH": 1, "D_STARTOFFS": -0.5, "D_PLAYRATE": 0.8}, slice(0, 13_230), -0.5),
        ({"D_LENGTH": 9, "D_STARTOFFS": 1, "B_LOOPSRC": 1}, slice(None), 1),
    ],
    ids=["whole", "offset and rate", "beyond the end", "before the start", "round and round"],
)
def test_a_stem_plays_what_its_item_played(
    values: dict[str, float],
    part: slice,
    offset_s: float,
    server: Server,
    song_path: Path,
    separator: Separator,
    tmp_path: Path,
) -> None:
    item = make_item(song_path, song_path.name, **values)
    trace = run(tmp_path, server, [make_track("A", item)])
    assert trace["messages"] == []
    stems = [track["items"][0] for track in trace["tracks"][2:]]
    takes = [stem["take"] for stem in stems]
    kept = {"D_LENGTH": 3, **values}
    kept.pop("D_STARTOFFS", None)
    for stem, take in zip(stems, takes, strict=True):
        assert kept.items() <= (take | stem).items()
        assert take["D_STARTOFFS"] == pytest.approx(offset_s, abs=1e-12)
    assert [take["name"] for take in takes] == [labelled(song_path.stem, name) for name in STEMS]
    paths = {name: Path(take["file"]) for name, take in zip(STEMS, takes, strict=True)}
    assert {soundfile.info(path).subtype for path in paths.values()} == {"FLOAT"}
    mixture = Audio.read(song_path)
    assert_stems(paths, Audio(mixture.samples[:, part].copy(), RATE_HZ), separator)


def test_a_time_selection_on_selected_tracks(
    server: Server, song_path: Path, tmp_path: Path
) -> None:
    """Only what lies in it is separated; a loop that comes round needs the whole of its file."""
    items = [
        make_item(song_path, "before", selected=False, D_POSITION=0),
        make_item(song_path, "cut", selected=False, D_POSITION=4, D_FADEINLEN=0.2, D_PLAYRATE=0.5),
        make_item(
            song_path, "loop", selected=False, D_POSITION=7, D_LENGTH=9, D_STARTOFFS=1,
            D_FADEINLEN=0.2, D_FADEOUTLEN=0.3, B_LOOPSRC=1,
        ),
    ]  # fmt: skip
    tracks = [make_track("A", *items, selected=True), make_track("B", items[0])]
    trace = run(tmp_path, server, tracks, time_selection=(5, 14))
    assert trace["messages"] == []
    assert names_of(trace) == ["A", *(labelled("A", stem) for stem in ("stems", *STEMS)), "B"]
    source = [(item["D_POSITION"], item["D_LENGTH"]) for item in trace["tracks"][0]["items"]]
    assert source == [(0, 3), (4, 1), (5, 2), (7, 7), (14, 2)]
    assert muted(trace["tracks"][0]) == [False, False, True, True, False]
    cut, loop = trace["tracks"][2]["items"]
    assert (cut["D_POSITION"], cut["D_LENGTH"], cut["D_FADEINLEN"]) == (5, 2, 0)
    assert cut["take"]["D_STARTOFFS"] == 0
    assert Audio.read(cut["take"]["file"]).samples.shape[1] == RATE_HZ
    assert (loop["D_POSITION"], loop["D_LENGTH"], loop["B_LOOPSRC"]) == (7, 7, 1)
    assert (loop["D_FADEINLEN"], loop["D_FADEOUTLEN"]) == (0.2, 0)
    assert loop["take"]["D_STARTOFFS"] == 1
    assert Audio.read(loop["take"]["file"]).samples.shape[1] == 3 * RATE_HZ


def test_choices_are_made_and_remembered(server: Server, song_path: Path, tmp_path: Path) -> None:
    tracks = [make_track("A", make_item(song_path))]
    clicks = ["spleeter-2stems", "quality: fast", "quality: fast", "spleeter-2stems", "vocals"]
    clicks += ["mute the source", "Separate"]
    trace = run(tmp_path, server, tracks, clicks=clicks)
    assert trace["clicks_left"] == 0
    menu = trace["menus"][0].split("|")
    assert menu[0] == "!spleeter-2stems"
    first_away = menu.index(">To be fetched") + 1
    assert menu.index("quality: best") < first_away
    assert all("to be fetched" in label for label in menu[first_away:])
    assert menu[-1].startswith("<")
    assert re.search(r"\|htdemucs \(to be fetched, \d+ MB\)\|", trace["menus"][0])
    assert names_of(trace) == ["A", labelled("A", "vocals")]
    assert muted(trace["tracks"][0]) == [False]
    remembered = {"model": "spleeter-2stems", "stems": "vocals", "all_but": "0", "mute": "0"}
    assert trace["ext_state"] == {f"daw-bridge/{key}": text for key, text in remembered.items()}

    again = run(
        tmp_path, server, tracks, script="separate_into_stems_again", ext_state=trace["ext_state"]
    )
    assert names_of(again) == names_of(trace)
    assert muted(again["tracks"][0]) == [False]


def test_all_but_some(
    server: Server, song_path: Path, separator: Separator, tmp_path: Path
) -> None:
    clicks = ["all but these, in one", "Separate", "accompaniment", "Separate"]
    trace = run(tmp_path, server, [make_track("A", make_item(song_path))], clicks=clicks)
    assert "Tick what is to be left out." in trace["texts"]
    assert names_of(trace) == ["A", labelled("A", "no accompaniment")]
    track = trace["tracks"][1]
    assert track["I_CUSTOMCOLOR"] == native("accompaniment")
    left = Audio.read(track["items"][0]["take"]["file"]).samples
    vocals = separator.separate(Audio.read(song_path))["vocals"].samples
    np.testing.assert_allclose(left, vocals, atol=2.0**-22)


def test_free_tracks_are_used_again(server: Server, song_path: Path, tmp_path: Path) -> None:
    tracks = [
        make_track("A", make_item(song_path, D_POSITION=2)),
        make_track(labelled("A", "vocals"), make_item(song_path, selected=False, D_POSITION=5)),
        make_track(
            labelled("A", "accompaniment"), make_item(song_path, selected=False, D_POSITION=4)
        ),
    ]
    trace = run(tmp_path, server, tracks)
    assert names_of(trace) == ["A", *(labelled("A", stem) for stem in (STEMS[1], *STEMS))]
    assert [len(track["items"]) for track in trace["tracks"]] == [1, 1, 2, 1]


def test_stems_of_earlier_runs(server: Server, song_path: Path, tmp_path: Path) -> None:
    """They are left out of what is selected with others, and separated if they are alone."""
    first = run(tmp_path, server, [make_track("A", make_item(song_path))])["tracks"]
    for track in first:
        for item in track["items"]:
            item["selected"] = True
    both = run(tmp_path, server, first)
    assert "Stems of earlier runs are left out: 2." in both["texts"]
    assert len(both["tracks"]) == len(first) + 2
    first[0]["items"][0]["selected"] = first[2]["items"][0]["selected"] = False
    first[3]["items"][0]["take"]["seconds"] = 3
    alone = run(tmp_path, server, first)
    assert labelled(labelled("A", "accompaniment"), "vocals") in names_of(alone)


@pytest.mark.parametrize("button", ["Cancel", "<close>"])
def test_calling_it_off(button: str, server: Server, long_song_path: Path, tmp_path: Path) -> None:
    item = make_item(long_song_path, seconds=300, D_LENGTH=300)
    trace = run(tmp_path, server, [make_track("A", item)], clicks=["Separate", button])
    assert names_of(trace) == ["A"]
    assert trace["messages"] == trace["undo"] == []
    assert trace["help"] == "Separate into stems: cancelled."
    (job,) = [job for job in server_jobs(server) if str(tmp_path) in job.folder]
    wait_until(lambda: job_state(server, job.job) == "cancelled")


def server_jobs(server: Server) -> list[JobStatus]:
    with server.client() as client:
        return client.jobs()


def job_state(server: Server, name: str) -> str:
    return next(job.state for job in server_jobs(server) if job.job == name)


def test_one_item_that_fails_does_not_stop_the_others(
    server: Server, song_path: Path, tmp_path: Path
) -> None:
    (tmp_path / "text.wav").write_text("words " * 100)
    items = [
        make_item(tmp_path / "gone.wav", "Gone"),
        make_item(tmp_path / "text.wav", "Text"),
        make_item("", "MIDI"),
        make_item(song_path, "Stretched", stretch_markers=2),
        {"selected": True, "D_LENGTH": 1},
        make_item(song_path, "Good", D_LENGTH=0.5),
        make_item(song_path, "Beyond", D_STARTOFFS=5, B_LOOPSRC=0),
    ]
    trace = run(tmp_path, server, [make_track("A", *items)])
    (message,) = trace["messages"]
    sentences = message.split("\n\n")
    glue = "MIDI, Stretched: MIDI, reversed, sectioned and stretched items have to be glued first."
    assert glue in sentences
    assert "An item: it is empty." in sentences
    assert "Beyond: it plays nothing of its file." in sentences
    assert f"Gone: there is no file {tmp_path / 'gone.wav'}." in sentences
    (text,) = [line for line in sentences if line.startswith("Text: ")]
    assert "text.wav cannot be read as audio" in text
    assert [len(track["items"]) for track in trace["tracks"]] == [7, 0, 1, 1]
    assert len(trace["undo"]) == 1


def test_twenty_failures_are_one_message(server: Server, tmp_path: Path) -> None:
    items = [make_item(tmp_path / f"{n}.wav", f"Take {n}") for n in range(20)]
    items += [make_item("", f"MIDI {n}") for n in range(20)]
    trace = run(tmp_path, server, [make_track("A", *reversed(items))], clicks=[])
    (message,) = trace["messages"]
    assert message.startswith("MIDI 19, MIDI 18, MIDI 17 and 17 more: MIDI, reversed")
    log = server.state / "reaper.log"
    assert message.endswith(f"\n\n16 more are in {log}")
    assert f"Take 0: there is no file {tmp_path / '0.wav'}." in log.read_text("utf-8")


def test_a_track_that_was_deleted_meanwhile(
    server: Server, song_path: Path, tmp_path: Path
) -> None:
    delete = Lua("function(project) project.tracks = {} end")
    track = make_track("A", make_item(song_path, "Lost", D_LENGTH=0.5))
    trace = run(tmp_path, server, [track], at_each_tick=delete)
    (message,) = trace["messages"]
    assert message.startswith("Lost: its track is gone; the stems are in ")
    assert trace["tracks"] == []


def test_an_item_that_was_moved_meanwhile(server: Server, song_path: Path, tmp_path: Path) -> None:
    move = Lua("function(project) project.tracks[1].items[1].D_POSITION = 9 end")
    track = make_track("A", make_item(song_path, "Moved"))
    trace = run(tmp_path, server, [track], at_each_tick=move)
    assert trace["messages"] == ["Moved: it was changed meanwhile, so it is not muted."]
    assert muted(trace["tracks"][0]) == [False]
    assert trace["tracks"][2]["items"][0]["D_POSITION"] == 0


def test_stems_wait_for_their_projects_tab(server: Server, song_path: Path, tmp_path: Path) -> None:
    """Tracks are made in the tab that is shown."""
    look_elsewhere = Lua(
        "function(project, s)"
        "  project.came_s = project.came_s or (project.shown or ''):match('^Go back') and s"
        "  project.other_tab = not (project.came_s and s > project.came_s + 1) and {} or nil "
        "end"
    )
    track = make_track("A", make_item(song_path))
    trace = run(
        tmp_path, server, [track], script="separate_into_stems_again", at_each_tick=look_elsewhere
    )
    assert "Go back to the project's tab: its stems wait." in trace["texts"]
    assert len(trace["tracks"]) == 4


def test_a_server_that_was_killed_is_started_again(
    deaf_server: Server, song_path: Path, tmp_path: Path
) -> None:
    """As is one that was never there; both know the folders of `daw install --root`."""
    state = deaf_server.state
    (state / "roots").write_text(f"{tmp_path}\n{song_path.parent}\n", "utf-8")
    (state / "server").write_text(ANNOUNCEMENT.format(inbox=state / "inbox"), "utf-8")
    (state / "inbox").mkdir()
    try:
        trace = run(tmp_path, deaf_server, [make_track("A", make_item(song_path))])
        assert trace["messages"] == []
        assert "Starting stemtool …" in trace["texts"]
        assert [len(track["items"]) for track in trace["tracks"]] == [1, 0, 1, 1]
    finally:
        end_server(state)


def end_server(state: Path) -> None:
    """End a server that a script has started, if it has."""
    with suppress(KeyError, ProcessLookupError):
        os.kill(int(read_server_file(state)["pid"]), signal.SIGTERM)
        wait_until(lambda: not (state / "server").exists())


def test_a_server_that_does_not_start(deaf_server: Server, song_path: Path, tmp_path: Path) -> None:
    (deaf_server.state / "server").unlink()
    track = make_track("A", make_item(song_path))
    trace = run(tmp_path, deaf_server, [track], os="Win64")
    assert trace["messages"] == [NO_ANSWER.format(log=deaf_server.state / "reaper.log")]
    assert trace["texts"] == ["Starting stemtool …", "Cancel"]
    assert trace["commands"] == [
        f'"{STEMTOOL}" "serve" "--on-demand" "--state" "{deaf_server.state}"'
    ]
    assert trace["undo"] == []


def test_an_older_server(deaf_server: Server, song_path: Path, tmp_path: Path) -> None:
    trace = run(tmp_path, deaf_server, [make_track("A", make_item(song_path))], clicks=[])
    (message,) = trace["messages"]
    assert message.startswith("The server that runs is of an older stemtool")


def test_nothing_chosen(deaf_server: Server, song_path: Path, tmp_path: Path) -> None:
    track = make_track("A", make_item(song_path, selected=False), selected=True)
    trace = run(tmp_path, deaf_server, [track], clicks=[])
    assert trace["messages"] == ["Select items, or tracks and a time selection over their items."]
    assert trace["commands"] == []


def test_a_request_is_whole_and_taken_back(deaf_server: Server, tmp_path: Path) -> None:
    """Names of strangers stay within their line; what nobody takes in is not left lying there."""
    state = deaf_server.state
    (state / "server").write_text(ANNOUNCEMENT.format(inbox=state / "inbox"), "utf-8")
    (state / "inbox").mkdir()
    song = r"C:\Songs & more\100% $HOME\dü 'x'=y.wav"
    items = [make_item(song, f'{n} "hi"\\\nend=1', D_LENGTH=1, D_STARTOFFS=0.5) for n in range(25)]
    keep = f"cp '{state / 'inbox'}'/*-1.request '{tmp_path}/request' 2>/dev/null"
    trace = run(
        tmp_path, deaf_server, [make_track("A", *items)], os="Win64",
        at_each_tick=Lua(f"function(_, s) if s < 1 then os.execute({json.dumps(keep)}) end end"),
    )  # fmt: skip
    (message,) = trace["messages"]
    assert message.endswith(f" and 22 more: {NO_ANSWER.format(log=state / 'reaper.log')}")
    assert len(trace["commands"]) == 2  # each for all of them, and not within seconds
    assert not list((state / "inbox").iterdir())
    lines = (tmp_path / "request").read_text("utf-8").splitlines()
    words = dict(line.split("=", 1) for line in lines)
    out = Path(words.pop("out"))
    assert out.parent == project_folder(tmp_path) / "stems"
    assert lines[-1] == "end=1"
    assert words == {
        "model": "spleeter-2stems", "method": "separate", "path": song, "start": "22050",
        "length": "44100", "bits": "32f", "label": "0 _hi___end=1", "end": "1",
    }  # fmt: skip
