"""``stemtool remix``, ``presets`` and ``cache``, started as a user starts them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from benchmarks.cost import measure
from daw_bridge import Audio
from tests.conftest import SONGS, level_db, make_noise
from tests.stemtool import STEMTOOL, stemtool

SONG = SONGS / "sodium.ogg"

pytestmark = pytest.mark.usefixtures("network_path")


@pytest.fixture
def stems(tmp_path: Path) -> Path:
    """A folder with stems of half a second each, and the song that they sum to beside it."""
    parts = {stem: make_noise(22_050, seed=seed).samples for seed, stem in enumerate("ab")}
    folder = tmp_path / "stems"
    folder.mkdir()
    for stem, samples in parts.items():
        soundfile.write(folder / f"{stem}.wav", samples.T, 44_100, "FLOAT")
    soundfile.write(tmp_path / "song.wav", sum(parts.values()).T, 44_100, "FLOAT")  # type: ignore[union-attr]
    return folder


def test_a_remix(tmp_path: Path) -> None:
    run = stemtool("remix", SONG, "-o", tmp_path / "out.flac", "--preset", "karaoke",
                   "--preset", "streaming", "--keep-stems")  # fmt: skip
    assert run.returncode == 0, run.stderr
    assert "loudness -14.0 LUFS" in run.stdout
    assert str(tmp_path / "out.stems" / "vocals.wav") in run.stdout
    assert Audio.read(tmp_path / "out.flac").frames == Audio.read(SONG).frames


def test_every_option_at_once(stems: Path, tmp_path: Path) -> None:
    (tmp_path / "chain.toml").write_text('chain = [{ effect = "Reverb" }]')
    run = stemtool(
        "remix", tmp_path / "song.wav", "-o", tmp_path / "out", "--preset", "streaming",
        "--gain", "a=-6dB", "--gain", "b=3", "--pan", "a=-30", "--width", "b=50",
        "--chain", f"a={tmp_path / 'chain.toml'}", "--pitch", "1", "--tempo", "1.25",
        "--lufs", "-20", "--true-peak", "-3", "--stems", stems, "--solo", "a", "--solo", "b",
        "--start", "0:00.05", "--length", "0.4", "--format", "wav", "--bits", "16",
        "--cache-limit", "0", "--overwrite", "--json",
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    report = json.loads(run.stdout)
    assert report["provider"] == "folder"
    assert report["lufs"] == pytest.approx(-20, abs=0.1)
    assert report["true_peak_db"] <= -3
    assert report["frames"] > 0.4 / 1.25 * 44_100


def test_mute_is_what_the_rest_is(stems: Path, tmp_path: Path) -> None:
    run = stemtool("remix", tmp_path / "song.wav", "-o", tmp_path / "out.wav", "--bits", "32f",
                   "--stems", stems, "--mute", "a", "--quiet")  # fmt: skip
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")
    expected = Audio.read(stems / "b.wav").samples
    np.testing.assert_array_equal(Audio.read(tmp_path / "out.wav").samples, expected)


def test_bad_input_is_one_clear_sentence(stems: Path, tmp_path: Path) -> None:
    song, out = tmp_path / "song.wav", tmp_path / "new" / "out.wav"
    (tmp_path / "bad.toml").write_text('bus = [{ plugin = "../x.vst3" }]')
    (tmp_path / "empty").mkdir()
    cases: list[tuple[list[object], str]] = [
        ([song, "-o", tmp_path / "out.xyz"], "no known ending"),
        ([song, "-o", out, "--preset", "karaok"], "did you mean 'karaoke'?"),
        ([song, "-o", out, "--preset", tmp_path / "bad.toml"], "leads out of the preset's folder"),
        ([song, "-o", out, "--preset", "drumless"], "needs a stem 'drums'"),
        ([song, "-o", out, "--gain", "vocals=loud"], "as in vocals=-6"),
        ([song, "-o", out, "--gain", "vocals=99"], "<= 40"),
        ([song, "-o", out, "--chain", "vocals"], "as in drums=chain.toml"),
        ([song, "-o", out, "--tempo", "9"], "<= 4"),
        ([song, "-o", out, "--mute", "vocals", "--mute", "accompaniment"], "mutes every stem"),
        ([song, "-o", out, "--stems", tmp_path / "none"], "There is no folder"),
        ([song, "-o", out, "--stems", tmp_path / "empty"], "There are no stems"),
        ([SONG, "-o", out, "--stems", stems], "is not as long as"),
        ([tmp_path / "none.wav", "-o", out], "There is no file"),
        ([song, "-o", out, "--start", "99"], "holds no audio there"),
        ([song, "-o", song, "--overwrite"], "is an input"),
    ]
    for arguments, message in cases:
        run = stemtool("remix", *arguments)
        assert run.returncode in {1, 2}, arguments
        assert message in run.stderr, (arguments, run.stderr)
        assert "Traceback" not in run.stderr
        assert len(run.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "new").exists()


@pytest.mark.usefixtures("home")
def test_presets() -> None:
    listed = {row["name"]: row for row in json.loads(stemtool("presets", "list", "--json").stdout)}
    assert len(listed) >= 12
    assert listed["karaoke"]["summary"] in stemtool("presets", "list").stdout
    assert "gain_db = -30" in stemtool("presets", "show", "karaoke").stdout
    made = stemtool("presets", "new", "mine")
    assert stemtool("presets", "check", made.stdout.strip()).returncode == 0
    assert "exists" in stemtool("presets", "new", "mine").stderr
    assert "letters" in stemtool("presets", "new", "../mine").stderr
    assert "mine" in stemtool("presets", "list").stdout
    Path(made.stdout.strip()).write_text("summary = 'x'\ntempoo = 1")
    wrong = stemtool("presets", "check", made.stdout.strip())
    assert wrong.returncode == 1
    assert "line 2, tempoo: is no key (did you mean 'tempo'?)" in wrong.stderr
    assert "room_size" in stemtool("presets", "effects", "Reverb").stdout
    assert "Compressor" in stemtool("presets", "effects").stdout
    assert "did you mean 'Reverb'" in stemtool("presets", "effects", "Revreb").stderr


@pytest.mark.usefixtures("home_with_weights")
def test_cache(tmp_path: Path) -> None:
    for name, provider in (("a", ("cpu", "cuda")), ("b", ("cache",))):
        run = stemtool("remix", SONG, "-o", tmp_path / f"{name}.wav", "--json")
        assert json.loads(run.stdout)["provider"] in provider
    assert "14.1 MB" in stemtool("cache", "show").stdout
    assert stemtool("cache", "clear").returncode == 0
    assert " 0.0 MB of" in stemtool("cache", "show").stdout


def test_memory_is_flat(tmp_path: Path) -> None:
    """The peak of twelve minutes, stretched, through effects and limited, is that of three."""
    minute = np.tile(Audio.read(SONG).samples.T, (3, 1))

    def peak_mb(minutes: int) -> float:
        folder = tmp_path / str(minutes)
        folder.mkdir()
        soundfile.write(folder / "song.wav", np.tile(minute, (minutes, 1)), 44_100, "FLOAT")
        (folder / "stems").mkdir()
        (folder / "stems" / "all.wav").symlink_to(folder / "song.wav")
        command: list[str | Path] = [STEMTOOL, "remix", folder / "song.wav"]
        command += ["-o", folder / "out.wav", "--stems", folder / "stems", "--quiet"]
        command += ["--preset", "slowed-reverb", "--preset", "radio"]
        return measure(command).peak_mb

    assert peak_mb(12) <= 1.1 * peak_mb(3)


def test_an_empty_remix_is_the_song(tmp_path: Path) -> None:
    run = stemtool("remix", SONG, "-o", tmp_path / "out.wav", "--bits", "32f")
    assert run.returncode == 0, run.stderr
    song = Audio.read(SONG).samples
    assert level_db(Audio.read(tmp_path / "out.wav").samples - song, song) <= -120
