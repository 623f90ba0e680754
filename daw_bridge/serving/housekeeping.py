"""What is old is forgotten."""

from __future__ import annotations

import asyncio
import shutil
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from daw_bridge.serving.inbox import forget_old

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from daw_bridge.serving.folders import Folders
    from daw_bridge.serving.store import Store
    from daw_bridge.serving.uploads import Uploads

_SECONDS_BETWEEN_PRUNINGS = 3600.0

log = structlog.get_logger()


async def keep_house(store: Store, folders: Folders, uploads: Uploads, *, days: float) -> None:
    """Forget, from time to time, what is older than so many days, and go on if that fails."""
    while True:
        try:
            await prune(store, folders, uploads, days * 86_400)
        except Exception as error:  # noqa: BLE001 - the next time it may work
            log.warning("housekeeping failed", reason=f"{type(error).__name__}: {error}")
        await asyncio.sleep(_SECONDS_BETWEEN_PRUNINGS)


async def prune(store: Store, folders: Folders, uploads: Uploads, seconds: float) -> None:
    """Forget jobs that ended longer ago, and what lies here for none that is known."""
    store.prune(seconds)
    results = {folders.results_of(job) for job in store.jobs()}
    needed = [Path(path) for record in store.unfinished() for path in record.task.sources]
    await asyncio.to_thread(uploads.prune, seconds, needed=needed)
    await asyncio.to_thread(_remove_old, folders.results, seconds, kept=results)
    await asyncio.to_thread(_remove_old, folders.locks, seconds)
    await asyncio.to_thread(forget_old, folders.inbox, seconds)


def _remove_old(home: Path, seconds: float, *, kept: Collection[Path] = ()) -> None:
    """Remove what was last changed longer ago; links are an administrator's, and stay."""
    for path in _older(home, seconds):
        if path in kept or path.is_symlink():
            continue
        with suppress(OSError):  # gone meanwhile, or not to be removed
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()


def _older(home: Path, seconds: float) -> Iterator[Path]:
    for path in list(home.iterdir()):
        with suppress(OSError):
            if path.lstat().st_mtime < time.time() - seconds:
                yield path
