"""The script for REAPER, run in Lua against a stand-in for REAPER."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from daw_bridge import Audio
from tests.daw.conftest import assert_stems, install, labelled
from tests.programs import require
from tests.server import HOST, Server

if TYPE_CHECKING:
    from daw_bridge import Separator

STAND_IN = Path(__file__).with_name("reaper.lua")
RATE_HZ = 44_100
COLOUR_COUNTS = 0x1000000
STEMS = ("vocals", "accompaniment")


class Lua(str):
    """Source code that goes into a project as it is."""

    __slots__ = ()


def to_lua(value: object) -> str:
    if isinstance(value, Lua):
        return value
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}={to_lua(element)}" for key, element in value.items()) + "}"
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


def run(tmp_path: Path, server: Server, tracks: list[dict[str, Any]], **project: Any) -> Any:
    """Run the script on a project and return the trace that the stand-in prints."""
    lua = require("lua5.4")
    script = install("reaper", tmp_path / "REAPER", server) / "separate_into_stems.lua"
    (tmp_path / "Project's folder").mkdir(exist_ok=True)
    project = {"path": str(tmp_path / "Project's folder"), "tracks": tracks} | project
    (tmp_path / "project.lua").write_text(f"return {to_lua(project)}", "utf-8")
    command = [lua, str(STAND_IN), str(script), str(tmp_path / "project.lua")]
    result = subprocess.run(command, capture_output=True, text=True, timeout=150, check=False)
    assert result.returncode == 0, result.stderr
    trace = json.loads(result.stdout)
    assert trace["undo_depth"] == trace["refresh_depth"] == 0
    return trace


def test_tracks_come_below_their_source(server: Server, song_path: Path, tmp_path: Path) -> None:
    tracks = [
        make_track("Guide", make_item(song_path, selected=False)),
        make_track(
            "Bass",
            make_item(song_path, "It's; a/take"),
            make_item(song_path, "Two"),
            I_FOLDERDEPTH=-1,
        ),
        make_track("", make_item(song_path)),
    ]
    trace = run(tmp_path, server, tracks)
    assert trace["messages"] == []
    assert trace["undo"] == ["Separate into stems"]
    assert trace["deferred"] > 5
    after = trace["tracks"]
    assert [track["name"] for track in after] == [
        "Guide",
        "Bass",
        *(labelled("Bass", stem) for stem in STEMS),
        "",
        *(labelled("Track 3", stem) for stem in STEMS),
    ]
    assert [len(track["items"]) for track in after] == [1, 2, 2, 2, 1, 1, 1]
    paths = [Path(track["items"][0]["take"]["file"]) for track in after[2:4]]
    assert [path.name for path in paths] == [labelled("It's; a_take", f"{s}.wav") for s in STEMS]
    assert [track["I_FOLDERDEPTH"] for track in after] == [0, 0, 0, -1, 0, 0, 0]
    colours = [track["I_CUSTOMCOLOR"] for track in after]
    assert colours[2] == colours[5] != colours[3] == colours[6]
    assert colours[2] & colours[3] & COLOUR_COUNTS
    assert colours[0] == colours[1] == colours[4] == 0


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
    stems = [track["items"][0] for track in trace["tracks"][1:]]
    takes = [stem["take"] for stem in stems]
    kept = {"D_LENGTH": 3, **values}
    kept.pop("D_STARTOFFS", None)
    for stem, take in zip(stems, takes, strict=True):
        assert kept.items() <= (take | stem).items()
        assert take["D_STARTOFFS"] == pytest.approx(offset_s, abs=1e-12)
    assert [take["name"] for take in takes] == [labelled(song_path.stem, name) for name in STEMS]
    paths = {name: Path(take["file"]) for name, take in zip(STEMS, takes, strict=True)}
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
    assert [track["name"] for track in trace["tracks"]] == [
        "A",
        *(labelled("A", stem) for stem in STEMS),
        "B",
    ]
    cut, loop = trace["tracks"][1]["items"]
    assert (cut["D_POSITION"], cut["D_LENGTH"], cut["D_FADEINLEN"]) == (5, 2, 0)
    assert cut["take"]["D_STARTOFFS"] == 0
    assert Audio.read(cut["take"]["file"]).samples.shape[1] == RATE_HZ
    assert (loop["D_POSITION"], loop["D_LENGTH"], loop["B_LOOPSRC"]) == (7, 7, 1)
    assert (loop["D_FADEINLEN"], loop["D_FADEOUTLEN"]) == (0.2, 0)
    assert loop["take"]["D_STARTOFFS"] == 1
    assert Audio.read(loop["take"]["file"]).samples.shape[1] == 3 * RATE_HZ


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
    assert (
        "MIDI: MIDI, reversed, sectioned and stretched items have to be glued first." in sentences
    )
    assert any(line.startswith("Stretched: MIDI, reversed") for line in sentences)
    assert "An empty item cannot be separated." in sentences
    assert "Beyond: the item plays nothing of its file." in sentences
    assert f"Gone: there is no file {tmp_path / 'gone.wav'}." in sentences
    (text,) = [line for line in sentences if line.startswith("Text: ")]
    assert "text.wav cannot be read as audio" in text
    assert [len(track["items"]) for track in trace["tracks"]] == [7, 1, 1]
    assert trace["undo"] == ["Separate into stems"]


def test_a_track_that_was_deleted_meanwhile(
    server: Server, song_path: Path, tmp_path: Path
) -> None:
    delete = Lua("function(project) project.tracks = {} end")
    track = make_track("A", make_item(song_path, "Lost", D_LENGTH=0.5))
    trace = run(tmp_path, server, [track], at_each_tick=delete)
    (message,) = trace["messages"]
    assert message.startswith("Lost: its track is gone; the stems are in ")
    assert trace["tracks"] == []


def test_no_server(deaf_server: Server, song_path: Path, tmp_path: Path) -> None:
    (deaf_server.state / "server").unlink()
    trace = run(tmp_path, deaf_server, [make_track("A", make_item(song_path))])
    assert trace["messages"] == [
        "The server is not running. Start it with `stemtool serve`, then run this again."
    ]
    assert trace["commands"] == trace["undo"] == []


def test_nothing_chosen(deaf_server: Server, song_path: Path, tmp_path: Path) -> None:
    track = make_track("A", make_item(song_path, selected=False), selected=True)
    trace = run(tmp_path, deaf_server, [track])
    assert trace["messages"] == ["Select items, or tracks and a time selection over their items."]
    assert trace["commands"] == []


def test_a_server_that_was_killed(deaf_server: Server, song_path: Path, tmp_path: Path) -> None:
    trace = run(tmp_path, deaf_server, [make_track("A", make_item(song_path))])
    (message,) = trace["messages"]
    assert f"{HOST}:{deaf_server.port}" in message
    assert trace["undo"] == []
    assert len(trace["tracks"]) == 1


def test_nothing_happens_at_all(deaf_server: Server, song_path: Path, tmp_path: Path) -> None:
    trace = run(tmp_path, deaf_server, [make_track("A", make_item(song_path))], os="Win64")
    (message,) = trace["messages"]
    assert message.startswith("Take: no answer. Is `stemtool serve` running, and is ")


def test_what_windows_is_given(deaf_server: Server, tmp_path: Path) -> None:
    """No shell there: quotes as the C library takes them apart, and the rest as it is."""
    song = r"C:\Songs & more\100% $HOME\dü 'x'.wav"
    item = make_item(song, 'say "hi"\\', D_LENGTH=1, D_STARTOFFS=0.5)
    trace = run(tmp_path, deaf_server, [make_track("A", item)], os="Win64")
    (command,) = trace["commands"]
    assert f'"send" "{song}" "-o" "' in command
    assert command.endswith(
        f'"--to" "{HOST}:{deaf_server.port}" "--label=say _hi__" "--quiet"'
        ' "--start" "0.500000000" "--length" "1.000000000"'
    )
