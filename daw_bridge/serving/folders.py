"""Where jobs read and write."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from daw_bridge.files.reach import Beneath
from daw_bridge.workers.confinement import confine

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


class Folders:
    """The folders that clients may use, and those that the server keeps; made if need be.

    Args:
        state: what the server keeps is below it.
        shared: the folders that clients may name files in.
        inbox: the folder that requests are put into; None: one below the state.

    Attributes:
        jobs: the file of the jobs.
        locks: a lock for each folder that a worker writes to.
        results: a folder for each job that names none.
        uploads: what clients sent.
        inbox: requests that are files, and what came of them.
        shared: the folders that clients may name files in, as they were named.
        roots: all that jobs may read from and write to, links followed.
        reach: the same, of files that may have been replaced since they were named.
    """

    def __init__(self, state: Path, shared: Sequence[Path], inbox: Path | None = None) -> None:
        self.jobs = state / "jobs.sqlite"
        self.locks = state / "locks"
        self.results = (state / "results").resolve()
        self.uploads = (state / "transfers").resolve()
        self.inbox = (inbox or state / "inbox").resolve()
        for folder in (self.locks, self.results, self.uploads):
            folder.mkdir(parents=True, exist_ok=True)
        self.inbox.mkdir(0o700, parents=True, exist_ok=True)
        self.shared = tuple(root.absolute() for root in shared)
        own = (self.inbox, self.results, self.uploads)
        self.roots = (*(root.resolve() for root in shared), *own)
        self.reach = Beneath(self.roots)

    def results_of(self, job: str) -> Path:
        """Return where the results of a job go that names no folder."""
        return self.results / hashlib.sha256(job.encode()).hexdigest()

    def find(self, path: Path) -> Path:
        """Return a path that a client named, with all links followed.

        Raises:
            ConfinementError: it leads out of the roots, or nowhere.
        """
        return confine(path, self.roots, named=self.shared)
