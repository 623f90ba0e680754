"""The life of jobs with a real worker, for a front end that is a few lines long."""

from __future__ import annotations

import asyncio
import re
import shutil
import sqlite3
import subprocess
import sys
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import msgspec
import numpy as np
import pytest
import soundfile

from daw_bridge import Audio
from daw_bridge.errors import BusyError, ConfinementError, DiskFullError, OptionError
from daw_bridge.serving.dispatcher import Dispatcher
from daw_bridge.serving.folders import Folders
from daw_bridge.serving.lanes import make_lanes
from daw_bridge.serving.limits import Limits
from daw_bridge.serving.store import Record, Store
from daw_bridge.workers.task import Task
from daw_bridge.workers.worker import WorkerSettings
from tests.disks import fill_up, small_disk

MODEL = "spleeter-2stems"
PATIENCE_S = 60


class Ear:
    """Remembers what it is told, and can be waited for."""

    def __init__(self) -> None:
        self.states: dict[str, list[str]] = defaultdict(list)
        self.fractions: list[float] = []
        self._news = asyncio.Event()

    def changed(self, record: Record) -> None:
        self.states[record.task.job].append(record.state)
        self._news.set()

    def progressed(self, record: Record, fraction: float) -> None:
        self.fractions.append(fraction)

    async def hears(self, record: Record, state: str) -> None:
        while state not in self.states[record.task.job]:
            self._news.clear()
            await asyncio.wait_for(self._news.wait(), PATIENCE_S)


@asynccontextmanager
async def serving(
    root: Path, ear: Ear, limits: Limits, *, lanes_count: int = 1
) -> AsyncIterator[Dispatcher]:
    folders = Folders(root / "state", [root])
    settings = WorkerSettings(
        (MODEL,),
        tuple(map(str, folders.roots)),
        str(folders.locks),
        limits.job_bytes,
        limits.reserve_bytes,
        provider="cpu",
    )
    lanes = make_lanes(settings, lanes_count)
    with closing(Store(folders.jobs)) as store:
        dispatcher = Dispatcher(store, lanes, roots=folders.roots, limits=limits, listener=ear)
        dispatcher.recover()
        try:
            yield dispatcher
        finally:
            await dispatcher.close(finish=False)
            for lane in lanes:
                await lane.worker.kill()


@pytest.fixture
def clip(network_path: Path, tmp_path: Path, song: Audio) -> Path:
    path = tmp_path / "clip.wav"
    soundfile.write(path, song.samples[:, :44_100].T, song.sample_rate_hz, "PCM_24")
    return path


def make_record(job: str, clip: Path) -> Record:
    return Record(Task(job, "separate", MODEL, (str(clip),), str(clip.parent / job)), "somebody")


def test_another_front_end(clip: Path, tmp_path: Path) -> None:
    async def serve() -> None:
        ear = Ear()
        async with serving(tmp_path, ear, Limits(queue=2)) as dispatcher:
            first, second, third = (make_record(job, clip) for job in ("1", "2", "3"))
            await dispatcher.accept(first)
            await dispatcher.accept(second)
            await dispatcher.accept(third)
            assert await dispatcher.accept(make_record("2", clip)) is second
            assert dispatcher.find("2") is second
            assert dispatcher.find("4") is None
            assert dispatcher.active() == [first, second, third]
            with pytest.raises(BusyError, match="2 jobs are waiting"):
                await dispatcher.accept(make_record("4", clip))
            dispatcher.cancel(second)
            with pytest.raises(OptionError, match="another job 1"):
                await dispatcher.accept(make_record("1", tmp_path / "other.wav"))
            same_folder = make_record("1", clip)
            same_folder.task = msgspec.structs.replace(same_folder.task, job="4")
            with pytest.raises(BusyError, match="at work in"):
                await dispatcher.accept(same_folder)
            assert ear.states["2"] == ["queued", "cancelled"]
            outside = make_record("4", clip)
            outside.task = msgspec.structs.replace(outside.task, sources=("/etc/hostname",))
            with pytest.raises(ConfinementError) as refusal:
                await dispatcher.accept(outside)
            dispatcher.refuse(outside, refusal.value)
            assert not (tmp_path / "4").exists()
            assert "4=/etc/hostname is not below a folder" in (
                tmp_path / "state" / "refused"
            ).read_text("utf-8")
            (tmp_path / "4").mkdir()
            dispatcher.refuse(outside, refusal.value)
            assert "state=failed" in (tmp_path / "4" / "status").read_text("utf-8")
            await ear.hears(third, "done")
        assert ear.states["1"] == ear.states["3"] == ["queued", "running", "done"]
        assert ear.fractions[-1] == dispatcher.progress(first) == 1
        assert first.outcome
        stems = first.outcome.stems
        assert list(stems) == ["vocals", "accompaniment"]
        assert all(Audio.read(Path(path)).frames == 44_100 for path in stems.values())

    asyncio.run(serve())


