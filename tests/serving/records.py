"""Records of jobs."""

from __future__ import annotations

from daw_bridge.serving.store import Record
from daw_bridge.workers.task import Task


def make_record(job: str, client: str = "me", *, seconds: float | None = None) -> Record:
    return Record(Task(job, "separate", "m", ("/a.wav",), "/out"), client, seconds=seconds)
