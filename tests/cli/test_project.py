"""``stemtool project`` and ``stemtool separate --project``, as a user starts them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import soundfile

from daw_bridge.library.stems import DASH
from tests.conftest import SONGS, make_noise
from tests.disks import fill_up, small_disk
from tests.drums import play_drums
from tests.projects.opened import open_dawproject, open_rpp
from tests.stemtool import stemtool

SONG = SONGS / "rubidium.ogg"
PART = ("--start", "3.5", "--length", "2")


@pytest.fixture(scope="module")
def stems(network_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Stems of a part of a song, with a project beside them."""
    folder = tmp_path_factory.mktemp("stems")
    run = stemtool("separate", SONG, "-o", folder, *PART, "--project", "dawproject")
    assert run.returncode == 0, run.stderr
    assert f"dawproject     {folder / 'rubidium/rubidium.dawproject'}" in run.stdout
    return folder / "rubidium"


def test_both_ways_to_a_project_come_to_the_same(stems: Path, tmp_path: Path) -> None:
    run = stemtool(
        "project", stems, "--to", "dawproject", "-o", tmp_path / "Mine.dawproject",
        "--original", SONG,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    assert "2 stems of 2.0 s at 44100 Hz, 120 BPM" in run.stdout
    assert f"original, muted: {SONG}" in run.stdout
    mine = tmp_path / "Mine.dawproject"
    assert mine.read_bytes() == (stems / "rubidium.dawproject").read_bytes()


def test_a_project_is_as_was_said(stems: Path, tmp_path: Path) -> None:
    run = stemtool(
        "project", stems, "--to", "dawproject,rpp", "-o", tmp_path / "out", "--original", SONG,
        "--link", "--tempo", "92.5", "--no-muted-original", "--start", "1", "--json",
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    report = json.loads(run.stdout)
    names = ["rubidium", f"rubidium{DASH}vocals", f"rubidium{DASH}accompaniment"]
    assert report["tracks"] == names
    for form, read in {"dawproject": open_dawproject, "rpp": open_rpp}.items():
        opened = read(Path(report["projects"][form]))
        assert opened.tempo_bpm == 92.5
        assert [track.is_muted for track in opened.tracks] == [False] * 3


def test_nothing_is_said_of_an_original_that_nobody_named(stems: Path, tmp_path: Path) -> None:
    run = stemtool("project", stems, "--to", "rpp", "-o", tmp_path)
    assert "no track of the original: --original FILE adds it" in run.stdout
    assert (tmp_path / "rubidium.rpp").exists()


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        (["--to", "dawprojekt"], "did you mean 'dawproject'"),
        (["--to", ","], "--to names no format"),
        (["--to", "rpp", "--embed"], "rpp cannot embed audio"),
        (["--to", "rpp", "--start", "1"], "name it with --original"),
        (["--to", "rpp", "--tempo", "1000"], "is no tempo; write 20 to 400, or auto"),
        (["--to", "rpp", "--tempo", "nan"], "is no tempo"),
        (["--to", "rpp", "--original", "none.wav"], "none.wav"),
        (["--to", "rpp", "--original", __file__], "on no track"),
        (["--to", "dawproject"], "exists; --overwrite replaces it"),
    ],
)
def test_what_cannot_be_is_one_sentence(said: list[str], sentence: str, stems: Path) -> None:
    before = sorted(stems.iterdir())
    run = stemtool("project", stems, *said)
    assert run.returncode in (1, 2)
    assert sentence in run.stderr
    assert "Traceback" not in run.stderr
    assert len(run.stderr.splitlines()) == 1 or "Usage" in run.stderr
    assert sorted(stems.iterdir()) == before


def test_the_tempo_is_that_of_the_drums(tmp_path: Path) -> None:
    drums, rest = play_drums(98.0, 44_100, 12), make_noise(12 * 44_100).samples
    for name, samples in {"drums": drums, "other": rest, "center": rest[:1]}.items():
        soundfile.write(tmp_path / f"{name}.wav", samples.T, 44_100)
    run = stemtool("project", tmp_path, "--to", "rpp", "-o", tmp_path / "x.rpp", "--tempo", "auto")
    assert run.returncode == 0, run.stderr
    assert open_rpp(tmp_path / "x.rpp").tempo_bpm == 98
    (tmp_path / "drums.wav").unlink()
    run = stemtool("project", tmp_path, "--to", "rpp", "--tempo", "auto")
    assert "no tempo is heard" in run.stdout
    assert "120 BPM" in run.stdout


def test_stems_that_are_not_of_one_song_are_told(tmp_path: Path) -> None:
    for name, frames in {"vocals": 100, "drums": 101}.items():
        soundfile.write(tmp_path / f"{name}.wav", make_noise(frames).samples.T, 44_100)
    run = stemtool("project", tmp_path, "--to", "rpp")
    assert run.returncode == 1
    assert "are not stems of one song" in run.stderr


def test_a_full_disk_leaves_the_stems_and_no_half_project(
    network_path: Path, tmp_path: Path
) -> None:
    with small_disk(tmp_path / "disk", 8) as disk:
        fill_up(disk, leave=3_000_000)  # two stems of 706 kB, and as much while they are made
        run = stemtool(
            "separate", SONG, "-o", disk, *PART, "--bits", "32f", "--project", "dawproject"
        )
        assert run.returncode == 1
        assert "There is no room left for" in run.stderr
        assert "rubidium.dawproject" in run.stderr
        left = sorted(path.name for path in (disk / "rubidium").iterdir())
        assert left == ["accompaniment.wav", "vocals.wav"]
