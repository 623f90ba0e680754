"""One file each: asked for, watched, called off.

A job is asked for by a file in the server's inbox, and watched by the status file that the server
keeps in the folder of the stems: neither makes Live wait, and both are still there after a crash.
"""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import TYPE_CHECKING

from .errors import WishError
from .pairs import read_pairs, write_pairs

if TYPE_CHECKING:
    from .server import Server

TAKEN_S = 2.0
WAKE_S = 60.0
PATIENCE_S = {"": 60.0, "queued": math.inf, "running": 600.0}
"""How long each state may last without any change."""


class Job:
    """The separation of one file.

    Attributes:
        source: the file.
        progress: from 0 to 1.
        stems: paths by their names, in the model's order, once all are whole.
        problem: why there are none.
    """

    def __init__(self, server: Server, request: dict[str, str], name: str) -> None:
        self.source = request["path"]
        self.progress = 0.0
        self.stems: dict[str, str] = {}
        self.problem = ""
        self._server = server
        self._request = request
        self._name = name
        self._inbox: Path | None = None
        self._seen: dict[str, str] = {}
        self._changed_s = time.monotonic()

    @property
    def is_over(self) -> bool:
        """Whether there are stems, or a reason why there are none."""
        return bool(self.stems or self.problem)

    @property
    def is_waiting(self) -> bool:
        """Whether the server has not answered yet."""
        return not self._seen and not self.is_over

    def look(self) -> None:
        """See how far it is; ask for it first, once there is a server."""
        if self.is_over:
            return
        try:
            self._ask()
            self._read_status()
            self._wake_server()
        except WishError as problem:
            self.problem = str(problem)

    def cancel(self) -> None:
        """Call it off, whatever the server has begun."""
        if self.is_over:
            return
        self.problem = "called off."
        if self._inbox:
            self._withdraw()
            write_pairs(self._inbox / f"{self._name}.cancel", {"end": "1"})

    def _ask(self) -> None:
        if self._inbox is None and (inbox := self._server.inbox):
            write_pairs(inbox / f"{self._name}.request", {**self._request, "end": "1"})
            self._inbox = inbox
            self._changed_s = time.monotonic()

    def _read_status(self) -> None:
        if self._inbox is None:
            return
        status = read_pairs(Path(self._request["out"]) / "status")
        status = status or read_pairs(self._inbox / self._name / "status")
        if status != self._seen:
            self._seen, self._changed_s = status, time.monotonic()
        self.progress = float(status.get("progress") or 0)
        state = status.get("state", "")
        if state == "done":
            self.stems = {key[5:]: path for key, path in status.items() if key[:5] == "stem:"}
        if state in {"done", "failed", "cancelled"} and not self.stems:
            self.problem = status.get("message") or f"{state}, without stems."

    def _wake_server(self) -> None:
        """Start the server where it does not answer, or was killed over the job."""
        if self.is_over:
            return
        silent_s = time.monotonic() - self._changed_s
        if silent_s > PATIENCE_S.get(self._seen.get("state", ""), 0.0):
            self._withdraw()
            raise WishError(self._server.complaint or "stemtool does not answer; try again.")
        if silent_s > (WAKE_S if self._seen else TAKEN_S if self._inbox else -1.0):
            self._server.start()
        if self._inbox is None and self._server.complaint:
            raise WishError(self._server.complaint)

    def _withdraw(self) -> None:
        if self._inbox:
            (self._inbox / f"{self._name}.request").unlink(missing_ok=True)
