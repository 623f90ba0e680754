"""Stems in a folder, and those of a job, become projects."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import soundfile

from daw_bridge import Separator
from daw_bridge.errors import AudioError, OptionError, OutputError
from daw_bridge.files.containers import OutputFormat
from daw_bridge.jobs.job import check_outputs
from daw_bridge.jobs.project import ProjectOptions, find_song, write_projects
from daw_bridge.jobs.separate import SeparateJob, run_separate
from daw_bridge.library.stems import DASH
from daw_bridge.projects.composition import Original, compose
from daw_bridge.projects.formats import FORMATS, find_formats
from tests.conftest import SONGS, make_noise
from tests.projects.opened import open_dawproject, open_rpp

SONG = SONGS / "rubidium.ogg"
BOTH = find_formats(["dawproject", "rpp"])


def write_noise(path: Path, *, channels: int = 2) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, make_noise(1000, channels=channels).samples.T, 44_100)
    return path


def write_outcome(folder: Path, **said: object) -> None:
    (folder / "outcome.json").write_text(json.dumps({"job": "x", "kind": "separate", **said}))


def test_a_job_writes_projects_beside_its_stems(separator: Separator, tmp_path: Path) -> None:
    job = SeparateJob(SONG, tmp_path, start=44_100, length=44_100, formats=BOTH)
    result = run_separate(job, separator)
    assert result.projects == {
        "dawproject": tmp_path / "rubidium/rubidium.dawproject",
        "rpp": tmp_path / "rubidium/rubidium.rpp",
    }
    for path, read in zip(result.projects.values(), (open_dawproject, open_rpp), strict=True):
        original, *stems = read(path).tracks
        assert [track.name for track in stems] == [f"rubidium{DASH}{s}" for s in result.outputs]
        assert original.audio.shape == stems[0].audio.shape == (2, 44_100)
        assert original.is_muted


def test_projects_are_looked_for_before_the_work_begins(
    separator: Separator, tmp_path: Path
) -> None:
    job = SeparateJob(SONG, tmp_path, formats=BOTH)
    (tmp_path / "rubidium").mkdir()
    (tmp_path / "rubidium/rubidium.rpp").write_text("mine")
    with pytest.raises(OutputError, match=r"rubidium\.rpp exists"):
        run_separate(job, separator)
    assert [path.name for path in (tmp_path / "rubidium").iterdir()] == ["rubidium.rpp"]
    same = [replace(job, name="{stem} of {folder}.{ext}", track=str(n)) for n in range(2)]
    with pytest.raises(OptionError, match="not the only input"):
        check_outputs([replace(each, track="x") for each in same], separator.manifest)


@pytest.mark.parametrize("container", ["mp3", "flac", "ogg"])
def test_stems_of_any_kind_fit(container: str, separator: Separator, tmp_path: Path) -> None:
    job = SeparateJob(
        SONG,
        tmp_path,
        output_format=OutputFormat(container),  # type: ignore[arg-type]
        length=44_100,
        formats=BOTH,
    )
    result = run_separate(job, separator)
    opened = open_dawproject(result.projects["dawproject"])
    assert {track.audio.shape for track in opened.tracks} == {(2, 44_100)}


def test_an_original_that_no_daw_plays_is_left_out_and_told(
    separator: Separator, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    left, right = (write_noise(tmp_path / f"{side}.wav", channels=1) for side in "LR")
    job = SeparateJob(left, tmp_path, other_channels=(right,), formats=BOTH[:1])
    result = run_separate(job, separator)
    assert len(open_dawproject(result.projects["dawproject"]).tracks) == 2
    assert "L.wav is on no track" in caplog.text


def test_stems_are_known_by_their_names(tmp_path: Path) -> None:
    folder = tmp_path / "My song"
    for name in ("other", "vocals", "drums"):
        write_noise(folder / f"{name}.wav")
    song = find_song(folder)
    assert (song.title, list(song.stems)) == ("My song", ["vocals", "drums", "other"])
    labelled = tmp_path / "labelled"
    for name in ("vocals", "no drums+bass"):
        write_noise(labelled / f"Take{DASH}1{DASH}{name}.wav")
    song = find_song(labelled)
    assert (song.title, list(song.stems)) == (f"Take{DASH}1", ["vocals", "no drums+bass"])


def test_a_server_s_note_names_stems_and_their_source(tmp_path: Path) -> None:
    folder, source = tmp_path / "stems", write_noise(tmp_path / "song.wav")
    for name in ("drums", "vocals", "unrelated"):
        write_noise(folder / f"Song{DASH}{name}.wav")
    stems = {name: str(folder / f"Song{DASH}{name}.wav") for name in ("vocals", "drums")}
    write_outcome(folder, stems=stems, sources=[str(source)], start=0)
    song = find_song(folder)
    assert (song.title, list(song.stems)) == ("Song", ["vocals", "drums"])
    assert song.original == Original(source, 0)
    (folder / f"Song{DASH}drums.wav").unlink()
    with pytest.raises(AudioError, match=r"lacks Song.*drums\.wav, the stem drums: put it back"):
        find_song(folder)


def test_a_folder_from_elsewhere_names_no_file_of_this_machine(tmp_path: Path) -> None:
    folder, source = tmp_path / "moved", write_noise(tmp_path / "song.wav")
    write_noise(folder / "vocals.wav")
    for path in ("C:\\stems\\vocals.wav", "/stems/vocals.wav"):
        write_outcome(folder, stems={"vocals": path}, sources=[str(source)], start=0)
        song = find_song(folder)
        assert (song.stems, song.original) == ({"vocals": folder / "vocals.wav"}, None)


@pytest.mark.parametrize(
    "note",
    [
        b"{", b"[" * 100_000, b"null", b'{"stems": {}}', b'{"stems": {"a": 1}}', b"\xff", b"",
        b'{"stems": {"a": "a.wav"}, "start": 1e999}',
    ],
)  # fmt: skip
def test_a_note_that_is_none_is_passed_over(note: bytes, tmp_path: Path) -> None:
    write_noise(tmp_path / "song/vocals.wav")
    (tmp_path / "song/outcome.json").write_bytes(note)
    assert list(find_song(tmp_path / "song").stems) == ["vocals"]


@pytest.mark.parametrize("path", ["../secret.wav", "/etc/passwd", "..", "", "a/../b.wav"])
def test_a_note_leads_to_no_other_folder(path: str, tmp_path: Path) -> None:
    write_noise(tmp_path / "secret.wav")
    write_noise(tmp_path / "song/vocals.wav")
    write_outcome(tmp_path / "song", stems={"vocals": path})
    with pytest.raises(AudioError, match="lacks"):
        find_song(tmp_path / "song")


def test_a_folder_without_stems_is_told(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match="There is no folder"):
        find_song(tmp_path / "none")
    with pytest.raises(AudioError, match="There are no stems in"):
        find_song(tmp_path)


def test_nothing_is_written_where_one_of_several_exists(tmp_path: Path) -> None:
    project = compose("x", {"vocals": write_noise(tmp_path / "vocals.wav")})
    places = {name: tmp_path / f"x.{name}" for name in ("dawproject", "rpp")}
    places["rpp"].touch()
    with pytest.raises(OutputError, match=r"x\.rpp exists"):
        write_projects(project, places)
    with pytest.raises(OptionError, match="rpp cannot embed"):
        write_projects(project, places, ProjectOptions("embed", overwrite=True))
    assert not places["dawproject"].exists()
    write_projects(project, places, ProjectOptions(overwrite=True))
    assert all(FORMATS[name].place(tmp_path, "x").stat().st_size for name in places)
