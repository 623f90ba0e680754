"""Worker processes, seen from the server: started, fed, watched and replaced."""

from __future__ import annotations

import asyncio
import signal
from contextlib import suppress
from typing import TYPE_CHECKING

import msgspec

from daw_bridge import errors
from daw_bridge.errors import DawBridgeError, WorkerDiedError
from daw_bridge.system import module_command
from daw_bridge.workers.worker import (
    Cancel,
    Failure,
    Measure,
    Measured,
    Order,
    Outcome,
    Progress,
    Ready,
)

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import Callable

    from daw_bridge.workers.task import Task
    from daw_bridge.workers.worker import WorkerSettings

_MAX_LINE_BYTES = 1 << 20
_COMMAND = module_command("daw_bridge.workers.worker")


class WorkerProcess:
    """One worker; if it dies, it is started again when it is next needed.

    Args:
        settings: what the worker is told first.
        say: is given each line that the worker prints for people.
    """

    def __init__(self, settings: WorkerSettings, say: Callable[[str], None]) -> None:
        self._settings = settings
        self._say = say
        self._process: Process | None = None
        self._listening: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int | None:
        """The process, None where there is none."""
        return self._process.pid if self._process else None

    async def start(self) -> None:
        """Start the process and wait until its models are loaded, unless it is there already.

        Raises:
            DawBridgeError: a model cannot be loaded.
            WorkerDiedError: the process ended.
        """
        if self._process is not None:
            return
        self._process = await asyncio.create_subprocess_exec(
            *_COMMAND,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            limit=_MAX_LINE_BYTES,
        )
        self._listening = asyncio.create_task(self._listen(self._process))
        self._send(self._settings)
        await self._receive()

    async def run(self, task: Task, *, again: bool, progress: Callable[[float], None]) -> Outcome:
        """Run a task to its end.

        Raises:
            DawBridgeError: what the worker raised.
            WorkerDiedError: the process ended before the job did.
        """
        await self.start()
        self._send(Order(task, again))
        while not isinstance(report := await self._receive(), Outcome):
            if isinstance(report, Progress):
                progress(report.fraction)
        return report

    async def measure(self, task: Task, *, again: bool, at_most: float) -> float:
        """Return how many seconds a task is about; more than ``at_most``: at least so many.

        Raises:
            DawBridgeError: what the worker raised.
            WorkerDiedError: the process ended.
        """
        await self.start()
        self._send(Measure(task, again, at_most))
        report = await self._receive()
        if not isinstance(report, Measured):
            raise WorkerDiedError("The worker answered something else.")
        return report.seconds

    def cancel(self, job: str) -> None:
        """Ask the worker to stop a job; it then raises ``Cancelled``."""
        if self._process:
            self._send(Cancel(job))

    async def kill(self) -> None:
        """End the process, whatever it is doing."""
        process, self._process = self._process, None
        if process is None:
            return
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        if self._listening:
            await self._listening

    def _send(self, message: WorkerSettings | Order | Measure | Cancel) -> None:
        if self._process and self._process.stdin:
            self._process.stdin.write(msgspec.json.encode(message) + b"\n")

    async def _receive(self) -> Ready | Progress | Measured | Outcome:
        """Return the next report; a failure is raised."""
        process = self._process
        if process is None or process.stdout is None:
            raise WorkerDiedError("The worker was stopped.")
        line = await process.stdout.readline()
        if not line:
            status = await process.wait()
            await self.kill()
            raise WorkerDiedError(f"The worker {_explain(status)}.")
        report = msgspec.json.decode(line, type=Ready | Progress | Measured | Outcome | Failure)
        if isinstance(report, Failure):
            kind = getattr(errors, report.error, DawBridgeError)
            raise kind(report.message)
        return report

    async def _listen(self, process: Process) -> None:
        """Pass on what the worker prints."""
        if process.stderr is None:
            return
        async for line in process.stderr:
            self._say(line.decode("utf-8", "replace").rstrip())


def _explain(status: int) -> str:
    """Say how a process ended."""
    if status >= 0:
        return f"exited with status {status}"
    name = signal.Signals(-status).name
    hint = "; the system does so where memory runs out" if name == "SIGKILL" else ""
    return f"was killed by {name}{hint}"
