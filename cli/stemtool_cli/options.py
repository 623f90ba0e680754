"""What several commands say and show alike."""

from __future__ import annotations

import re
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Iterator

    from daw_bridge.jobs import Progress


def read_seconds(text: str) -> float:
    """Read a time: seconds, or [hours:]minutes:seconds."""
    if not re.fullmatch(r"(\d+:){0,2}\d+(\.\d*)?", text):
        raise click.BadParameter(f"'{text}' is no time; write seconds or 1:23.5.")
    seconds = 0.0
    for part in text.split(":"):
        seconds = 60 * seconds + float(part)
    return seconds


@contextmanager
def show_progress(label: str, *, quiet: bool) -> Iterator[Progress | None]:
    """Show a bar with the time left on a terminal, and nothing elsewhere."""
    if quiet or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import Progress as Bars

    with Bars(console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task(label, total=None)
        yield lambda done, total: bars.update(task, completed=done, total=total)
