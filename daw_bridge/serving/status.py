"""A job's status file, for scripts that can ask but cannot be told."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from daw_bridge.files.atomic import remove_parts
from daw_bridge.files.reach import ANYWHERE
from daw_bridge.serving.codes import code_of
from daw_bridge.workers.notes import OUTCOME_NAME, STATUS_NAME, read_note, write_note

if TYPE_CHECKING:
    from daw_bridge.errors import DawBridgeError
    from daw_bridge.files.reach import Reach
    from daw_bridge.serving.store import Record

_NAMES = "surrogateescape"  # those of files may be any bytes


def restore_status(record: Record, reach: Reach) -> None:
    """Bring a job's file up to date, if the server was killed while it was not."""
    file = Path(record.task.folder) / STATUS_NAME
    with suppress(OSError):
        remove_parts([file], reach=reach)
    told = _read(file, reach)
    if f"job={record.task.job}" in told and f"state={record.state}" not in told:
        write_status(record, reach, float(record.state == "done"))


def write_status(record: Record, reach: Reach, progress: float = 0.0) -> None:
    """Write where a job is to its folder, as key=value lines, if it can be written to.

    A folder that is missing is made; one out of reach, and a file of somebody else's, stays as it
    is.
    """
    lines = [f"job={record.task.job}", f"state={record.state}", f"progress={progress:.3f}"]
    if record.outcome:
        lines += [f"stem:{stem}={path}" for stem, path in record.outcome.stems.items()]
        lines += [f"project:{form}={path}" for form, path in record.outcome.projects.items()]
    if record.code:
        lines += _describe(record.code, record.message)
    _write(Path(record.task.folder) / STATUS_NAME, lines, reach)


def forget_status(folder: Path, beginning: str, reach: Reach) -> None:
    """Remove a folder that a job was given, with what it wrote there, unless more is in it.

    Args:
        folder: where the job wrote.
        beginning: of its name; the folder of another stays.
        reach: where it may be.

    Raises:
        OSError: it is no folder, or cannot be removed.
    """
    told = dict(line.split("=", 1) for line in _read(folder / STATUS_NAME, reach))
    if not told.get("job", "").startswith(beginning):
        return
    stems = [Path(path) for key, path in told.items() if key.startswith(("stem:", "project:"))]
    with reach.folder(folder) as opened:
        for name in (*(path.name for path in stems if path.parent == folder), OUTCOME_NAME):
            opened.remove(name)
        if opened.names() == [STATUS_NAME]:
            opened.remove(STATUS_NAME)
    with reach.folder(folder.parent) as above, suppress(OSError):
        above.remove_folder(folder.name)


def note_failure(folder: Path, job: str, error: DawBridgeError) -> None:
    """Write that a job could not be asked for, unless the server has told of it there."""
    file = folder / STATUS_NAME
    if f"job={job}" in _read(file, ANYWHERE):
        return
    lines = [f"job={job}", "state=failed", f"progress={0:.3f}"]
    _write(file, lines + _describe(code_of(error), str(error)), ANYWHERE)


def _describe(code: int, message: str) -> list[str]:
    return [f"error={code}", f"message={' '.join(message.split())}"]


def _read(file: Path, reach: Reach) -> list[str]:
    try:
        return read_note(file, reach=reach).decode("utf-8", _NAMES).splitlines()
    except OSError:
        return []


def _write(file: Path, lines: list[str], reach: Reach) -> None:
    with suppress(OSError):
        reach.folder(file.parent, make=True).close()
        write_note(file, "\n".join([*lines, ""]).encode(errors=_NAMES), reach=reach)
