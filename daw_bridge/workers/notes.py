"""What is noted in a job's folder beside its results, and never over a file of somebody else's.

A note of ours is known by its content, so that a user's own file of that name stays as it is.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from daw_bridge.errors import OptionError, OutputError
from daw_bridge.files.atomic import write_whole
from daw_bridge.files.reach import ANYWHERE

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from daw_bridge.files.reach import Reach

STATUS_NAME = "status"
"""In a job's folder from the moment that it is taken in; says where it is."""

OUTCOME_NAME = "outcome.json"
"""In a job's folder once its results are whole; says how they came about."""

_MAX_BYTES = 4 << 20
_OUTCOME_KEYS = {"job", "kind", "stems"}
_STATUS = re.compile(rb"job=[^\n]*\nstate=[a-z]+\n")


def check_notes(folder: Path, results: Iterable[Path], *, reach: Reach) -> None:
    """Find what stands against notes in a folder.

    Raises:
        OutputError: somebody else's file has the name of a note.
        OptionError: a result would have it.
    """
    for name in (STATUS_NAME, OUTCOME_NAME):
        for path in results:
            if path.relative_to(folder).parts[0].casefold() == name:
                raise OptionError(f"{folder / name} is the server's own; choose another label.")
        try:
            read_note(folder / name, reach=reach)
        except OSError as error:
            raise OutputError(
                f"{folder / name} is not of the server's making, and would be written over: move it"
                " away, or choose another folder."
            ) from error


def read_note(path: Path, *, reach: Reach = ANYWHERE) -> bytes:
    """Return a note; nothing where there is none.

    Raises:
        OSError: it cannot be read, or is somebody else's file.
    """
    try:
        with reach.folder(path.parent) as folder:
            content = folder.read(path.name, at_most=_MAX_BYTES)
    except FileNotFoundError:
        return b""
    if not _is_ours(path.name, content):
        raise FileExistsError(f"{path} is somebody else's")
    return content


def write_note(
    path: Path, content: bytes, *, durable: bool = False, reach: Reach = ANYWHERE
) -> None:
    """Write a note, or replace one of ours.

    Raises:
        OSError: it cannot be written, or somebody else's file is in its place.
    """
    read_note(path, reach=reach)
    write_whole(path, content, durable=durable, reach=reach)


def _is_ours(name: str, content: bytes) -> bool:
    if not content.strip(b"\0"):  # what a power cut may leave of a note
        return True
    if name == STATUS_NAME:
        return bool(_STATUS.match(content))
    try:
        outcome = json.loads(content)
    except (ValueError, RecursionError):
        return False
    return isinstance(outcome, dict) and outcome.keys() >= _OUTCOME_KEYS
