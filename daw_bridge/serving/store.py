"""Jobs on disk, so that none is lost when the server is killed or the power fails."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from typing import TYPE_CHECKING, Literal, TypeAlias

import msgspec

from daw_bridge.errors import Cancelled, OutputError
from daw_bridge.serving.codes import code_of
from daw_bridge.workers.task import Task
from daw_bridge.workers.worker import Outcome

if TYPE_CHECKING:
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
"""


class Record(msgspec.Struct, eq=False):
    """What is known about a job.

    Attributes:
        task: what is to be done.
        client: who asked for it.
        reply: where the asker can be reached even after a restart, as whoever took the job in
            writes it; empty: nowhere.
        on_done: what the asker wants to be told at the end: where, and in which words.
        size: about how many frames it is.
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
    size: int = 0
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

    Raises:
        OutputError: the file cannot be opened or is no database of ours.
    """

    def __init__(self, path: Path) -> None:
        try:
            self._database = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            self._database.execute("PRAGMA journal_mode = WAL")
            self._database.execute("PRAGMA synchronous = FULL")
            self._database.executescript(_SCHEMA)
        except sqlite3.Error as error:
            raise OutputError(
                f"{path} cannot be used: {error}; move it away to start with an empty queue."
            ) from error

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def save(self, record: Record) -> None:
        """Add a record, or replace the one of the same job.

        Raises:
            OutputError: it cannot be written.
        """
        row = (record.task.job, record.state, time.time(), msgspec.json.encode(record))
        try:
            self._database.execute(
                "INSERT INTO jobs (job, state, updated, record) VALUES (?, ?, ?, ?) ON CONFLICT"
                " (job) DO UPDATE SET state = excluded.state, updated = excluded.updated,"
                " record = excluded.record",
                row,
            )
        except sqlite3.Error as error:
            raise OutputError(f"The job cannot be noted down: {error}.") from error

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

    def prune(self, seconds: float) -> list[str]:
        """Forget jobs that ended longer ago, and return their names."""
        rows = self._database.execute(
            "DELETE FROM jobs WHERE state NOT IN ('queued', 'running') AND updated < ?"
            " RETURNING job",
            (time.time() - seconds,),
        )
        with closing(rows):
            return [job for (job,) in rows.fetchall()]

    def _select(self, rest: str, *values: str | int) -> list[Record]:
        rows = self._database.execute(f"SELECT record FROM jobs {rest}", values)  # noqa: S608
        with closing(rows):
            return [msgspec.json.decode(row, type=Record) for (row,) in rows.fetchall()]
