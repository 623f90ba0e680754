"""Workers and what each is doing."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import msgspec
import structlog

from daw_bridge.workers.process import WorkerProcess

if TYPE_CHECKING:
    import asyncio

    from daw_bridge.serving.store import Record
    from daw_bridge.workers.worker import WorkerSettings

_NICENESS = 5

log = structlog.get_logger()


@dataclass
class Lane:
    """A worker and what it is doing."""

    worker: WorkerProcess
    only_short: bool = False
    record: Record | None = None
    run: asyncio.Task[None] | None = None
    is_cancelled: bool = False
    insistence: asyncio.Task[None] | None = None


def make_lanes(settings: WorkerSettings, count: int) -> list[Lane]:
    """Return so many workers' lanes; the first of several is kept for short jobs.

    The others stand back behind it, so that a selection is quick beside an hour-long set.
    """
    return [_make_lane(settings, number, only_short=count > 1 > number) for number in range(count)]


def _make_lane(settings: WorkerSettings, number: int, *, only_short: bool) -> Lane:
    settings = msgspec.structs.replace(settings, niceness=_NICENESS if number else 0)
    say = partial(log.info, "worker says", worker=number)
    return Lane(WorkerProcess(settings, lambda text: say(text=text)), only_short)
