"""Standard input, output and error that are full, closed, or not there any more."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.programs import require
from tests.stemtool import STEMTOOL


def shell(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a line of a shell, in which stemtool is a command."""
    line = f'stemtool() {{ "{STEMTOOL}" "$@"; }}\n{command}'
    return subprocess.run(
        [require("bash"), "-c", line], cwd=folder, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("command", ["--help", "models list", "models list --json"])
@pytest.mark.parametrize(
    ("stdout", "reason"),
    [(">/dev/full", "No space left on device"), (">&-", "Bad file descriptor")],
)
def test_output_that_cannot_be_written(
    command: str, stdout: str, reason: str, tmp_path: Path
) -> None:
    run = shell(f"stemtool {command} {stdout}", tmp_path)
    assert run.returncode == 1
    assert run.stderr == f"stemtool: standard output cannot be used: {reason}.\n"


def test_a_reader_that_went_away(tmp_path: Path) -> None:
    run = shell("stemtool models list | true; echo ${PIPESTATUS[0]}", tmp_path)
    assert (run.stdout, run.stderr) in {("1\n", ""), ("0\n", "")}


@pytest.mark.parametrize("stderr", ["2>/dev/full", "2>&-", "2>&- >&- <&-"])
def test_errors_that_cannot_be_said(stderr: str, tmp_path: Path) -> None:
    run = shell(f"stemtool separate none.wav -o out {stderr}", tmp_path)
    assert (run.returncode, run.stdout, run.stderr) == (1, "", "")


def test_input_that_is_closed(tmp_path: Path) -> None:
    run = shell("stemtool separate - -o out <&-", tmp_path)
    assert run.returncode == 2
    assert "standard input cannot be kept" in run.stderr
    assert "Traceback" not in run.stderr


@pytest.mark.usefixtures("network_path")
def test_nothing_gets_into_files_instead_of_closed_streams(tmp_path: Path) -> None:
    song = Path(__file__).parents[1] / "audio" / "sodium.ogg"
    run = shell(f"stemtool separate '{song}' -o out --length 1 2>&- >&- <&-", tmp_path)
    assert (run.returncode, run.stdout, run.stderr) == (1, "", "")
    for stem in ("vocals", "accompaniment"):
        content = (tmp_path / "out" / "sodium" / f"{stem}.wav").read_bytes()
        assert content.startswith(b"RIFF")
        assert b"real time" not in content
