"""A process that keeps models warm and runs one job at a time.

It is told what to do on standard input and reports on standard output, a line of JSON a message.
Whatever brings native code down brings down this process only. When its input closes, the server
is gone, and it leaves at once.
"""

from __future__ import annotations

import hashlib
import logging
import os
import queue
import signal
import sys
import threading
import traceback
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import IO, TYPE_CHECKING

import msgspec
from filelock import FileLock

from daw_bridge.errors import Cancelled, DawBridgeError, UnfetchedError
from daw_bridge.files.room import Room
from daw_bridge.files.writing import output_errors
from daw_bridge.jobs.lengths import measure_seconds
from daw_bridge.printing import log_lines
from daw_bridge.separation.providers import Precision, Provider
from daw_bridge.system import share_one_heap, stand_back
from daw_bridge.workers.confinement import check_task, check_unlinked, confined_job, sweep
from daw_bridge.workers.notes import OUTCOME_NAME, write_note
from daw_bridge.workers.task import KINDS, Task

if TYPE_CHECKING:
    from collections.abc import Iterator

    from daw_bridge.files.reach import Reach
    from daw_bridge.jobs.job import Job, Result
    from daw_bridge.separation.separator import Separator

_MAX_MODELS = 3
_WARM_UP_FRAMES = 44_100

_log = logging.getLogger(__name__)


class WorkerSettings(msgspec.Struct, frozen=True):
    """What a worker is told first.

    Attributes:
        models: the models to load before anything is asked for.
        roots: the folders that jobs may read from and write to, links followed.
        locks: a folder for locks.
        job_bytes: what a job may write, spools and results.
        reserve_bytes: what stays free of every disk that is written to.
        provider: as :class:`~daw_bridge.Separator` takes it.
        precision: as :class:`~daw_bridge.Separator` takes it.
        threads: as :class:`~daw_bridge.Separator` takes it.
        niceness: by how much to stand back behind other processes.
    """

    models: tuple[str, ...]
    roots: tuple[str, ...]
    locks: str
    job_bytes: int
    reserve_bytes: int
    provider: Provider = "auto"
    precision: Precision = "float"
    threads: int | None = None
    niceness: int = 0


class Order(msgspec.Struct, frozen=True, tag="order"):
    """Run this. ``again``: it was begun before, so results that exist are its own."""

    task: Task
    again: bool = False


class Measure(msgspec.Struct, frozen=True, tag="measure"):
    """Find how many seconds this is about; more than ``at_most`` need not be counted.

    ``again``: as in an :class:`Order`.
    """

    task: Task
    again: bool
    at_most: float


class Cancel(msgspec.Struct, frozen=True, tag="cancel"):
    """Stop a job; it may not have begun yet."""

    job: str


class Ready(msgspec.Struct, frozen=True, tag="ready"):
    """The models are loaded."""


class Progress(msgspec.Struct, frozen=True, tag="progress"):
    """So much is done, 0 … 1."""

    fraction: float


class Measured(msgspec.Struct, frozen=True, tag="measured"):
    """A task is about so many seconds, or at least so many where that is more than was asked."""

    seconds: float


class Outcome(msgspec.Struct, frozen=True, tag="outcome"):
    """What came of a job; also the content of the file beside its results."""

    job: str
    kind: str
    model: str
    provider: str
    sources: tuple[str, ...]
    start: int
    frames: int
    sample_rate_hz: int
    channels: int
    stems: dict[str, str]
    gain_db: float
    null_db: float | None
    elapsed_s: float
    warnings: tuple[str, ...] = ()
    precision: Precision | None = None
    projects: dict[str, str] = {}

    @property
    def results(self) -> dict[str, str]:
        """The file of each stem, and the one that DAWs open of each project."""
        return {**self.stems, **self.projects}

    @classmethod
    def of(cls, task: Task, result: Result) -> Outcome:
        """Return what came of a task."""
        return cls(
            job=task.job,
            kind=task.kind,
            model=task.model,
            provider=result.provider,
            sources=task.sources,
            start=task.start,
            frames=result.frames,
            sample_rate_hz=result.sample_rate_hz,
            channels=result.channels,
            stems={stem: str(path) for stem, path in result.outputs.items()},
            gain_db=result.gain_db,
            null_db=result.null_db,
            elapsed_s=result.elapsed_s,
            warnings=result.warnings,
            precision=result.precision,
            projects={form: str(path) for form, path in result.projects.items()},
        )


class Failure(msgspec.Struct, frozen=True, tag="failure"):
    """What went wrong: the name of a class of :mod:`daw_bridge.errors`, and the sentence."""

    error: str
    message: str

    @classmethod
    def of(cls, error: DawBridgeError) -> Failure:
        """Return what clients are told of an error; the log has the rest."""
        if isinstance(error, UnfetchedError):
            _log.warning("%s", error)
            return cls(type(error).__name__, error.brief)
        return cls(type(error).__name__, str(error))


