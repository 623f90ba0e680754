"""What every format writes, read back by what others wrote: tracks, audio and all that is said."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rpp
import rppxml
import soundfile

from daw_bridge.errors import OptionError, OutputError
from daw_bridge.files.markers import Marker
from daw_bridge.files.reading import open_audio
from daw_bridge.files.riff import append_chunk
from daw_bridge.library.colours import SOURCE, colour_of
from daw_bridge.library.stems import DASH
from daw_bridge.projects.composition import Original, compose
from daw_bridge.projects.destination import Destination, Way
from daw_bridge.projects.formats import FORMATS, find_formats
from daw_bridge.projects.project import Project
from daw_bridge.projects.writing import write_project
from tests.conftest import SONGS, make_noise
from tests.projects.conftest import LENGTH, START, Made
from tests.projects.opened import Opened, left_of, open_dawproject, open_rpp, unpacked

READERS: list[tuple[str, Way, Callable[[Path], Opened]]] = [
    ("dawproject", "embed", open_dawproject),
    ("dawproject", "link", open_dawproject),
    ("rpp", "link", open_rpp),
]
formats = pytest.mark.parametrize(("name", "way", "read"), READERS)

HOSTILE = [
    "it's", 'a "b"', "back`tick", "it's \"b\"", "<TRACK", ">", "&amp;", "new\nline", "🎤 👩‍🎤",
    " x ", "|pipe", "'", "a\x07b", "\u202eb", "%s {0}", f"ünï{DASH}cödé",
]  # fmt: skip


def write(project: Project, name: str, way: Way, path: Path) -> Path:
    write_project(project, FORMATS[name], Destination(path, way))
    return path


@formats
def test_a_song_is_there_to_the_sample(
    name: str, way: Way, read: Callable[[Path], Opened], made: Made, tmp_path: Path
) -> None:
    project = replace(
        made.project,
        tempo_bpm=93.25,
        start=7,
        markers=(Marker("Verse <1>", 0), Marker('"Chorus"', 44_101)),
    )
    opened = read(write(project, name, way, tmp_path / f"song.{name}"))
    original, *stems = opened.tracks
    with open_audio(SONGS / "rubidium.ogg") as reader:
        song = np.concatenate(list(reader.blocks(START, LENGTH)), axis=1)
    assert np.array_equal(original.audio, song)
    assert made.result.null_db is not None
    assert left_of(song, opened.tracks) == pytest.approx(made.result.null_db, abs=0.1)
    assert made.result.null_db < -120
    assert [stem.name for stem in stems] == [
        f"Rubidium{DASH}{s}" for s in ("vocals", "accompaniment")
    ]
    assert [stem.colour for stem in stems] == [str(colour_of(s)) for s in made.result.outputs]
    assert (original.name, original.colour) == ("Rubidium", str(SOURCE))
    assert [track.is_muted for track in opened.tracks] == [True, False, False]
    assert [track.group for track in opened.tracks] == ["", "Rubidium stems", "Rubidium stems"]
    assert {round(track.position_s * 44_100, 6) for track in opened.tracks} == {7}
    assert (opened.sample_rate_hz, opened.tempo_bpm) == (44_100, 93.25)
    assert [name for name, _ in opened.markers] == ["Verse <1>", '"Chorus"']
    assert [round(44_100 * time, 6) for _, time in opened.markers] == [7, 44_108]


@formats
def test_stems_may_have_any_name_and_number(
    name: str, way: Way, read: Callable[[Path], Opened], tmp_path: Path
) -> None:
    names = [*HOSTILE, *(f"part {number}" for number in range(30 - len(HOSTILE)))]
    folder = tmp_path / f"it's <here>{DASH}🎸"
    folder.mkdir()
    stems = {}
    for number, stem in enumerate(names):
        stems[stem] = folder / f"{number} it's <a>{DASH}🎤.wav"
        soundfile.write(stems[stem], make_noise(50, seed=number).samples.T, 48_000, "FLOAT")
    project = compose(HOSTILE[3], stems)
    opened = read(write(project, name, way, tmp_path / f"it's.{name}"))
    assert len(opened.tracks) == 30
    for number, track in enumerate(opened.tracks):
        assert np.array_equal(track.audio, make_noise(50, seed=number).samples)
        assert "\n" not in track.name
    assert opened.tracks[1].name == f'it\'s "b"{DASH}a "b"'
    assert opened.tracks[7].name == f'it\'s "b"{DASH}new line'
    assert opened.tracks[8].name == f'it\'s "b"{DASH}🎤 👩‍🎤'


@formats
def test_six_channels_stay_six(
    name: str, way: Way, read: Callable[[Path], Opened], tmp_path: Path
) -> None:
    noise = make_noise(50, channels=6).samples
    stems = {stem: tmp_path / f"{stem}.wav" for stem in ("vocals", "other")}
    for path in stems.values():
        soundfile.write(path, noise.T, 44_100, "FLOAT")
    opened = read(write(compose("5.1", stems), name, way, tmp_path / f"x.{name}"))
    assert [track.channels for track in opened.tracks] == [6, 6]
    assert np.array_equal(opened.tracks[0].audio, noise)


def test_the_same_stems_become_the_same_archive(made: Made, tmp_path: Path) -> None:
    paths = [tmp_path / "a.dawproject", tmp_path / "b.dawproject"]
    first, second = (
        write(made.project, "dawproject", "embed", path).read_bytes() for path in paths
    )
    assert first == second
    members = unpacked(first)
    assert list(members)[2:] == [
        "audio/01 Rubidium.ogg",
        f"audio/02 Rubidium{DASH}vocals.wav",
        f"audio/03 Rubidium{DASH}accompaniment.wav",
    ]
    assert (
        members[f"audio/02 Rubidium{DASH}vocals.wav"] == made.result.outputs["vocals"].read_bytes()
    )


def test_the_parser_of_reaper_reads_what_another_reads(made: Made, tmp_path: Path) -> None:
    project = replace(made.project, title='it\'s "b"', markers=(Marker("`x`", 3),))
    text = write(project, "rpp", "link", tmp_path / "x.rpp").read_text("utf-8")
    assert plain(rppxml.loads(text)) == plain(rpp.loads(text))


def plain(node: object) -> object:
    """Return what either parser made of a block, as lists of words; numbers are numbers."""
    if isinstance(node, rppxml.RPPXML):
        return [node.name, *map(plain, node.params)], [plain(each) for each in node.children]
    if isinstance(node, rpp.Element):
        return [node.tag, *map(plain, node.attrib)], [plain(each) for each in node]
    if isinstance(node, list):
        return [plain(each) for each in node]
    try:
        return float(str(node))
    except ValueError:
        return str(node)


def test_a_file_that_cannot_be_named_is_refused(tmp_path: Path) -> None:
    for name in ("'\"`", "a\nb", "\x1b[2J"):
        path = tmp_path / f"{name}.wav"
        soundfile.write(path, make_noise(50).samples.T, 44_100)
        with pytest.raises(OutputError, match=r"cannot be named in .*rename it"):
            write(compose("x", {"vocals": path}), "rpp", "link", tmp_path / "x.rpp")
        assert not (tmp_path / "x.rpp").exists()
        embedded = write(
            compose("x", {"vocals": path}), "dawproject", "embed", tmp_path / f"{name}.dawproject"
        )
        assert len(open_dawproject(embedded).tracks) == 1


def test_unknown_formats_and_ways_are_refused() -> None:
    with pytest.raises(OptionError, match="did you mean 'dawproject'"):
        find_formats(["dawprojekt"])
    with pytest.raises(OptionError, match="rpp cannot embed audio, only link it"):
        FORMATS["rpp"].choose_way("embed")


def test_an_original_of_another_length_is_told_from_where_its_stems_begin(made: Made) -> None:
    """The stems are Broadcast WAV, so that nobody has to say where they begin."""
    project = compose("x", made.result.outputs, Original(SONGS / "rubidium.ogg"))
    assert project.original
    assert (project.original.offset, project.original.frames) == (START, LENGTH)


def test_markers_of_the_original_move_with_its_part(tmp_path: Path) -> None:
    song, stem = tmp_path / "song.wav", tmp_path / "vocals.wav"
    soundfile.write(song, make_noise(5000).samples.T, 44_100)
    soundfile.write(stem, make_noise(1000).samples.T, 44_100)
    places = (999, 1000, 1999, 2000)
    cues = [struct.pack("<II4sIII", at, at, b"data", 0, 0, at) for at in places]
    with song.open("rb+") as file:
        append_chunk(file, b"cue ", struct.pack("<I", len(cues)) + b"".join(cues))
    project = compose("x", {"vocals": stem}, Original(song, 1000))
    assert [marker.position for marker in project.markers] == [0, 999]
