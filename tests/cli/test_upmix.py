"""``stemtool upmix``, started as a user starts it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from daw_bridge import Audio
from daw_bridge.files.speakers import read_mask
from tests.conftest import SONGS, make_noise
from tests.stemtool import stemtool

SONG = SONGS / "sodium.ogg"

pytestmark = pytest.mark.usefixtures("network_path")


def test_a_song_becomes_surround(tmp_path: Path) -> None:
    run = stemtool("upmix", SONG, "-o", tmp_path / "up.flac")
    assert run.returncode == 0, run.stderr
    assert run.stderr == ""
    assert read_mask(tmp_path / "up.flac") == 0x60F
    assert Audio.read(tmp_path / "up.flac").channels == 6
    for said in ("level, dB", "peak, dB", "LUFS, stereo", "folded down to stereo", "x real time"):
        assert said in run.stdout
    checked = stemtool("upmix", "--check", tmp_path / "up.flac", "--against", SONG)
    assert checked.stdout.splitlines()[1:] == run.stdout.splitlines()[3:]
    again = stemtool("upmix", SONG, "-o", tmp_path / "up.flac")
    assert again.returncode == 1
    assert "--overwrite" in again.stderr


def test_every_option_at_once(tmp_path: Path) -> None:
    assert stemtool("separate", SONG, "-o", tmp_path, "--name", "s/{stem}.{ext}").returncode == 0
    run = stemtool(
        "upmix", SONG, "-o", tmp_path / "out", "--layout", "7.1", "--output", "stems",
        "--center-width", "0.5", "--surround-level", "3", "--lfe", "80Hz@-6dB",
        "-m", "spleeter-2stems", "--stems", tmp_path / "s", "--format", "wav", "--bits", "32f",
        "--overwrite", "--json",
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    report = json.loads(run.stdout)
    assert report["provider"] == "folder"
    assert report["null_db"] <= -120
    assert report["outputs"] == {
        stem: str(tmp_path / "out" / f"{stem}.wav") for stem in ("accompaniment", "vocals")
    }
    assert list(report["report"]["levels_db"]) == ["L", "R", "C", "LFE", "Lb", "Rb", "Ls", "Rs"]
    assert all(read_mask(Path(path)) == 0x63F for path in report["outputs"].values())


def test_a_mix_goes_into_a_folder_too(tmp_path: Path) -> None:
    assert stemtool("upmix", SONG, "-o", tmp_path, "--layout", "quad", "--quiet").stdout == ""
    assert read_mask(tmp_path / f"{SONG.stem} quad.wav") == 0x33


def test_a_layout_of_ones_own(tmp_path: Path) -> None:
    layout = 'name = "front"\nsummary = "s"\nchannels = ["L", "R", "C"]\nlike = "5.1"\n'
    (tmp_path / "front.toml").write_text(layout, "utf-8")
    run = stemtool("upmix", SONG, "-o", tmp_path, "--layout", tmp_path / "front.toml", "--quiet")
    assert run.returncode == 0, run.stderr
    assert read_mask(tmp_path / f"{SONG.stem} front.wav") == 0x7


def test_a_check_is_drawn(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    soundfile.write(tmp_path / "a.wav", make_noise(50_000, channels=6).samples.T, 44_100)
    soundfile.write(tmp_path / "b.wav", make_noise(50_000).samples.T, 44_100)
    run = stemtool(
        "upmix", "--check", tmp_path / "a.wav", "--against", tmp_path / "b.wav", "--json",
        "--plot", tmp_path / "a.png",
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    assert json.loads(run.stdout)["null_db"] > 0
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        ([], 2, "Name a FILE"),
        (["{song}"], 2, "-o OUT"),
        (["--check", "{song}"], 2, "--against"),
        (["--check", "{song}", "--against", "{song}"], 1, "which loudspeakers"),
        (["{song}", "-o", "{out}", "--layout", "9.1"], 2, "There is no layout '9.1'"),
        (["{song}", "-o", "{out}", "--layout", "../5.1"], 2, "There is no layout"),
        (["{song}", "-o", "{out}", "--layout", "none.toml"], 2, "none.toml cannot be read"),
        (["{song}", "-o", "{out}", "--center-width", "2"], 2, "from 0 to 1"),
        (["{song}", "-o", "{out}", "--surround-level", "99"], 2, "-60 to 20 dB"),
        (["{song}", "-o", "{out}", "--lfe", "loud"], 2, "HZ@dB"),
        (["{song}", "-o", "{out}", "--format", "flac", "--bits", "32f"], 2, "flac has no 32f"),
        (["{song}", "-o", "{out}", "--stems", "{out}/none"], 1, "There is no folder"),
        (["{song}", "-o", "{out}", "-m", "none"], 1, "There is no model"),
        (["{out}/none.wav", "-o", "{out}"], 1, "There is no file"),
        (["{mono}", "-o", "{out}"], 1, "1 channel; only stereo"),
        (["{surround}", "-o", "{out}"], 1, "6 channels; only stereo"),
    ],
)
def test_bad_input_gets_one_sentence_and_leaves_nothing(
    arguments: list[str], code: int, sentence: str, tmp_path: Path
) -> None:
    paths = {"song": SONG, "out": tmp_path / "out"}
    for name, channels in (("mono", 1), ("surround", 6)):
        paths[name] = tmp_path / f"{name}.wav"
        soundfile.write(paths[name], np.zeros((100, channels)), 44_100)
    run = stemtool("upmix", *(each.format(**paths) for each in arguments))
    assert run.returncode == code
    assert sentence in run.stderr
    assert "Traceback" not in run.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("home_with_weights")
def test_stems_are_found_again(tmp_path: Path) -> None:
    origins = []
    for layout in ("5.1", "7.1"):
        run = stemtool("upmix", SONG, "-o", tmp_path, "--layout", layout, "--json")
        origins.append(json.loads(run.stdout)["provider"])
    assert origins[1] == "cache"


def test_layouts_are_listed() -> None:
    lines = stemtool("presets", "layouts").stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["5.0", "5.1", "5.1-back", "7.1", "quad"]
    assert lines[1].endswith(": L R C LFE Ls Rs")
