"""The life of a job: taken in, queued, run, retried, reported, and never lost.

A front end, whatever it speaks, has a :class:`Listener` of its own and calls, on one event loop:

    recover()               once: take up what an earlier server left
    accept(record)          to be awaited: take a job in, or raise what stands against it
    refuse(record, error)   then: say so where scripts look
    cancel(record)          call a job off; the listener hears when it is over
    find(job)               a job's record by its name
    active(), latest(count) the jobs that run or wait; also those that ended lately
    progress(record)        how much of a job is done
    retire()                to be awaited: take nothing more in, if nothing is to be done
    close(finish=…)         last: end what runs, or keep it for the next server
"""

from __future__ import annotations

import asyncio
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import msgspec
import structlog

from daw_bridge.errors import (
    BusyError,
    Cancelled,
    DawBridgeError,
    OptionError,
    OutputError,
    WorkerDiedError,
)
from daw_bridge.files.reach import Beneath
from daw_bridge.files.reading import check_readable
from daw_bridge.files.room import check_reserve
from daw_bridge.files.writing import output_errors
from daw_bridge.serving.queue import SHORT_SECONDS, FairQueue
from daw_bridge.serving.refusals import Refusals
from daw_bridge.serving.status import restore_status, write_status
from daw_bridge.workers.confinement import check_task, sweep
from daw_bridge.workers.notes import OUTCOME_NAME, read_note
from daw_bridge.workers.worker import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from daw_bridge.files.reach import Reach
    from daw_bridge.serving.lanes import Lane
    from daw_bridge.serving.limits import Limits
    from daw_bridge.serving.store import Record, State, Store
    from daw_bridge.workers.task import Task

_MAX_DEATHS = 2
_SECONDS_TO_CANCEL = 10.0
_RECENT = 1_000
_SECONDS_TO_MEASURE = 30.0
_TOO_LONG_TO_MEASURE = 86_400.0

log = structlog.get_logger()


class Listener(Protocol):
    """Who is told what becomes of jobs."""

    def changed(self, record: Record) -> None:
        """A job has a new state, which is on the disk; the first comes from within ``accept``."""
        ...

    def progressed(self, record: Record, fraction: float) -> None:
        """So much of a job is done, 0 … 1."""
        ...


