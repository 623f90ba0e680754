"""What is old is forgotten."""

from __future__ import annotations

import asyncio
import shutil
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from daw_bridge.serving.folders import Folders
    from daw_bridge.serving.store import Store
    from daw_bridge.serving.uploads import Uploads

_SECONDS_BETWEEN_PRUNINGS = 3600.0


async def keep_house(store: Store, folders: Folders, uploads: Uploads, *, days: float) -> None:
    """Forget, from time to time, what is older than so many days."""
    while True:
        prune(store, folders, uploads, days * 86_400)
        await asyncio.sleep(_SECONDS_BETWEEN_PRUNINGS)


def prune(store: Store, folders: Folders, uploads: Uploads, seconds: float) -> None:
    """Forget jobs that ended longer ago, with the results that are here, and what is as old."""
    for job in store.prune(seconds):
        shutil.rmtree(folders.results_of(job), ignore_errors=True)
    uploads.prune(seconds)
    for lock in folders.locks.iterdir():
        if lock.stat().st_mtime < time.time() - seconds:
            lock.unlink(missing_ok=True)
