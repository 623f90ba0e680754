"""Jobs on disk, so that none is lost when the server is killed or the power fails."""

from __future__ import annotations

import shutil
import sqlite3
import time
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import msgspec
import structlog

from daw_bridge.errors import Cancelled, DiskFullError, OutputError
from daw_bridge.serving.codes import code_of
from daw_bridge.workers.task import KINDS, Task
from daw_bridge.workers.worker import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from daw_bridge.errors import DawBridgeError

State: TypeAlias = Literal["queued", "running", "done", "failed", "cancelled"]

_SCHEMA = """
CREATE TABLE IF NOT EXISTS jobs (
    number INTEGER PRIMARY KEY,
    job TEXT NOT NULL UNIQUE,
    state TEXT NOT NULL,
    updated REAL NOT NULL,
    record BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS jobs_by_state ON jobs (state);
CREATE TABLE IF NOT EXISTS unreadable AS SELECT * FROM jobs WHERE FALSE;
"""
_COMPANIONS = ("", "-wal", "-shm")  # the files of a database
_LEAST_BYTES = 1 << 17  # with less, SQLite may only say that the disk failed

log = structlog.get_logger()


class Record(msgspec.Struct, eq=False):
    """What is known about a job.

    Attributes:
        task: what is to be done.
        client: who asked for it.
        reply: where the asker can be reached even after a restart, as whoever took the job in
            writes it; empty: nowhere.
        on_done: what the asker wants to be told at the end: where, and in which words.
        seconds: how long what it asks for is; None: nobody has looked yet.
        state: where it is.
        is_begun: whether a worker had it before, so that results that exist are its own.
        deaths: how many workers died of it.
        code: the error's code; 0: none.
        message: the error's sentence.
        outcome: what came of it.
    """

    task: Task
    client: str
    reply: str = ""
    on_done: tuple[str, str] | None = None
    seconds: float | None = None
    state: State = "queued"
    is_begun: bool = False
    deaths: int = 0
    code: int = 0
    message: str = ""
    outcome: Outcome | None = None

    @property
    def is_over(self) -> bool:
        """Whether nothing more will happen."""
        return self.state in ("done", "failed", "cancelled")

    def fail(self, error: DawBridgeError) -> None:
        """Take down why nothing more will happen."""
        self.state = "cancelled" if isinstance(error, Cancelled) else "failed"
        self.code, self.message = code_of(error), str(error)


