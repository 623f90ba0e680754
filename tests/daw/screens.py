"""Screens of their own for programs that have windows."""

from __future__ import annotations

import os
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tests.programs import require

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

END_S = 10.0
WIDTH, HEIGHT = 1350, 714  # what Ardour takes when no window manager tells it otherwise


@contextmanager
def screen() -> Iterator[str]:
    """Run an X server on a free display, and give the display's name."""
    reading, writing = os.pipe()
    command = [require("Xvfb"), "-displayfd", str(writing), "-screen", "0", f"{WIDTH}x{HEIGHT}x24"]
    with process([*command, "-nolisten", "tcp"], pass_fds=(writing,), stderr=subprocess.DEVNULL):
        os.close(writing)
        with os.fdopen(reading) as answer:
            yield f":{answer.readline().strip()}"


@contextmanager
def process(command: list[str], **options: object) -> Iterator[subprocess.Popen[bytes]]:
    """Run a process until the block ends, and not a second longer than it takes to end it."""
    with subprocess.Popen(command, **options) as running:  # type: ignore[call-overload]
        try:
            yield running
        finally:
            running.terminate()
            try:
                running.wait(END_S)
            except subprocess.TimeoutExpired:
                running.kill()


def photograph(display: str, path: Path, *, colours: int = 48, part: str = "") -> None:
    """Write a picture of all that a screen shows, or of a part such as ``640x300+480+175``."""
    command = [require("import"), "-window", "root", "+dither", "-colors", str(colours)]
    command += ["-crop", part, "+repage"] if part else []
    subprocess.run([*command, str(path)], env=os.environ | {"DISPLAY": display}, check=True)
