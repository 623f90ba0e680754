"""Who hears what becomes of jobs."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from daw_bridge.osc.addresses import DONE, JOBS, PROGRESS, STEM, WARNING, Form
from daw_bridge.serving.codes import error_of
from daw_bridge.workers.notes import OUTCOME_NAME
from daw_bridge.workers.task import KINDS

if TYPE_CHECKING:
    from daw_bridge.osc.datagrams import Datagrams
    from daw_bridge.osc.peers import Peer
    from daw_bridge.serving.store import Record

log = structlog.get_logger()


class Audience:
    """Whoever asked for jobs; listens to the dispatcher for them.

    Args:
        datagrams: reaches those who are known by nothing but a URL.
    """

    def __init__(self, datagrams: Datagrams) -> None:
        self._datagrams = datagrams
        self._peers: dict[str, Peer] = {}

    def admit(self, record: Record, peer: Peer) -> None:
        """Have a peer, and nobody else, hear of a job until it is over."""
        if not record.is_over:
            self._peers[record.task.job] = peer

    def changed(self, record: Record) -> None:
        """Tell whoever asked for a job that it has a new state."""
        job = record.task.job
        details = {"error": record.message} if record.code else {}
        log.info(f"job {record.state}", job=job, client=record.client, **details)
        if record.is_over and (peer := self._peer_of(record)):
            announce(record, peer)
            self._peers.pop(job, None)

    def progressed(self, record: Record, fraction: float) -> None:
        """Tell whoever asked for a job how far it is."""
        if peer := self._peer_of(record):
            task = record.task
            peer.tell(PROGRESS, task.job, fraction, KINDS[task.kind].phase)

    def left(self, peer: Peer) -> None:
        """Forget a peer whose connection is gone."""
        self._peers = {job: each for job, each in self._peers.items() if each is not peer}

    def awaits(self, peer: Peer) -> bool:
        """Return whether a peer has jobs that are not over."""
        return peer in self._peers.values()

    def _peer_of(self, record: Record) -> Peer | None:
        """Return who is to hear of a job, None where nobody can be reached."""
        peer = self._peers.get(record.task.job)
        if peer is None and record.reply:
            with suppress(ValueError):  # the disk gave back something else
                peer = self._peers[record.task.job] = self._datagrams.peer_at(record.reply)
        return peer


def announce(record: Record, peer: Peer) -> None:
    """Tell a peer what came of a job, if anything has."""
    job = record.task.job
    if record.outcome:
        for warning in record.outcome.warnings:
            peer.tell(WARNING, job, warning)
        results = record.outcome.results
        for index, (name, path) in enumerate(results.items()):
            peer.tell(STEM, job, index, len(results), name, path)
        peer.tell(DONE, job, len(results), str(Path(record.task.folder) / OUTCOME_NAME))
    elif record.code:
        error = error_of(record.code, record.message)
        peer.refuse(error, JOBS[record.task.kind].address, job)
    if record.is_over and record.on_done:
        address, text = record.on_done
        peer.tell(Form(address, "s:text"), text)
