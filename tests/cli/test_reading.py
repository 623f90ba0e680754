"""Files that are damaged, incomplete or no files, read as a user has them read."""

from __future__ import annotations

import json
import os
import subprocess
import threading
from pathlib import Path

import numpy as np
import pytest

from daw_bridge import Audio
from tests.conftest import SONGS
from tests.encoded import damaged, encode
from tests.stemtool import STEMTOOL, stemtool

SONG = SONGS / "rubidium.ogg"


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    path = tmp_path / "broken.m4a"
    encode("mp4", path)
    path.write_bytes(damaged(path.read_bytes()))
    return path


@pytest.mark.usefixtures("home_with_weights")
def test_damage_is_said_and_the_rest_is_done(broken: Path, tmp_path: Path) -> None:
    good = tmp_path / "good.wav"
    encode("wav", good)
    run = stemtool("separate", broken, good, "-o", tmp_path / "out", "--json")
    assert run.returncode == 1
    assert run.stderr.startswith(f"stemtool: {broken} is damaged at 0:0")
    assert len(run.stderr.splitlines()) == 1
    first, second = json.loads(run.stdout)["separated"]
    assert len(first["warnings"]) == 1
    assert second["warnings"] == []
    whole = Audio.read(good)
    for name in ("broken", "good"):
        stem = Audio.read(tmp_path / "out" / name / "vocals.wav")
        assert abs(stem.frames - whole.frames) < 1024


@pytest.mark.usefixtures("home_with_weights")
@pytest.mark.parametrize(
    ("command", "output"), [("separate", "out"), ("remix", "out.wav"), ("upmix", "out.wav")]
)
def test_damage_is_refused_where_that_is_asked_for(
    command: str, output: str, broken: Path, tmp_path: Path
) -> None:
    run = stemtool(command, broken, "-o", tmp_path / output, "--strict")
    assert run.returncode == 1
    assert run.stderr.startswith(f"stemtool: {broken} is damaged at 0:0")
    assert not (tmp_path / output).exists()
    loose = stemtool(command, broken, "-o", tmp_path / output)
    assert loose.returncode == 1
    assert loose.stderr == run.stderr
    assert (tmp_path / output).exists()


@pytest.mark.usefixtures("home_with_weights")
def test_a_part_that_is_missing_is_said(tmp_path: Path) -> None:
    path = tmp_path / "cut.wav"
    encode("wav", path)
    path.write_bytes(path.read_bytes()[:500_000])
    run = stemtool("separate", path, "-o", tmp_path / "out")
    assert run.returncode == 1
    assert "ends at 0:02.834, and says that it ends at 0:06.003: a part of it is missing" in (
        run.stderr
    )
    part = stemtool("separate", path, "-o", tmp_path / "part", "--length", "2")
    assert part.returncode == 0, part.stderr


@pytest.mark.usefixtures("home_with_weights")
@pytest.mark.parametrize(("source", "track"), [("-", "stdin"), ("/dev/stdin", "stdin"), ("p", "p")])
def test_pipes_are_read(source: str, track: str, tmp_path: Path) -> None:
    options = ("--length", "2", "--bits", "32f")
    assert stemtool("separate", SONG, "-o", tmp_path, *options).returncode == 0
    os.mkfifo(tmp_path / "p")
    content = SONG.read_bytes()
    if source == "p":
        threading.Thread(target=(tmp_path / "p").write_bytes, args=[content], daemon=True).start()
    run = subprocess.run(
        [STEMTOOL, "separate", source, "-o", "piped", *options],
        input=content, cwd=tmp_path, capture_output=True, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    piped = Audio.read(tmp_path / "piped" / track / "vocals.wav")
    expected = Audio.read(tmp_path / "rubidium" / "vocals.wav")
    np.testing.assert_array_equal(piped.samples, expected.samples)


@pytest.mark.usefixtures("home_with_weights")
@pytest.mark.parametrize("command", ["remix", "upmix"])
def test_one_file_goes_to_standard_output(command: str, tmp_path: Path) -> None:
    run = subprocess.run(
        [STEMTOOL, command, SONG, "-o", "-", "--format", "flac"], capture_output=True, check=False
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.startswith(b"fLaC")
    assert stemtool(command, SONG, "-o", tmp_path / "out.flac").returncode == 0
    assert run.stdout == (tmp_path / "out.flac").read_bytes()
