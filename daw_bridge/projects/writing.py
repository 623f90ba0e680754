"""Projects that appear whole or not at all, and never over one that exists."""

from __future__ import annotations

import os
from io import BufferedRandom
from itertools import count
from typing import TYPE_CHECKING

from daw_bridge.errors import OutputError
from daw_bridge.files.atomic import part_of, remove_tree
from daw_bridge.files.writing import output_errors
from daw_bridge.projects.formats import FileFormat, FolderFormat

if TYPE_CHECKING:
    from pathlib import Path

    from daw_bridge.files.reach import Folder
    from daw_bridge.projects.destination import Destination
    from daw_bridge.projects.formats import Format
    from daw_bridge.projects.project import Project


def write_project(project: Project, form: Format, destination: Destination) -> None:
    """Write a project; whatever stops it, nothing of it stays.

    Raises:
        OutputError: it exists and may not be replaced, or cannot be written.
        AudioError: the audio cannot be read.
        OptionError: the format cannot hold it.
    """
    _claim_room(project, form, destination)
    with output_errors(destination.path):
        match form:
            case FileFormat():
                _write_file(project, form, destination)
            case FolderFormat():
                _write_folder(project, form, destination)


def claimed_path(form: Format, path: Path) -> Path:
    """Return what a project is that DAWs open by a file: this file, or its folder."""
    return path.parent if isinstance(form, FolderFormat) else path


def check_free(form: Format, path: Path, *, overwrite: bool) -> None:
    """Raise :class:`OutputError` if a project exists that may not be replaced."""
    taken = claimed_path(form, path)
    with output_errors(path):
        exists = os.path.lexists(taken)
    if exists and not overwrite:
        becomes = "moves it aside" if isinstance(form, FolderFormat) else "replaces it"
        raise OutputError(f"{taken} exists; --overwrite {becomes}.")


def _write_file(project: Project, form: FileFormat, destination: Destination) -> None:
    from daw_bridge.projects.writers import FILE_WRITERS  # slow to load, and seldom needed

    path = destination.path
    part = part_of(path).name
    with destination.reach.folder(path.parent, make=True) as folder:
        check_free(form, path, overwrite=destination.overwrite)
        try:
            with BufferedRandom(folder.create(part)) as file:
                FILE_WRITERS[form.name](project, file, destination)
                file.flush()
                os.fsync(file.fileno())
            folder.replace(part, path.name)
        finally:
            folder.remove(part)


def _write_folder(project: Project, form: FolderFormat, destination: Destination) -> None:
    from daw_bridge.projects.writers import FOLDER_WRITERS

    path = destination.path.parent
    part = part_of(path).name
    with destination.reach.folder(path.parent, make=True) as around:
        check_free(form, destination.path, overwrite=destination.overwrite)
        try:
            with around.step(part, make=True) as folder:
                FOLDER_WRITERS[form.name](project, folder, destination)
            _move_aside(around, path.name)
            around.replace(part, path.name)
        finally:
            remove_tree(around, part)


def _move_aside(around: Folder, name: str) -> None:
    """Keep a project that is a folder under another name: people may have recorded into it."""
    taken = set(around.names())
    if name in taken:
        free = next(f"{name}~{number}" for number in count(1) if f"{name}~{number}" not in taken)
        around.replace(name, free)


def _claim_room(project: Project, form: Format, destination: Destination) -> None:
    """Make sure that there is room for all audio that comes along."""
    if not destination.room or destination.way != "embed":
        return
    size = 0
    for track in project.tracks:
        with destination.open(track.file) as file:
            size += os.fstat(file.fileno()).st_size
    with output_errors(destination.path):
        destination.room.claim(size, claimed_path(form, destination.path).parent)
