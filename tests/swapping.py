"""Somebody who swaps a folder or a file for a link, again and again, while others open it."""

from __future__ import annotations

import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_SWAP = """
import os, sys
place, link, aside = sys.argv[1:]
print("begun", flush=True)
while True:
    os.rename(place, aside)
    os.rename(link, place)
    os.rename(place, link)
    os.rename(aside, place)
"""


@contextmanager
def swapping(place: Path, target: Path) -> Iterator[None]:
    """Have a path be what it is, a link to a target, and nothing at all, by turns."""
    link, aside = (place.with_name(f"{place.name}-{name}") for name in ("link", "aside"))
    link.symlink_to(target)
    command = [sys.executable, "-c", _SWAP, *map(str, (place, link, aside))]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout
        process.stdout.readline()
        try:
            yield
        finally:
            process.kill()
