"""Files that appear whole or not at all: written under another name, then renamed."""

from __future__ import annotations

import os
import re
import secrets
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, TYPE_CHECKING

from daw_bridge.files.reach import ANYWHERE, HAS_FOLDER_DESCRIPTORS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from daw_bridge.files.reach import Folder, Reach

_RANDOM_BYTES = 4
_BEGINNING = re.compile(rf"\.[0-9a-f]{{{2 * _RANDOM_BYTES}}}-")


def part_of(path: Path) -> Path:
    """Return a name in a file's folder, to write it under until it is whole."""
    return path.with_name(f".{secrets.token_hex(_RANDOM_BYTES)}-{path.name}")


def create_unnamed(folder: Folder, name: str) -> IO[bytes]:
    """Return a file in a folder that has no name, to write and to read; for a moment it is a part.

    Raises:
        OSError: it cannot be made.
    """
    if not HAS_FOLDER_DESCRIPTORS:
        return TemporaryFile(dir=folder.path)
    part = part_of(Path(name)).name
    file = open(part, "x+b", opener=folder.open)  # noqa: SIM115 - who asked for it closes it
    folder.remove(part)
    return file


def remove_parts(paths: Iterable[Path], *, reach: Reach = ANYWHERE) -> None:
    """Remove the half-written parts of these files and folders that a killed process left.

    Raises:
        OSError: a folder is out of reach.
    """
    for path in paths:
        with suppress(FileNotFoundError), reach.folder(path.parent) as folder:
            for name in folder.names():
                part = _BEGINNING.match(name)
                if part and name[part.end() :] == path.name:
                    remove_tree(folder, name)


def remove_tree(around: Folder, name: str) -> None:
    """Remove a file, or a folder with all that is in it, if it is there; links are not followed.

    Raises:
        OSError: it cannot be removed.
    """
    try:
        folder = around.step(name, make=False)
    except FileNotFoundError:
        return
    except OSError:  # it is no folder
        around.remove(name)
        return
    with folder:
        for each in folder.names():
            remove_tree(folder, each)
    around.remove_folder(name)


def write_whole(
    path: Path, content: bytes, *, durable: bool = False, reach: Reach = ANYWHERE
) -> None:
    """Write a small file; a link in its place is replaced, not followed.

    Args:
        path: the file.
        content: all of it.
        durable: wait until it is on the disk, so that it survives a power cut.
        reach: where it may be.

    Raises:
        OSError: it cannot be written.
    """
    part = part_of(path).name
    with reach.folder(path.parent) as folder:
        try:
            with open(part, "xb", opener=folder.open) as file:
                file.write(content)
                if durable:
                    file.flush()
                    os.fsync(file.fileno())
            folder.replace(part, path.name)
        finally:
            folder.remove(part)
