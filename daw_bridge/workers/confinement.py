"""What a job of a client may touch: files below the folders that clients may use."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from daw_bridge.errors import ConfinementError
from daw_bridge.files.atomic import remove_parts
from daw_bridge.files.reach import Beneath
from daw_bridge.files.reading import check_readable
from daw_bridge.jobs.job import check_absent, check_outputs
from daw_bridge.jobs.render import RenderJob
from daw_bridge.library.models import load_manifest
from daw_bridge.workers.notes import OUTCOME_NAME, STATUS_NAME, check_notes
from daw_bridge.workers.task import KINDS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from daw_bridge.jobs.job import Job
    from daw_bridge.workers.task import Task


def check_task(task: Task, roots: Sequence[Path]) -> None:
    """Find what stands against a task before it is queued, and again before it runs.

    Raises:
        AudioError: a source is missing, or is no file.
        ConfinementError: a source or a result is outside of the roots, links followed, or a result
            is a link.
        OptionError: an option cannot be used.
        ModelError: there is no such model.
        OutputError: a result exists, or a file that is not ours where the server makes notes.
    """
    reach = Beneath(roots)
    for path in task.paths:
        confine(path, roots)
        check_readable(path, reach=reach)
    job = confined_job(task, roots)
    for path in job.inputs:
        confine(path, roots)
    manifest = load_manifest(task.model)
    claims = job.claims(manifest)
    for path in (Path(task.folder), *claims):
        check_unlinked(path, roots)
    check_outputs([job], manifest)
    check_absent(job, manifest)
    check_notes(Path(task.folder), claims, reach=reach)


def confined_job(task: Task, roots: Sequence[Path]) -> Job:
    """Turn a task into a job that opens nothing outside of the roots, whatever its paths become.

    Raises:
        ConfinementError: its stems are outside.
        OptionError: an option is unknown, or has no such value.
    """
    job = replace(KINDS[task.kind].make(task), reach=Beneath(roots))
    if isinstance(job, RenderJob) and job.stems_folder:
        return replace(job, stems_folder=confine(job.stems_folder, roots))
    return job


def confine(path: Path, roots: Sequence[Path], *, named: Sequence[Path] = ()) -> Path:
    """Return a path with all links followed.

    Args:
        path: what a client named.
        roots: the folders that it may use, links followed.
        named: those of them that the error names; empty: all.

    Raises:
        ConfinementError: it then leads out of the roots, or nowhere.
    """
    if not path.is_absolute():
        raise ConfinementError(f"{path} is no absolute path, which a server needs.")
    try:
        resolved = path.resolve()
    except (OSError, RuntimeError, ValueError) as error:
        raise ConfinementError(f"{path} leads nowhere: {error}.") from error
    if not any(resolved.is_relative_to(root) for root in roots):
        raise ConfinementError(
            f"{path} is not below a folder that this server may use:"
            f" {_list(named or roots)};"
            " --root, of `stemtool serve` or `stemtool daw install`, adds one."
        )
    return resolved


def _list(roots: Sequence[Path]) -> str:
    """Name folders, but for those that are in others of them."""
    return ", ".join(
        str(root) for root in roots if not any(other in root.parents for other in roots)
    )


def check_unlinked(path: Path, roots: Sequence[Path]) -> None:
    """Raise :class:`ConfinementError` unless a path leads to itself, within the roots."""
    if (resolved := confine(path, roots)) != path:
        raise ConfinementError(f"{path} is a link, or lies behind one: it leads to {resolved}.")


def sweep(task: Task, roots: Sequence[Path]) -> None:
    """Take away what a worker that was killed may have left half written.

    Raises:
        DawBridgeError: an option or the model cannot be used any more.
        OSError: a folder is out of reach.
    """
    job = confined_job(task, roots)
    notes = [Path(task.folder) / name for name in (STATUS_NAME, OUTCOME_NAME)]
    remove_parts([*notes, *job.claims(load_manifest(task.model))], reach=job.reach)