def main() -> None:
    """Serve until standard input closes."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # the server decides
    reports = _claim_stdout()
    log_lines("%(message)s")
    share_one_heap()
    settings = msgspec.json.decode(sys.stdin.buffer.readline(), type=WorkerSettings)
    stand_back(settings.niceness)
    worker = Worker(settings, reports)
    try:
        worker.warm_up()
    except DawBridgeError as error:
        worker.report(Failure.of(error))
        return
    threading.Thread(target=worker.listen, daemon=True).start()
    worker.report(Ready())
    worker.serve()


class Worker:
    """Runs orders one after the other, with models that stay loaded."""

    def __init__(self, settings: WorkerSettings, reports: IO[bytes]) -> None:
        self._settings = settings
        self._roots = tuple(map(Path, settings.roots))
        self._reports = reports
        self._orders: queue.SimpleQueue[Order | Measure] = queue.SimpleQueue()
        self._cancelled: set[str] = set()
        self._separators: dict[str, Separator] = {}

    def warm_up(self) -> None:
        """Load the models and run each once, so that the first job pays for nothing."""
        import numpy as np

        from daw_bridge.audio import Audio

        silence = Audio(np.zeros((2, _WARM_UP_FRAMES), np.float32), _WARM_UP_FRAMES)
        for model in self._settings.models:
            self._separator(model).separate(silence)

    def listen(self) -> None:
        """Take in what the server says, while a job is running too."""
        for line in sys.stdin.buffer:
            message = msgspec.json.decode(line, type=Order | Measure | Cancel)
            if isinstance(message, Cancel):
                self._cancelled.add(message.job)
            else:
                self._orders.put(message)
        os._exit(0)

    def serve(self) -> None:
        """Run orders as they come."""
        while True:
            order = self._orders.get()
            try:
                self.report(self._follow(order))
            except DawBridgeError as error:
                self.report(Failure.of(error))
            except MemoryError:
                raise
            except Exception as error:  # noqa: BLE001 - a job must not take the worker with it
                traceback.print_exc()
                reason = f"The job failed on an error of ours, {type(error).__name__}: {error}"
                self.report(Failure(DawBridgeError.__name__, reason))

    def report(self, message: msgspec.Struct) -> None:
        """Tell the server."""
        self._reports.write(msgspec.json.encode(message) + b"\n")
        self._reports.flush()

    def _follow(self, order: Order | Measure) -> Outcome | Measured:
        return self._measure(order) if isinstance(order, Measure) else self._run(order)

    def _measure(self, order: Measure) -> Measured:
        task = _task_of(order)
        check_task(task, self._roots)
        return Measured(measure_seconds(confined_job(task, self._roots), at_most=order.at_most))

    def _run(self, order: Order) -> Outcome:
        task = _task_of(order)
        with self._folder_lock(task):
            check_task(task, self._roots)
            if order.again:
                sweep(task, self._roots)
            job = self._limited(confined_job(task, self._roots))
            result = KINDS[task.kind].run(
                job,
                self._separator(task.model),
                progress=lambda done, total: self.report(Progress(done / total)),
                is_cancelled=lambda: self._is_cancelled(task),
            )
            outcome = Outcome.of(task, result)
            _note(outcome, Path(task.folder), job.reach)
        return outcome

    def _limited(self, job: Job) -> Job:
        """Return a job that writes no more than it may."""
        settings = self._settings
        return replace(job, room=Room(settings.job_bytes, settings.reserve_bytes))

    def _is_cancelled(self, task: Task) -> bool:
        """Also make sure, all the while, that no link leads the results elsewhere."""
        check_unlinked(Path(task.folder), self._roots)
        return task.job in self._cancelled

    @contextmanager
    def _folder_lock(self, task: Task) -> Iterator[None]:
        """Wait for a worker of a server that was killed, if it still writes to this folder."""
        name = hashlib.sha256(os.fsencode(task.folder)).hexdigest()
        with FileLock(Path(self._settings.locks) / name):
            yield

    def _separator(self, model: str) -> Separator:
        """Return a loaded model; of too many, the one that was not used for longest goes."""
        from daw_bridge.separation.separator import Separator

        if model not in self._separators:
            while len(self._separators) >= _MAX_MODELS:
                self._separators.pop(next(iter(self._separators))).close()
            self._separators[model] = Separator(
                model,
                provider=self._settings.provider,
                threads=self._settings.threads,
                precision=self._settings.precision,
            )
        self._separators[model] = separator = self._separators.pop(model)
        return separator


def _task_of(order: Order | Measure) -> Task:
    """Return what is to be done; results that exist of what was begun before are replaced."""
    task = order.task
    if order.again:
        task = msgspec.structs.replace(task, options={**task.options, "overwrite": "1"})
    return task


def _claim_stdout() -> IO[bytes]:
    """Return standard output, and let what libraries print go to standard error."""
    reports = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return reports


def _note(outcome: Outcome, folder: Path, reach: Reach) -> None:
    """Note what came of a job once its results are on the disk, so that it survives a power cut.

    Raises:
        OutputError: the folder is another one by now, or cannot be written to.
    """
    for path in map(Path, outcome.results.values()):
        with output_errors(path), open(path, "rb+", opener=reach.open) as file:
            os.fsync(file.fileno())
    path = folder / OUTCOME_NAME
    with output_errors(path):
        write_note(path, msgspec.json.encode(outcome), durable=True, reach=reach)


if __name__ == "__main__":
    with suppress(Cancelled, BrokenPipeError):
        main()
