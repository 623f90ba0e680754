"""A job's status file, for scripts that can ask but cannot be told."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from daw_bridge.files.atomic import remove_parts, write_whole
from daw_bridge.serving.codes import code_of

if TYPE_CHECKING:
    from daw_bridge.errors import DawBridgeError
    from daw_bridge.serving.store import Record

_STATUS_NAME = "status"
_NAMES = "surrogateescape"  # those of files may be any bytes


def restore_status(record: Record) -> None:
    """Bring a job's file up to date, if the server was killed while it was not."""
    folder = Path(record.task.folder)
    remove_parts([folder / _STATUS_NAME])
    told = _read(folder)
    if f"job={record.task.job}" in told and f"state={record.state}" not in told:
        write_status(record, float(record.state == "done"))


def write_status(record: Record, progress: float = 0.0) -> None:
    """Write where a job is to its folder, as key=value lines, if it can be written to."""
    lines = [f"job={record.task.job}", f"state={record.state}", f"progress={progress:.3f}"]
    if record.outcome:
        lines += [f"stem:{stem}={path}" for stem, path in record.outcome.stems.items()]
    if record.code:
        lines += _describe(record.code, record.message)
    _write(Path(record.task.folder), lines)


def note_failure(folder: Path, job: str, error: DawBridgeError) -> None:
    """Write that a job could not be asked for, unless the server has told of it there."""
    if f"job={job}" in _read(folder):
        return
    lines = [f"job={job}", "state=failed", f"progress={0:.3f}"]
    _write(folder, lines + _describe(code_of(error), str(error)))


def _describe(code: int, message: str) -> list[str]:
    return [f"error={code}", f"message={' '.join(message.split())}"]


def _read(folder: Path) -> list[str]:
    try:
        return (folder / _STATUS_NAME).read_text("utf-8", _NAMES).splitlines()
    except OSError:
        return []


def _write(folder: Path, lines: list[str]) -> None:
    with suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(folder / _STATUS_NAME, "\n".join([*lines, ""]).encode(errors=_NAMES))
