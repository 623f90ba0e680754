"""Somebody who swaps a folder or a file for a link, again and again, while others open it."""

from __future__ import annotations

import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_SWAP = """
import ctypes, os, random, sys, time
place, link = map(os.fsencode, sys.argv[1:3])
here, exchange = -100, 2  # fcntl.h, renameat2(2)
rename = ctypes.CDLL(None, use_errno=True).renameat2
swaps = 0
while not rename(here, place, here, link, exchange):
    swaps += 1
    if swaps == 1:
        print("begun", flush=True)
    if pause := float(sys.argv[3]):
        time.sleep(random.random() * pause)
sys.exit(os.strerror(ctypes.get_errno()))
"""


_PATIENCE_S = 120.0


def try_until_both(rounds: int, attempt: Callable[[], bool]) -> None:
    """Try something until it went well and was refused so many times each."""
    outcomes = {True: 0, False: 0}
    deadline = time.monotonic() + _PATIENCE_S
    while min(outcomes.values()) < rounds:
        outcomes[attempt()] += 1
        assert time.monotonic() < deadline, outcomes


@contextmanager
def swapping(place: Path, target: Path, *, longest_pause_s: float = 0) -> Iterator[None]:
    """Have a path be what it is and a link to a target by turns, as quickly as can be or slower."""
    if sys.platform != "linux":
        pytest.skip("only Linux exchanges files in one step")
    link = place.with_name(f"{place.name}-link")
    link.symlink_to(target)
    command = [sys.executable, "-c", _SWAP, str(place), str(link), str(longest_pause_s)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout
            assert process.stdout.readline() == b"begun\n"
            yield
            assert process.poll() is None
        finally:
            process.kill()
    if place.is_symlink():
        place.unlink()
        link.rename(place)