def test_jobs_are_taken_in_beside_all_else_and_one_after_the_other(
    clip: Path, tmp_path: Path
) -> None:
    async def serve() -> None:
        async with serving(tmp_path, Ear(), Limits(queue=1)) as dispatcher:
            first, again, elsewhere = (make_record(job, clip) for job in "112")
            elsewhere.task = msgspec.structs.replace(elsewhere.task, folder=first.task.folder)
            with closing(sqlite3.connect(tmp_path / "state" / "jobs.sqlite")) as other:
                other.execute("BEGIN IMMEDIATE")  # as slow as a disk may be
                asked = [dispatcher.accept(record) for record in (first, again, elsewhere)]
                taken = asyncio.gather(*asked, return_exceptions=True)
                await asyncio.sleep(0.1)
                assert not taken.done()
                assert dispatcher.active() == []
                other.rollback()
            one, same, refused = await taken
            assert one is same is first
            assert "at work in" in str(refused)
            assert dispatcher.active() == [first]

    asyncio.run(serve())


def test_what_waited_is_taken_up_by_the_next(clip: Path, tmp_path: Path) -> None:
    async def serve() -> None:
        record, ear = make_record("parked", clip), Ear()
        async with serving(tmp_path, ear, Limits()) as dispatcher:
            await dispatcher.accept(record)
            await ear.hears(record, "running")
            await dispatcher.close(finish=False)
            assert ear.states["parked"] == ["queued", "running", "queued"]
            with pytest.raises(BusyError, match="about to leave"):
                await dispatcher.accept(make_record("late", clip))
        later = Ear()
        async with serving(tmp_path, later, Limits()) as dispatcher:
            await later.hears(record, "done")
            assert [each.state for each in dispatcher.latest(9)] == ["done"]
        assert later.states["parked"] == ["running", "done"]

    asyncio.run(serve())


def test_a_file_of_a_few_kilobytes_may_be_long(clip: Path, tmp_path: Path) -> None:
    """Eighty minutes of silence, twice, do not hold up two seconds of music."""
    silent = [tmp_path / f"silent {number}.flac" for number in (1, 2)]
    for path in silent:
        soundfile.write(path, np.zeros(80 * 60 * 8000, np.int16), 8000)

    async def serve() -> None:
        ear = Ear()
        async with serving(tmp_path, ear, Limits(), lanes_count=2) as dispatcher:
            first, second = (make_record(path.stem, path) for path in silent)
            await dispatcher.accept(first)
            await dispatcher.accept(second)
            await ear.hears(first, "running")
            record = make_record("clip", clip)
            await dispatcher.accept(record)
            await ear.hears(record, "done")
            assert ear.states["silent 2"] == ["queued"]
            assert ear.states["silent 1"] == ["queued", "running"]
            assert dispatcher.active() == [first, second]
            assert first.deaths == second.deaths == 0
            dispatcher.cancel(second)
            assert ear.states["silent 2"] == ["queued", "cancelled"]

    asyncio.run(serve())


@pytest.mark.parametrize(
    ("limits", "sentence"),
    [
        (Limits(job_bytes=1_000_000), r"more than 0\.000931 GiB .* --max-job-size"),
        (Limits(job_bytes=10), r"--max-job-size"),
    ],
)
def test_a_job_that_would_write_too_much_fails(
    limits: Limits, sentence: str, clip: Path, tmp_path: Path
) -> None:
    async def serve() -> None:
        ear = Ear()
        async with serving(tmp_path, ear, limits) as dispatcher:
            record = make_record("large", clip)
            await dispatcher.accept(record)
            await ear.hears(record, "failed")
            assert re.search(sentence, record.message)
        assert [path.name for path in (tmp_path / "large").iterdir()] == ["status"]

    asyncio.run(serve())


def test_a_full_disk_leaves_the_names_of_jobs_free(clip: Path, tmp_path: Path) -> None:
    async def serve(disk: Path) -> None:
        source, ear = Path(shutil.copy(clip, disk)), Ear()
        async with serving(disk, ear, Limits(reserve_bytes=0)) as dispatcher:
            ballast = fill_up(disk)
            record = make_record("1", source)
            with pytest.raises(DiskFullError) as refusal:
                await dispatcher.accept(record)
            dispatcher.refuse(record, refusal.value)
            assert record.code == -11
            assert not (disk / "1").exists()
            assert dispatcher.find("1") is None
            ballast.unlink()
            again = make_record("1", source)
            await dispatcher.accept(again)
            await ear.hears(again, "done")
        assert ear.states["1"] == ["queued", "running", "done"]

    with small_disk(tmp_path / "disk", 16) as disk:
        asyncio.run(serve(disk))


def test_a_job_leaves_some_of_the_disk_free(clip: Path, tmp_path: Path) -> None:
    async def serve() -> None:
        limits = Limits(reserve_bytes=1 << 60)
        async with serving(tmp_path, Ear(), limits) as dispatcher:
            with pytest.raises(DiskFullError, match="free some"):
                await dispatcher.accept(make_record("1", clip))
        assert not (tmp_path / "1").exists()

    asyncio.run(serve())


def test_no_protocol_is_known_here() -> None:
    folder = Path(sys.modules[Dispatcher.__module__].__file__ or "").parent
    names = ", ".join(f"daw_bridge.serving.{path.stem}" for path in folder.glob("[a-z]*.py"))
    code = f"import sys, {names}; print([name for name in sys.modules if 'osc' in name])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "[]\n"
