from __future__ import annotations

import asyncio
import os
import shutil
import time
from contextlib import closing
from pathlib import Path

import pytest
import structlog

from daw_bridge.serving.folders import Folders
from daw_bridge.serving.housekeeping import keep_house, prune
from daw_bridge.serving.limits import Limits
from daw_bridge.serving.store import Store
from daw_bridge.serving.uploads import Upload, Uploads
from tests.serving.records import make_record

DAY_S = 86_400


def make_old(*paths: Path) -> None:
    for path in paths:
        os.utime(path, (time.time() - 2 * DAY_S,) * 2, follow_symlinks=False)


def test_what_cannot_be_removed_does_not_end_it(tmp_path: Path) -> None:
    """Nor what an administrator linked, which is neither removed nor followed."""
    folders = Folders(tmp_path / "state", [tmp_path])
    uploads = Uploads(folders.uploads, Limits())
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "song.wav").touch()
    for home in (folders.locks, folders.results, folders.uploads):
        (home / "link").symlink_to(outside)
        (home / "nowhere").symlink_to(tmp_path / "nowhere")
        (home / "folder").mkdir()
        (home / "folder" / "link").symlink_to(outside)
        make_old(home / "link", home / "nowhere", home / "folder")
    with closing(Store(folders.jobs)) as store:
        asyncio.run(prune(store, folders, uploads, DAY_S))
        for home in (folders.locks, folders.results, folders.uploads):
            assert {path.name for path in home.iterdir()} == {"link", "nowhere"}
        assert (outside / "song.wav").exists()
        shutil.rmtree(folders.locks)
        with pytest.raises(FileNotFoundError):
            asyncio.run(prune(store, folders, uploads, DAY_S))

        async def keep_it_for_a_moment() -> None:
            keeping = asyncio.create_task(keep_house(store, folders, uploads, days=1))
            done, _ = await asyncio.wait({keeping}, timeout=0.5)
            assert not done
            keeping.cancel()

        with structlog.testing.capture_logs() as logged:
            asyncio.run(keep_it_for_a_moment())
    assert [entry["event"] for entry in logged] == ["housekeeping failed"]


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
