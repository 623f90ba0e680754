from __future__ import annotations

import asyncio
import os
import time
from contextlib import closing
from pathlib import Path

from daw_bridge.serving.folders import Folders
from daw_bridge.serving.housekeeping import prune
from daw_bridge.serving.limits import Limits
from daw_bridge.serving.store import Store
from daw_bridge.serving.uploads import Upload, Uploads
from tests.serving.records import make_record

DAY_S = 86_400


def test_what_is_old_is_forgotten(tmp_path: Path) -> None:
    folders = Folders(tmp_path / "state", [tmp_path])
    uploads = Uploads(folders.uploads, Limits())
    uploads.put(Upload("t", "song.wav", 8, "0" * 64))
    lock = folders.locks / "lock"
    lock.touch()
    with closing(Store(folders.jobs)) as store:
        for job, state in (("over", "done"), ("waits", "queued")):
            record = make_record(job)
            record.state = state  # type: ignore[assignment]
            store.save(record)
            folders.results_of(job).mkdir()
        asyncio.run(prune(store, folders, uploads, DAY_S))
        assert store.find("over")
        assert lock.exists()
        for path in (lock, *folders.uploads.iterdir()):
            os.utime(path, (time.time() - 2 * DAY_S,) * 2)
        asyncio.run(prune(store, folders, uploads, DAY_S))
        assert not lock.exists()
        assert not list(folders.uploads.iterdir())
        assert folders.results_of("over").exists()
        asyncio.run(prune(store, folders, uploads, -1))
        assert store.find("over") is None
        assert store.find("waits")
    assert not folders.results_of("over").exists()
    assert folders.results_of("waits").exists()
