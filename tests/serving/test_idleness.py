"""Servers that leave by themselves take nothing away from who has just asked."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest
import soundfile

from daw_bridge.errors import BusyError
from daw_bridge.serving import dispatcher as dispatching
from daw_bridge.serving.dispatcher import Dispatcher
from daw_bridge.serving.folders import Folders
from daw_bridge.serving.idleness import Idleness
from daw_bridge.serving.limits import Limits
from daw_bridge.serving.store import Record, Store
from daw_bridge.workers.task import Task
from tests.conftest import make_noise

PATIENCE_S = 60


class Nobody:
    """Wants to hear of nothing."""

    def changed(self, record: Record) -> None:
        pass

    def progressed(self, record: Record, fraction: float) -> None:
        pass


@asynccontextmanager
async def dispatching_nothing(root: Path) -> AsyncIterator[Dispatcher]:
    """Give a dispatcher without workers, so that what is taken in waits."""
    folders = Folders(root / "state", [root])
    with closing(Store(folders.jobs)) as store:
        yield Dispatcher(store, [], roots=folders.roots, limits=Limits(), listener=Nobody())


@pytest.fixture
def record(tmp_path: Path) -> Record:
    path = tmp_path / "clip.wav"
    soundfile.write(path, make_noise(4410).samples.T, 44_100)
    task = Task("job", "separate", "spleeter-2stems", (str(path),), str(tmp_path / "out"))
    return Record(task, "somebody")


def test_it_ends_when_nobody_asks_and_then_nothing_is_taken_in(
    record: Record, tmp_path: Path
) -> None:
    async def idle() -> None:
        async with dispatching_nothing(tmp_path) as dispatcher:
            idleness = Idleness(dispatcher)
            waiting = asyncio.create_task(idleness.lasts(0.3))
            with idleness.interrupted():
                await asyncio.sleep(0.5)
            assert dispatcher.is_open
            await asyncio.wait_for(waiting, PATIENCE_S)
            with pytest.raises(BusyError, match="about to leave"):
                await dispatcher.accept(record)

    asyncio.run(idle())


def test_a_job_that_is_just_being_taken_in_keeps_it_from_ending(
    record: Record, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_asked, is_late = threading.Event(), threading.Event()

    def check_slowly(*_: object) -> None:
        is_asked.set()
        assert is_late.wait(PATIENCE_S)

    monkeypatch.setattr(dispatching, "check_task", check_slowly)

    async def ask_at_the_last_moment() -> None:
        async with dispatching_nothing(tmp_path) as dispatcher:
            asking = asyncio.create_task(dispatcher.accept(record))
            await asyncio.to_thread(is_asked.wait, PATIENCE_S)
            leaving = asyncio.create_task(Idleness(dispatcher).lasts(0))
            await asyncio.sleep(0.1)
            is_late.set()
            assert await asking is record
            await asyncio.sleep(0.1)
            assert not leaving.done()
            assert dispatcher.is_open
            dispatcher.cancel(record)
            await asyncio.wait_for(leaving, PATIENCE_S)

    asyncio.run(ask_at_the_last_moment())
