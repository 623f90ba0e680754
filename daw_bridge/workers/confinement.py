"""What a job of a client may touch: files below the folders that clients may use."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import TYPE_CHECKING

from daw_bridge.errors import AudioError, ConfinementError
from daw_bridge.files.atomic import remove_parts
from daw_bridge.jobs.job import check_absent, check_outputs
from daw_bridge.library.manifest import load_manifest
from daw_bridge.workers.task import KINDS, OUTCOME_NAME, find_outputs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from daw_bridge.workers.task import Task


def check_task(task: Task, roots: Sequence[Path]) -> None:
    """Find what stands against a task before it is queued, and again before it runs.

    Raises:
        AudioError: a source is missing, or is no file.
        ConfinementError: a source or a result is outside of the roots, links followed.
        OptionError: an option cannot be used.
        ModelError: there is no such model.
        OutputError: a result exists.
    """
    for path in task.paths:
        confine(path, roots)
        _check_regular(path)
    job = KINDS[task.kind].make(task)
    for path in job.inputs:
        confine(path, roots)
    manifest = load_manifest(task.model)
    outputs = job.outputs(manifest).values()
    for path in (Path(task.folder), *outputs):
        confine(path, roots)
    check_outputs([job], manifest)
    check_absent(job, outputs)


def confine(path: Path, roots: Sequence[Path]) -> Path:
    """Return a path with all links followed.

    Raises:
        ConfinementError: it then leads out of the roots, or nowhere.
    """
    try:
        resolved = path.resolve()
    except (OSError, RuntimeError, ValueError) as error:
        raise ConfinementError(f"{path} leads nowhere: {error}.") from error
    if not path.is_absolute() or not any(resolved.is_relative_to(root) for root in roots):
        raise ConfinementError(
            f"{path} is not in a folder that clients may use; stemtool serve --root DIR adds one."
        )
    return resolved


def sweep(task: Task) -> None:
    """Take away what a worker that was killed may have left half written."""
    outcome = Path(task.folder) / OUTCOME_NAME
    remove_parts([outcome, *find_outputs(task).values()])


def _check_regular(path: Path) -> None:
    """Refuse what is no file: reading from a pipe or a device might never end."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError as error:
        raise AudioError(f"There is no file {path}.") from error
    except OSError as error:
        raise AudioError(f"{path} cannot be read: {error.strerror}.") from error
    if not stat.S_ISREG(mode):
        raise AudioError(f"{path} is no file.")