class Store:
    """Records in SQLite, each change on the disk before the method returns.

    A file that is damaged is kept beside under another name, and what can be read of it is taken
    over. A record that cannot be read is kept in a table of its own.

    Attributes:
        folder: where the file is.

    Raises:
        OutputError: the file cannot be opened, or there is no room for it.
    """

    def __init__(self, path: Path) -> None:
        self.folder = path.parent
        try:
            self._database = _open_or_replace(path)
        except (sqlite3.Error, OSError) as error:
            raise _failure(f"{path} cannot be used", error, self.folder) from error

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def save(self, record: Record) -> None:
        """Add a record, or replace the one of the same job.

        Raises:
            OutputError: it cannot be written.
        """
        try:
            row = (record.task.job, record.state, time.time(), msgspec.json.encode(record))
            self._database.execute(
                "INSERT INTO jobs (job, state, updated, record) VALUES (?, ?, ?, ?) ON CONFLICT"
                " (job) DO UPDATE SET state = excluded.state, updated = excluded.updated,"
                " record = excluded.record",
                row,
            )
        except UnicodeEncodeError as error:
            raise OutputError(
                f"{record.task.folder!a} and {record.task.sources!a} cannot be noted down: a name"
                " there is not UTF-8; change it."
            ) from error
        except sqlite3.Error as error:
            raise _failure("The job cannot be noted down", error, self.folder) from error

    def find(self, job: str) -> Record | None:
        """Return a job's record, None where there is none."""
        rows = self._select("WHERE job = ?", job)
        return rows[0] if rows else None

    def unfinished(self) -> list[Record]:
        """Return the jobs that wait or run, oldest first."""
        return self._select("WHERE state IN ('queued', 'running') ORDER BY number")

    def latest(self, count: int) -> list[Record]:
        """Return the newest jobs, oldest first."""
        return self._select("ORDER BY number DESC LIMIT ?", count)[::-1]

    def jobs(self) -> set[str]:
        """Return the names of all jobs that are known."""
        return {job for (job,) in self._query("SELECT job FROM jobs")}

    def prune(self, seconds: float) -> None:
        """Forget jobs that ended longer ago."""
        self._query(
            "DELETE FROM jobs WHERE state NOT IN ('queued', 'running') AND updated < ?",
            time.time() - seconds,
        )

    def _select(self, rest: str, *values: str | int) -> list[Record]:
        rows = self._query(f"SELECT number, record FROM jobs {rest}", *values)  # noqa: S608
        return [record for row in rows if (record := self._read(*row))]

    def _query(self, statement: str, *values: str | float) -> list[tuple[Any, ...]]:
        try:
            with closing(self._database.execute(statement, values)) as rows:
                return rows.fetchall()
        except sqlite3.Error as error:
            raise _failure("The jobs cannot be read", error, self.folder) from error

    def _read(self, number: int, content: bytes) -> Record | None:
        """Return a record; one that cannot be read is moved out of the way."""
        try:
            return _decode(content)
        except ValueError as error:
            log.warning("record set aside", number=number, reason=str(error))
            self._query("INSERT INTO unreadable SELECT * FROM jobs WHERE number = ?", number)
            self._query("DELETE FROM jobs WHERE number = ?", number)
            return None


def _decode(content: bytes) -> Record:
    """Read a record.

    Raises:
        ValueError: it is none, or none that could be run.
    """
    try:
        record = msgspec.json.decode(content, type=Record)
    except (msgspec.MsgspecError, TypeError, RecursionError) as error:
        raise ValueError(str(error)) from error
    if record.task.kind not in KINDS or not record.task.sources:
        raise ValueError(f"there is no job {record.task.kind} of {record.task.sources}")
    if any("\0" in path for path in (record.task.folder, *record.task.sources)):
        raise ValueError("a path holds a zero byte")
    return record


def _open_or_replace(path: Path) -> sqlite3.Connection:
    """Open a database; a damaged one is set aside for a new one with what can be read of it."""
    try:
        return _open(path)
    except sqlite3.OperationalError:  # locked, not allowed, no room: it may be whole
        raise
    except sqlite3.DatabaseError as error:
        aside = path.with_name(f"{path.name}.damaged-{time.time_ns()}")
        log.warning("jobs set aside", file=str(path), kept_as=str(aside), reason=str(error))
    for end in _COMPANIONS:
        with suppress(FileNotFoundError):
            path.with_name(path.name + end).rename(aside.with_name(aside.name + end))
    database = _open(path)
    database.executemany("INSERT OR IGNORE INTO jobs VALUES (?, ?, ?, ?, ?)", _rescue(aside))
    return database


def _open(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    try:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = FULL")
        (verdict,) = database.execute("PRAGMA quick_check(1)").fetchone()
        if verdict != "ok":
            raise sqlite3.DatabaseError(verdict)
        database.executescript(_SCHEMA)
    except sqlite3.Error:
        database.close()
        raise
    return database


def _rescue(path: Path) -> Iterator[tuple[object, ...]]:
    """Yield the rows of a damaged database up to the first that cannot be read."""
    with suppress(sqlite3.Error), closing(sqlite3.connect(path)) as database:
        yield from database.execute("SELECT number, job, state, updated, record FROM jobs")


def _failure(sentence: str, error: Exception, folder: Path) -> OutputError:
    """Return the error of a database in a folder in our words."""
    with suppress(OSError):
        if "full" in str(error) or shutil.disk_usage(folder).free < _LEAST_BYTES:
            return DiskFullError(f"{sentence}: the disk is full; free some room on it.")
    return OutputError(f"{sentence}: {error}.")
