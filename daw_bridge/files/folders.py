"""Folders that appear whole or not at all, and that one process at a time changes."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def staged(folder: Path) -> Iterator[Path]:
    """Give an empty folder that replaces ``folder`` when the block ends without an error.

    Raises:
        OSError: it cannot be written.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as temporary:
        staging = Path(temporary) / folder.name
        staging.mkdir()
        yield staging
        shutil.rmtree(folder, ignore_errors=True)
        staging.replace(folder)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep other processes that lock the folder waiting until the block ends.

    Raises:
        OSError: its parent cannot be written.
    """
    from filelock import FileLock  # slow to load and seldom needed

    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.with_name(f".{folder.name}.lock")):
        yield
