"""Files of any kind, one after the other: what is wrong with one does not stop the others."""

from __future__ import annotations

import json
import os
import socket
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import soundfile

from daw_bridge import Audio
from tests.conftest import make_noise
from tests.stemtool import stemtool

pytestmark = pytest.mark.usefixtures("network_path")

NOT_UNICODE = os.fsdecode(b"song \xff.wav")


def make_wav(path: Path, *, frames: int = 2000, sample_rate_hz: int = 44_100) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        soundfile.write(
            file, make_noise(frames).samples.T, sample_rate_hz, format="WAV", subtype="FLOAT"
        )
    return path


@pytest.fixture
def good(tmp_path: Path) -> Path:
    return make_wav(tmp_path / "good.wav")


def names_below(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_every_file_fails_for_itself(good: Path, tmp_path: Path) -> None:
    out, raw, loop = tmp_path / "out", tmp_path / "take.raw", tmp_path / "loop.wav"
    raw.write_bytes(bytes(1000))
    loop.symlink_to(loop)
    broken = tmp_path / os.fsdecode(b"broken \xff.wav")
    broken.write_text("words")
    with closing(socket.socket(socket.AF_UNIX)) as listener:
        listener.bind(os.path.relpath(tmp_path / "socket"))
        bad = [raw, tmp_path, tmp_path / "socket", "/dev/zero", loop, "x" * 300, broken]
        run = stemtool(
            "separate", *bad, make_wav(tmp_path / NOT_UNICODE), good, "-o", out, "--json",
            errors="surrogateescape",
        )  # fmt: skip
    assert run.returncode == 1
    assert "Traceback" not in run.stderr
    assert len(run.stderr.splitlines()) == len(bad) + 1
    assert f"{len(bad)} of {len(bad) + 2} files failed" in run.stderr
    assert f"{broken} cannot be read as audio" in run.stderr
    assert len(json.loads(run.stdout)["separated"]) == 2
    assert names_below(out) == sorted(
        f"{track}/{stem}.wav"
        for track in ("good", NOT_UNICODE.removesuffix(".wav"))
        for stem in ("vocals", "accompaniment")
    )


@pytest.mark.parametrize("encoding", ["utf-8:strict", "ascii"])
def test_names_beyond_unicode_are_printed(encoding: str, tmp_path: Path) -> None:
    song = make_wav(tmp_path / NOT_UNICODE)
    environment = os.environ | {"PYTHONIOENCODING": encoding}
    options = {"env": environment, "errors": "surrogateescape"}
    for container in ("flac", "m4a"):
        run = stemtool("separate", song, "-o", tmp_path / "out", "--format", container, **options)
        assert run.returncode == 0, run.stderr
    run = stemtool("remix", song, "-o", tmp_path / "r.wav", **options)
    assert run.returncode == 0, run.stderr
    run = stemtool("upmix", song, "-o", tmp_path / "u.wav", **options)
    assert run.returncode == 0, run.stderr


def test_other_commands_say_one_sentence(tmp_path: Path) -> None:
    broken = tmp_path / NOT_UNICODE
    broken.write_text("words")
    good_but_named_so = make_wav(tmp_path / os.fsdecode(b"take \xfe.wav"))
    for arguments in (
        ["remix", broken, "-o", tmp_path / "new" / "r.wav"],
        ["upmix", broken, "-o", tmp_path / "new" / "u.wav"],
        ["send", broken, "-o", tmp_path / "sent"],
        ["send", good_but_named_so, "-o", tmp_path / "sent"],
        ["evaluate", "--data", broken],
        ["remix", "/dev/zero", "-o", tmp_path / "new" / "r.wav"],
    ):
        run = stemtool(*arguments, errors="surrogateescape")
        assert run.returncode in {1, 2}, arguments
        assert len(run.stderr.splitlines()) == 1, run.stderr
        assert run.stderr.startswith("stemtool: ")
    assert not (tmp_path / "new").exists()


def test_the_same_file_twice_is_done_once(
    good: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("link.wav").symlink_to(good)
    run = stemtool("separate", "good.wav", good, "./good.wav", "link.wav", "-o", "out", "--json")
    assert run.returncode == 0, run.stderr
    assert [each["source"] for each in json.loads(run.stdout)["separated"]] == ["good.wav"]
    twin = make_wav(tmp_path / "other" / "good.wav")
    run = stemtool("separate", good, good, twin, "-o", "out", "--overwrite")
    assert run.returncode == 2
    assert "tell them apart with --name" in run.stderr


@pytest.mark.parametrize(
    ("name", "template"),
    [
        ("...wav", "{track}/{stem}.{ext}"),
        ("...wav", "{track}/{stem}/{track}"),
        ("...wav", "{stem}/{track}"),
    ],
)
def test_no_name_leads_out_of_the_folder(
    name: str, template: str, good: Path, tmp_path: Path
) -> None:
    source = make_wav(tmp_path / "in" / name)
    run = stemtool("separate", source, good, "-o", tmp_path / "o" / "out", "--name", template)
    assert run.returncode == 1
    assert f"{source} would become '" in run.stderr
    assert "1 of 2 files failed" in run.stderr
    assert len(run.stderr.splitlines()) == 2
    assert [path.name for path in (tmp_path / "o").iterdir()] == ["out"]
    assert len(names_below(tmp_path / "o" / "out")) == 2


def test_a_sample_that_is_too_large_leaves_nothing_behind(tmp_path: Path) -> None:
    samples = make_noise(100_000).samples
    samples[0, 90_000] = 1e20
    huge = tmp_path / "huge.wav"
    soundfile.write(huge, samples.T, 44_100, "FLOAT")
    for arguments in (
        ["separate", huge, "-o", tmp_path / "out"],
        ["remix", huge, "-o", tmp_path / "out" / "r.wav", "--keep-stems", "--lufs", "-20"],
        ["upmix", huge, "-o", tmp_path / "out" / "u.wav"],
    ):
        run = stemtool(*arguments)
        assert run.returncode == 1
        assert run.stderr.splitlines() == [
            f"stemtool: {huge}: frame 90000 is 1e+20 times full scale; repair the file."
        ]
        assert run.stdout == ""
        assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("sample_rate_hz", [1000, 3999, 768_001, 10_000_000])
def test_rates_at_which_nothing_can_be_mixed_are_refused(
    sample_rate_hz: int, tmp_path: Path
) -> None:
    source = make_wav(tmp_path / "odd.wav", sample_rate_hz=sample_rate_hz)
    for arguments in (
        ["remix", source, "-o", tmp_path / "out" / "r.wav"],
        ["upmix", source, "-o", tmp_path / "out" / "u.wav"],
    ):
        run = stemtool(*arguments)
        assert run.returncode == 1
        assert len(run.stderr.splitlines()) == 1
        assert "from 4000 to 768000 Hz" in run.stderr
    assert not (tmp_path / "out").exists()


def test_any_rate_of_audio_can_be_separated(tmp_path: Path) -> None:
    rates = [1000, 384_000, 10_000_000]
    sources = [
        make_wav(tmp_path / f"{rate}.wav", frames=300, sample_rate_hz=rate) for rate in rates
    ]
    run = stemtool("separate", *sources, "-o", tmp_path / "out")
    assert (run.returncode, run.stderr) == (0, "")
    for source in sources:
        assert Audio.read(tmp_path / "out" / source.stem / "vocals.wav").frames == 300


@pytest.mark.parametrize("sample_rate_hz", [1, 999, 10_000_001, 2**31 - 1])
def test_rates_that_no_audio_has_are_refused(sample_rate_hz: int, tmp_path: Path) -> None:
    """To bring a minute at 1 Hz to a model's rate takes gigabytes."""
    source = make_wav(tmp_path / "odd.wav", sample_rate_hz=sample_rate_hz)
    run = stemtool("separate", source, "-o", tmp_path / "out")
    assert run.returncode == 1
    assert "1,000 to 10,000,000 can be used" in run.stderr
    assert len(run.stderr.splitlines()) == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("sample_rate_hz", [4000, 768_000])
def test_the_lowest_and_the_highest_rate_can_be_mixed(sample_rate_hz: int, tmp_path: Path) -> None:
    source = make_wav(tmp_path / "a.wav", frames=sample_rate_hz, sample_rate_hz=sample_rate_hz)
    for arguments in (
        ["remix", source, "-o", tmp_path / "a.wav.wav"],
        ["remix", source, "-o", tmp_path / "b.wav", "--preset", "slowed-reverb"],
        ["remix", source, "-o", tmp_path / "c.wav", "--lufs", "-20"],
        ["upmix", source, "-o", tmp_path / "d.wav"],
    ):
        run = stemtool(*arguments)
        assert (run.returncode, run.stderr) == (0, ""), arguments
    for path in tmp_path.glob("*.wav"):
        assert np.isfinite(Audio.read(path).samples).all()


@pytest.mark.parametrize(
    ("sample_rate_hz", "container"),
    [(1000, "mp3"), (1000, "m4a"), (8001, "m4a"), (384_000, "ogg"), (384_000, "m4a")],
)
def test_rates_that_a_format_lacks(sample_rate_hz: int, container: str, tmp_path: Path) -> None:
    source = make_wav(tmp_path / "odd.wav", sample_rate_hz=sample_rate_hz)
    run = stemtool("separate", source, "-o", tmp_path / "out", "--format", container)
    assert run.returncode == 1
    assert len(run.stderr.splitlines()) == 1
    assert "choose wav or flac" in run.stderr
    assert not (tmp_path / "out").exists()
