"""Why jobs were not taken in, for scripts that can ask but cannot be told."""

from __future__ import annotations

from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING

from daw_bridge.files.atomic import write_whole

if TYPE_CHECKING:
    from pathlib import Path

    from daw_bridge.serving.store import Record

REFUSALS_FILE = "refused"
"""In the state folder; a refused job has no folder where its status could lie."""
_KEPT = 100


class Refusals:
    """The last jobs that were refused, in a file of job=reason lines.

    Args:
        folder: where the file is.
    """

    def __init__(self, folder: Path) -> None:
        self._file = folder / REFUSALS_FILE
        self._lines: deque[str] = deque(maxlen=_KEPT)

    def note(self, record: Record) -> None:
        """Write down why a job was refused."""
        reason = " ".join(record.message.split())
        self._lines.append(f"{record.task.job}={reason}\n")
        with suppress(OSError):
            write_whole(self._file, "".join(self._lines).encode(errors="replace"))
