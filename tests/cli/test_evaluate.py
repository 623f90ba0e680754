"""``stemtool evaluate``, started as a user starts it."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path

import pytest

from tests.songs import make_stems, write_song, write_songs
from tests.stemtool import stemtool

pytestmark = pytest.mark.usefixtures("network_path")


@pytest.fixture(scope="module")
def songs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_songs(tmp_path_factory.mktemp("data") / "songs <&>")


def test_every_option_at_once(songs: Path, tmp_path: Path) -> None:
    run = stemtool(
        "evaluate", "-m", "spleeter-2stems", "--data", songs, "--report", tmp_path / "new",
        "--min-sdr", "vocals=-99", "--min-sdr", "accompaniment=-99.5 dB", "--extension", "zeros",
        "--bandwidth", "16k", "--overlap", "0.25", "--wiener", "1", "--compat", "spleeter",
        "--provider", "cpu", "--threads", "1", "--overwrite", "--json",
    )  # fmt: skip
    assert (run.returncode, run.stderr) == (0, "")
    (found,) = json.loads(run.stdout)["evaluations"]
    assert found["model"] == "spleeter-2stems"
    assert found["options"]["wiener_iterations"] == 1
    assert list(found["figures"]["vocals"]) == ["mixture", "spleeter-2stems", "ideal masks"]
    assert found["targets"][1]["song_stems"] == ["bass", "drums"]
    assert [song["name"] for song in found["songs"]] == ["1 whole", "2 silent", "3 drums"]
    page = (tmp_path / "new" / "report.html").read_text("utf-8")
    sources = re.findall(r'src="(.*?)"', page)
    assert len(sources) == 4  # the spread, and each song
    for source in sources:
        kind, content = source.split(",")
        assert kind == "data:image/svg+xml;base64"
        assert b"</svg>" in base64.b64decode(content)
    assert page.count(f">{found['figures']['vocals']['mixture']['sir_db']:.2f}<") >= 1
    assert "$" not in re.sub(r'src=".*?"', "", page)


def test_a_table_for_people_and_an_exit_status_for_machines(songs: Path) -> None:
    run = stemtool("evaluate", "--data", songs, "--min-sdr", "vocals=99")
    assert run.returncode == 1
    (sentence,) = run.stderr.splitlines()
    assert re.fullmatch(
        r"stemtool: spleeter-2stems gives vocals an SDR of \S+ dB, less than 99 dB\.", sentence
    )
    lines = run.stdout.splitlines()
    assert lines[0] == "spleeter-2stems, 3 songs, 0:08 of music; accompaniment is bass + drums"
    assert lines[1].split()[:5] == ["dB", "SDR", "ISR", "SIR", "SAR"]
    rows = [line.strip().split("  ")[0] for line in lines[2:]]
    methods = ["mixture", "spleeter-2stems", "ideal masks"]
    assert rows == ["vocals", *methods, "accompaniment", *methods]


def test_a_stem_that_is_silent_in_every_song_falls_short(tmp_path: Path) -> None:
    stems = make_stems()
    write_song(tmp_path / "song", stems | {"vocals": 0 * stems["vocals"]})
    run = stemtool("evaluate", "--data", tmp_path, "--min-sdr", "vocals=0", "--quiet")
    assert (run.returncode, run.stdout) == (1, "")
    assert "has no SDR for vocals" in run.stderr


def test_bad_input_gets_one_sentence(songs: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "report.html").write_text("precious")
    write_song(tmp_path / "bass" / "song", {"bass": make_stems()["bass"]})
    cases: list[tuple[list[object], int, str]] = [
        ([], 2, "Missing option '--data'"),
        (["--data", tmp_path / "none"], 1, "There is no data set"),
        (["--data", tmp_path / "empty"], 1, "holds no songs"),
        (["--data", tmp_path / "bass"], 1, "nothing to compare: the songs have bass"),
        (["--data", songs, "-m", "spleeter-2stem"], 1, "did you mean 'spleeter-2stems'?"),
        (["--data", songs, "--min-sdr", "vocals"], 2, "no stem with a figure"),
        (["--data", songs, "--min-sdr", "vokals=6"], 2, "did you mean 'vocals'?"),
        (["--data", songs, "--report", tmp_path], 1, "exists; --overwrite replaces it"),
        (["--data", songs, "--bandwidth", "99k"], 2, "it has 11k, 16k"),
    ]
    for arguments, code, sentence in cases:
        run = stemtool("evaluate", *arguments)
        assert (run.returncode, run.stdout) == (code, ""), run.stderr
        assert sentence in run.stderr
        assert "Traceback" not in run.stderr
    assert (tmp_path / "report.html").read_text() == "precious"
