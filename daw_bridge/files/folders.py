"""Folders that appear whole or not at all, one process at a time, and never outside of a home."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from daw_bridge.errors import OutputError

if TYPE_CHECKING:
    from collections.abc import Iterator


def check_below(path: Path, home: Path) -> None:
    """Find out whether a path leads to something below a folder, links followed.

    Raises:
        OutputError: it leads elsewhere, or to the folder itself.
    """
    try:
        resolved, root = path.resolve(), home.resolve()
    except (OSError, RuntimeError, ValueError) as error:  # links in a ring; a name with NUL
        raise OutputError(f"{path} leads nowhere: remove the links in it.") from error
    if root not in resolved.parents:
        raise OutputError(
            f"{path} leads out of {home}, to {resolved}: remove the link, or give the folder"
            " another name."
        )


@contextmanager
def staged(folder: Path, home: Path) -> Iterator[Path]:
    """Give an empty folder that replaces ``folder`` when the block ends without an error.

    Args:
        folder: what is replaced.
        home: the folder below which it is, or nothing is written or removed.

    Raises:
        OutputError: it leads out of its home.
        OSError: it cannot be written.
    """
    check_below(folder, home)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as temporary:
        staging = Path(temporary) / folder.name
        staging.mkdir()
        yield staging
        check_below(folder, home)
        shutil.rmtree(folder, ignore_errors=True)
        staging.replace(folder)


@contextmanager
def locked(folder: Path, home: Path) -> Iterator[None]:
    """Keep other processes that lock the folder waiting until the block ends.

    Args:
        folder: what is locked.
        home: the folder below which it is, or nothing is written.

    Raises:
        OutputError: it leads out of its home.
        OSError: its parent cannot be written.
    """
    from filelock import FileLock  # slow to load and seldom needed

    check_below(folder, home)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.with_name(f".{folder.name}.lock")):
        yield
