"""A job's status file, for scripts of DAWs that can send OSC but not receive it."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from daw_bridge.files.atomic import remove_parts, write_whole

if TYPE_CHECKING:
    from daw_bridge.serving.store import Record

STATUS_NAME = "status"


def restore_status(record: Record) -> None:
    """Bring a job's file up to date, if the server was killed while it was not."""
    path = Path(record.task.folder) / STATUS_NAME
    remove_parts([path])
    with suppress(OSError):
        told = path.read_text("utf-8").splitlines()
        if f"job={record.task.job}" in told and f"state={record.state}" not in told:
            write_status(record, float(record.state == "done"))


def write_status(record: Record, progress: float = 0.0) -> None:
    """Write where a job is to its folder, as key=value lines, if it can be written to."""
    lines = [f"job={record.task.job}", f"state={record.state}", f"progress={progress:.3f}"]
    if record.outcome:
        lines += [f"stem:{stem}={path}" for stem, path in record.outcome.stems.items()]
    if record.code:
        lines += [f"error={record.code}", f"message={' '.join(record.message.split())}"]
    with suppress(OSError):
        Path(record.task.folder).mkdir(parents=True, exist_ok=True)
        write_whole(Path(record.task.folder) / STATUS_NAME, "\n".join([*lines, ""]).encode())