class Dispatcher:
    """Takes jobs in and has workers run them.

    Args:
        store: what is remembered.
        lanes: the workers.
        roots: the folders that jobs may use, links followed.
        limits: what clients can use up.
        listener: who is told.
    """

    def __init__(
        self,
        store: Store,
        lanes: Sequence[Lane],
        *,
        roots: Sequence[Path],
        limits: Limits,
        listener: Listener,
    ) -> None:
        self._store = store
        self._lanes = lanes
        self._roots = roots
        self._reach = Beneath(roots)
        self._limits = limits
        self._listener = listener
        self._queue = FairQueue()
        self._refusals = Refusals(store.folder)
        self._progress: dict[str, float] = {}
        self._intake = asyncio.Lock()
        self._is_open = True

    @property
    def is_open(self) -> bool:
        """Whether jobs are taken in."""
        return self._is_open

    def progress(self, record: Record) -> float:
        """Return how much of a job is done, 0 … 1."""
        return 1.0 if record.state == "done" else self._progress.get(record.task.job, 0.0)

    def active(self) -> list[Record]:
        """Return the jobs that run or wait."""
        return [*(lane.record for lane in self._lanes if lane.record), *self._queue]

    def latest(self, count: int) -> list[Record]:
        """Return the newest jobs and all that run or wait, oldest first."""
        records = {record.task.job: record for record in self._store.latest(count)}
        return list((records | {record.task.job: record for record in self.active()}).values())

    def find(self, job: str) -> Record | None:
        """Return a job's record, None where there is none."""
        for record in self.active():
            if record.task.job == job:
                return record
        return self._store.find(job)

    def recover(self) -> None:
        """Queue again what was waiting or running when the last server ended."""
        for record in self._store.latest(_RECENT):
            with suppress(OSError):  # scripts that look there wait in vain
                restore_status(record, self._reach)
        for record in self._store.unfinished():
            if outcome := record.is_begun and _read_outcome(record.task, self._reach):
                record.outcome = outcome
                self._change(record, "done")
                continue
            record.state = "queued"
            self._queue.push(record)
        self._dispatch()

    async def accept(self, record: Record) -> Record:
        """Queue a job; once this returns, it is not lost.

        Jobs are taken in one after the other, in the order in which they are asked for. This must
        not be cancelled: a job that is on the disk by then would wait for the next start.

        Returns:
            its record; the one of before where the very same was asked for before.

        Raises:
            OptionError: another job has its name.
            BusyError: there is no room for it, or another job is at work in its folder.
            DawBridgeError: it cannot be run; see :func:`check_task`.
        """
        async with self._intake:
            if known := self._find_same(record.task):
                return known
            self._check_room(record)
            await asyncio.to_thread(self._take_down, record)
            self._tell(record)
            self._queue.push(record)
            self._dispatch()
        return record

    def _find_same(self, task: Task) -> Record | None:
        """Return the record of a task that was asked for before, None where there is none.

        Raises:
            OptionError: another task has its name.
        """
        known = self.find(task.job)
        if known and known.task != task:
            raise OptionError(f"There is another job {task.job}; give this one another name.")
        return known

    def _take_down(self, record: Record) -> None:
        """Check a job, make its folder and put it on the disk, whatever that takes."""
        check_task(record.task, self._roots)
        folder = Path(record.task.folder)
        with output_errors(folder), self._made(folder):
            for place in (self._store.folder, folder):
                check_reserve(place, 0, self._limits.reserve_bytes)
            self._store.save(record)

    @contextmanager
    def _made(self, folder: Path) -> Iterator[None]:
        """Make a folder; if the block fails, take away what was made."""
        missing = [each for each in (folder, *folder.parents) if not each.exists()]
        try:
            self._reach.folder(folder, make=True).close()
            yield
        except BaseException:
            with suppress(OSError):
                for each in missing:
                    each.rmdir()
            raise

    def refuse(self, record: Record, error: DawBridgeError) -> None:
        """Say why a job was not taken in: in its folder, where there is one and no job uses it."""
        record.fail(error)
        if not _is_folder(Path(record.task.folder)):
            self._refusals.note(record)
        elif not self._is_used(record.task.folder):
            write_status(record, self._reach)

    def cancel(self, record: Record) -> None:
        """Call a job off; one that runs ends at its next block."""
        if self._queue.remove(record):
            self._fail(record, Cancelled(f"Job {record.task.job} was cancelled."))
            return
        for lane in self._lanes:
            if lane.record is record and not lane.is_cancelled:
                lane.is_cancelled = True
                lane.worker.cancel(record.task.job)
                lane.insistence = asyncio.create_task(_insist(lane, record))

    def _dispatch(self) -> None:
        """Give idle workers something to do, those first that measure nothing: that keeps order."""
        if not self._is_open:
            return
        for lane in sorted(self._lanes, key=lambda lane: lane.only_short):
            if lane.record is None and (record := self._queue.pop(only_short=lane.only_short)):
                lane.record, lane.is_cancelled = record, False
                lane.run = asyncio.create_task(self._run(lane, record))

    async def retire(self) -> bool:
        """Take in nothing more, unless a job runs, waits or is being taken in; say whether."""
        async with self._intake:
            if is_idle := not self.active():
                self._is_open = False
        return is_idle

    async def close(self, *, finish: bool) -> None:
        """Start nothing more; wait for what runs, or stop it and keep it for the next server."""
        self._is_open = False
        runs = [lane.run for lane in self._lanes if lane.run and not lane.run.done()]
        if not finish:
            for run in runs:
                run.cancel()
        await asyncio.gather(*runs, return_exceptions=True)

    async def _run(self, lane: Lane, record: Record) -> None:
        """Have a lane's worker do a job, and make the best of what goes wrong."""
        try:
            if await self._belongs(lane, record):
                await self._work(lane, record)
        except asyncio.CancelledError:
            await self._end_worker(lane, record)
            self._change(record, "queued")
            raise
        except WorkerDiedError as error:
            await self._end_worker(lane, record)
            self._retry(lane, record, error)
        except DawBridgeError as error:
            self._fail(record, error)
        except Exception as error:
            log.exception("error of ours", job=record.task.job)
            await self._end_worker(lane, record)
            reason = f"The server failed on an error of its own, {type(error).__name__}."
            self._fail(record, DawBridgeError(reason))
        finally:
            self._progress.pop(record.task.job, None)
            lane.record = None
            self._dispatch()

    async def _belongs(self, lane: Lane, record: Record) -> bool:
        """Measure a job where that is to be short; queue it again where it is not."""
        if not lane.only_short:
            return True
        if record.seconds is None:
            record.seconds = await self._measure(lane, record)
        if record.seconds <= SHORT_SECONDS:
            return True
        if lane.is_cancelled:
            self._fail(record, Cancelled(f"Job {record.task.job} was cancelled."))
        else:
            self._queue.put_back(record)
        return False

    async def _measure(self, lane: Lane, record: Record) -> float:
        """Return how long a job's part of its source is; very long if that is not soon known."""
        await lane.worker.start()
        measuring = lane.worker.measure(record.task, again=record.is_begun, at_most=SHORT_SECONDS)
        try:
            return await asyncio.wait_for(measuring, _SECONDS_TO_MEASURE)
        except asyncio.TimeoutError:
            await lane.worker.kill()
            return _TOO_LONG_TO_MEASURE

    async def _work(self, lane: Lane, record: Record) -> None:
        was_begun, record.is_begun = record.is_begun, True
        self._change(record, "running")
        work = lane.worker.run(
            record.task, again=was_begun, progress=partial(self._note_progress, record)
        )
        try:
            record.outcome = await asyncio.wait_for(work, self._limits.job_seconds)
        except asyncio.TimeoutError as error:
            await self._end_worker(lane, record)
            limit = f"{self._limits.job_seconds:g} s"
            raise DawBridgeError(f"Job {record.task.job} took more than {limit}.") from error
        self._change(record, "done")

    def _retry(self, lane: Lane, record: Record, error: WorkerDiedError) -> None:
        """Queue a job again whose worker died, unless it seems to be the job's doing."""
        record.deaths += 1
        if lane.is_cancelled:
            self._fail(record, Cancelled(f"Job {record.task.job} was cancelled."))
        elif record.deaths >= _MAX_DEATHS:
            self._fail(record, DawBridgeError(f"{error} So did the one before; job given up."))
        else:
            self._change(record, "queued")
            self._queue.push(record, first=True)

    async def _end_worker(self, lane: Lane, record: Record) -> None:
        """Make sure that nobody is at a job any more, and that nothing half written stays."""
        await lane.worker.kill()
        with suppress(DawBridgeError, OSError):
            sweep(record.task, self._roots)

    def _note_progress(self, record: Record, fraction: float) -> None:
        self._progress[record.task.job] = fraction
        write_status(record, self._reach, fraction)
        self._listener.progressed(record, fraction)

    def _fail(self, record: Record, error: DawBridgeError) -> None:
        record.fail(error)
        self._change(record, record.state)

    def _change(self, record: Record, state: State) -> None:
        record.state = state
        try:
            self._store.save(record)
        except OutputError as error:  # the job is better told of than not
            log.error("state not noted down", job=record.task.job, reason=str(error))  # noqa: TRY400
        self._tell(record)

    def _tell(self, record: Record) -> None:
        write_status(record, self._reach, self.progress(record))
        self._listener.changed(record)

    def _check_room(self, record: Record) -> None:
        if not self._is_open:
            raise BusyError("The server is about to leave; ask again when it is back.")
        if len(self._queue) >= self._limits.queue:
            raise BusyError(f"{self._limits.queue} jobs are waiting; ask again later.")
        if self._queue.count(record.client) >= self._limits.queue_per_client:
            raise BusyError(
                f"{self._limits.queue_per_client} jobs of yours are waiting; ask again later."
            )
        if self._is_used(record.task.folder):
            raise BusyError(f"Another job is at work in {record.task.folder}.")

    def _is_used(self, folder: str) -> bool:
        """Return whether a job that runs or waits has its results in a folder."""
        return any(record.task.folder == folder for record in self.active())


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # a name that is too long
        return False


async def _insist(lane: Lane, record: Record) -> None:
    """Kill a worker that does not heed a cancellation."""
    await asyncio.sleep(_SECONDS_TO_CANCEL)
    if lane.record is record:
        await lane.worker.kill()


def _read_outcome(task: Task, reach: Reach) -> Outcome | None:
    """Return what came of a task if its results were complete when the server was killed."""
    folder = Path(task.folder)
    try:
        content = read_note(folder / OUTCOME_NAME, reach=reach)
        outcome = msgspec.json.decode(content, type=Outcome)
        results = [Path(path) for path in outcome.results.values()]
        for path in results:
            check_readable(path, reach=reach)
    except (OSError, DawBridgeError, msgspec.DecodeError):
        return None
    is_here = all(path.is_relative_to(folder) for path in results)
    return outcome if outcome.job == task.job and is_here else None
