"""``--quality``, and what is said before stems are made, as a user sees it."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from daw_bridge.errors import OptionError
from daw_bridge.jobs.choosing import Forecast
from stemtool_cli.options import Display, Engine
from stemtool_cli.outlook import Outlook, describe_seconds
from tests.conftest import SONGS
from tests.ladder_models import install
from tests.stemtool import stemtool

SONG = SONGS / "sodium.ogg"  # 20 s


@pytest.fixture
def ladder(home: Path) -> Path:
    """Three models: one good and slow, one that keeps up with real time, one that is quick."""
    install(home, "slow", sdr_db=9, cost=10)
    install(home, "even", sdr_db=8, cost=0.9)
    install(home, "quick", sdr_db=4, cost=0.01)
    return home


@pytest.mark.parametrize(
    ("rung", "name", "said"),
    [
        ("best", "slow", "9.0 dB on some songs; 0.1 x real time."),
        ("good", "even", "8.0 dB on some songs; 1.1 x real time."),
        ("fast", "quick", "4.0 dB on some songs; 100 x real time."),
    ],
)
def test_each_rung_has_its_model(
    rung: str, name: str, said: str, ladder: Path, tmp_path: Path
) -> None:
    options = ("--stems", "low", "--quality", rung, "--name", "{model}-{stem}.{ext}")
    run = stemtool("separate", SONG, "-o", tmp_path, *options)
    assert run.returncode == 0, run.stderr
    assert (tmp_path / f"{name}-low.wav").is_file()
    first, *_ = run.stderr.splitlines()
    assert first == f"stemtool: --quality {rung}: {name}, which makes low, high; {said}"


def test_a_long_wait_is_told_with_a_way_out(ladder: Path, tmp_path: Path) -> None:
    run = stemtool("separate", SONG, "-o", tmp_path, "-m", "slow")
    assert run.stderr == (
        "stemtool: slow will take about 3 min 20 s; quick would take 1 s: -m quick.\n"
    )
    run = stemtool(
        "separate", SONG, "-o", tmp_path, "--quality", "best", "--stems", "low", "--overwrite"
    )
    assert run.stderr.endswith("quick would take 1 s: --quality fast.\n")
    for options in (("-m", "even"), ("-m", "slow", "--quiet"), ("-m", "slow", "--length", "1")):
        assert stemtool("separate", SONG, "-o", tmp_path, "--overwrite", *options).stderr == ""


def test_programs_find_it_in_the_report(ladder: Path, tmp_path: Path) -> None:
    options = ("--quality", "best", "--stems", "low", "--json")
    run = stemtool("separate", SONG, "-o", tmp_path, *options)
    assert run.stderr == ""
    report = json.loads(run.stdout)
    assert report["forecast"] == {
        "model": "slow", "seconds": pytest.approx(200), "cheaper": "quick",
        "cheaper_seconds": pytest.approx(0.2),
    }  # fmt: skip
    assert report["choice"]["model"] == "slow"
    assert report["choice"]["sdr_db"] == 9.0


@pytest.mark.parametrize(
    ("options", "code", "sentence"),
    [
        (("-m", "slow", "--quality", "best"), 2, "-m slow is a model; --quality fast|good|best is"),
        (("--offline",), 2, "--commercial and --offline go with --quality"),
        (("--quality", "best", "--stems", "kazoo"), 1, "No model makes kazoo"),
        (("--quality", "best", "--stems", "guitar", "--offline"), 1, "is on this machine"),
    ],
)
def test_what_is_refused(
    options: tuple[str, ...], code: int, sentence: str, home: Path, tmp_path: Path
) -> None:
    run = stemtool("separate", SONG, "-o", tmp_path, *options)
    assert run.returncode == code
    assert sentence in run.stderr
    assert "Traceback" not in run.stderr


def test_a_remix_asks_for_the_stems_that_it_names(ladder: Path, tmp_path: Path) -> None:
    words = ("remix", SONG, "-o", tmp_path / "r.wav", "--mute", "low", "--overwrite")
    run = stemtool(*words, "--quality", "best")
    assert run.returncode == 0, run.stderr
    chosen, told = run.stderr.splitlines()
    assert "slow, which makes low, high" in chosen
    assert "slow will take about 3 min 20 s" in told
    again = stemtool(*words, "-m", "slow")
    assert again.stderr == ""  # nothing is separated: the stems are in the cache
    report = json.loads(stemtool(*words, "--quality", "best", "--json").stdout)
    assert (report["choice"]["model"], report["forecast"]) == ("slow", None)


def test_an_upmix_asks_for_the_stems_that_its_layout_names(home: Path, tmp_path: Path) -> None:
    options = ("--quality", "best", "--offline", "--commercial", "--json")
    run = stemtool("upmix", SONG, "-o", tmp_path / "u.wav", *options)
    assert run.returncode == 0, run.stderr
    choice = json.loads(run.stdout)["choice"]
    assert choice["model"] == "bridge-4stems"
    assert sorted(choice["stems"]) == ["bass", "drums", "vocals"]


def test_stems_in_a_folder_need_no_model(ladder: Path, tmp_path: Path) -> None:
    stemtool("separate", SONG, "-o", tmp_path, "-m", "quick", "--name", "s/{stem}.{ext}")
    words = ("remix", SONG, "-o", tmp_path / "r.wav", "--stems", tmp_path / "s")
    run = stemtool(*words, "--quality", "best")
    assert (run.returncode, run.stderr) == (0, "")


def test_models_are_timed_and_listed(home: Path) -> None:
    install(home, "filter", sdr_db=5)
    assert "?" in stemtool("models", "list").stdout
    run = stemtool("models", "time", "filter", "--threads", "2")
    assert run.returncode == 0, run.stderr
    assert "x real time on cpu in float, 2 threads" in run.stdout
    (cost,) = json.loads(stemtool("models", "time", "filter", "--json").stdout)
    assert cost["times_real_time"] == pytest.approx(1 / cost["seconds"])
    (row,) = (line for line in stemtool("models", "list").stdout.splitlines() if "filter" in line)
    assert "low 5.0, high 5.0" in row
    assert "x real time" in row
    rows = json.loads(stemtool("models", "list", "--json").stdout)
    (row,) = (each for each in rows if each["name"] == "filter")
    assert row["quality"][0]["source"] == "a page"
    assert row["times_real_time"] > 1
    gone = stemtool("models", "time", "htdemucs")
    assert gone.returncode == 1
    assert "stemtool models pull htdemucs fetches it" in gone.stderr


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.2, "1 s"), (59.4, "59 s"), (60, "1 min 0 s"), (200, "3 min 20 s"), (7500, "2 h 5 min")],
)
def test_times_as_people_say_them(seconds: float, said: str) -> None:
    assert describe_seconds(seconds) == said


def test_what_was_never_timed_is_told_after_the_first_passages(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    moments: Iterator[float] = iter([1.0, 6.0, 11.0, 16.0])
    monkeypatch.setattr(time, "perf_counter", lambda: next(moments))
    said = Outlook(Engine("slow"), Display(), ())
    said._forecast, said._watched = Forecast("slow"), 0.1
    watch = said.watch(None)
    for done in (5, 10, 20, 30):
        watch(done, 100)
    assert capsys.readouterr().err == (
        "stemtool: slow will take about 1 min 0 s, to go by the first passages: it was never timed"
        " on this machine.\n"
    )


def test_an_engine_without_a_rung_is_as_before() -> None:
    assert Engine().choose(()) is None
    with pytest.raises(OptionError):
        Engine(commercial=True).choose(())
