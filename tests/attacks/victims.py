"""``stemtool`` and folders as a stranger finds them, and what must have become of them."""

from __future__ import annotations

import os
import resource
import signal
import stat
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from tests.stemtool import STEMTOOL

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

SECONDS = 60.0
"""In which any command is to end: generous, since machines differ."""
MEMORY_MB = 1_200
"""What any command gets by with."""

IS_FULL = os.environ.get("DAW_BRIDGE_STRESS") == "full"
SHARE = 1 if IS_FULL else 4
"""Of what is tried again and again, every so manyth is tried every day."""

# Linux counts the memory of the process that forked towards its child's peak, so a small one does.
_LAUNCHER = """
import os, subprocess, sys
process = subprocess.Popen(sys.argv[2:])
_, status, usage = os.wait4(process.pid, 0)
os.write(int(sys.argv[1]), str(usage.ru_maxrss).encode())
sys.exit(os.waitstatus_to_exitcode(status))
"""
_LIMITS = {resource.RLIMIT_AS: 12 << 30, resource.RLIMIT_FSIZE: 4 << 30}


class Run(NamedTuple):
    """What a command did: its exit status, all that it said, and the memory it took."""

    status: int
    said: str
    peak_mb: float

    @property
    def is_refusal(self) -> bool:
        """Whether it ended with a sentence, neither well nor by a crash."""
        return self.status in {1, 2} and bool(self.said.strip()) and "Traceback" not in self.said


def stemtool(*arguments: object) -> Run:
    """Run a command, which may take neither this machine's time nor its memory."""
    with tempfile.TemporaryFile() as said, tempfile.TemporaryFile() as taken:
        launcher = [sys.executable, "-S", "-c", _LAUNCHER, str(taken.fileno())]
        process = subprocess.Popen(
            [*launcher, *map(str, [STEMTOOL, *arguments])],
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            pass_fds=[taken.fileno()],
            start_new_session=True,
        )
        for kind, most in _LIMITS.items():
            resource.prlimit(process.pid, kind, (most, most))
        status = _wait(process)
        said.seek(0)
        told = said.read().decode("utf-8", "replace")
        taken.seek(0)
        peak_kb = int(taken.read())
    run = Run(status, told, peak_kb / 1024)
    assert run.peak_mb < MEMORY_MB, run
    return run


def some(table: Iterable[str]) -> list[str]:
    """Return the rows of a long table that are tried every day."""
    return list(table)[::SHARE]


def assert_refused(run: Run) -> None:
    """See that a command ended with a sentence, and no stack trace."""
    assert run.is_refusal, run


@contextmanager
def untouched(folder: Path, *, but: tuple[Path, ...] = ()) -> Iterator[None]:
    """See that nothing in a folder is added, changed or gone when the block ends."""
    before = dict(_contents(folder, but))
    yield
    assert dict(_contents(folder, but)) == before


def _contents(folder: Path, but: tuple[Path, ...]) -> Iterator[tuple[str, bytes | str | int]]:
    """Yield the path of each thing in a folder, and what it is; links are not followed."""
    for path in folder.rglob("*"):
        if any(path.is_relative_to(other) for other in but):
            continue
        mode = path.lstat().st_mode
        told: bytes | str | int = stat.S_IFMT(mode)
        if stat.S_ISREG(mode):
            told = path.read_bytes()
        elif stat.S_ISLNK(mode):
            told = str(path.readlink())
        yield str(path), told


def _wait(process: subprocess.Popen[bytes]) -> int:
    try:
        return process.wait(SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        pytest.fail(f"It was still running after {SECONDS:.0f} seconds.")
