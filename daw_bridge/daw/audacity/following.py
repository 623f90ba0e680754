"""The progress and the cancel button of an export in Audacity become those of separations.

Audacity can export to a program: it writes audio to the program's standard input, shows how much of
it is written, and closes the input when somebody presses *Cancel*. So this program takes the audio,
which nobody needs, no faster than the separations go.
"""

from __future__ import annotations

import shutil
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, BinaryIO

from daw_bridge.daw.shipping import stemtool
from daw_bridge.files.atomic import write_whole

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

PREFIX = "audacity-"
"""Of the names of all that the tool puts into the inbox."""

_HEADER_BYTES = 44
_SIZE_AT = 40
_PIECE_BYTES = 4096
"""What Audacity writes before it looks at its button again."""
_RESERVE_BYTES = 1 << 17
"""More than is under way between Audacity and here: its last piece is taken at the end."""
_SECONDS_BETWEEN_LOOKS = 0.15
_SECONDS_TO_ANSWER = 20.0
_SECONDS_BETWEEN_QUESTIONS = 20.0
"""Whether there is a server; what a killed one had begun goes on when one is started again."""
_SECONDS_TO_CALL_OFF = 5.0
_SECONDS_TO_KEEP = 3600.0


@dataclass(frozen=True)
class Job:
    """What a request in the inbox asks for.

    Attributes:
        inbox: the folder.
        name: of the request.
    """

    inbox: Path
    name: str

    @property
    def status(self) -> dict[str, str]:
        """What its status file says; nothing where there is none yet."""
        try:
            text = (self._folder / "status").read_text("utf-8", "surrogateescape")
        except OSError:
            return {}
        return dict(line.split("=", 1) for line in text.splitlines() if "=" in line)

    @property
    def has_ended(self) -> bool:
        """Whether nothing more will come of it."""
        return self.status.get("state") in {"done", "failed", "cancelled"}

    @property
    def is_under_way(self) -> bool:
        """Whether the server has it and is not done with it."""
        return bool(self.status) and not self.has_ended

    @property
    def progress(self) -> float:
        """From 0 to 1."""
        return 1.0 if self.has_ended else float(self.status.get("progress", 0.0))

    def call_off(self) -> None:
        """Ask the server to call it off, should it have heard of it."""
        self._withdraw()
        (self.inbox / f"{self.name}.cancel").touch()

    def end(self, state: str, message: str = "") -> None:
        """Say in the server's place how it ended, unless the server has said anything."""
        self._withdraw()
        if not self.status:
            self._folder.mkdir(0o700, exist_ok=True)
            lines = f"job={self.name}\nstate={state}\nmessage={' '.join(message.split())}\n"
            write_whole(self._folder / "status", lines.encode(errors="surrogateescape"))

    @property
    def _folder(self) -> Path:
        return self.inbox / self.name

    def _withdraw(self) -> None:
        (self.inbox / f"{self.name}.request").unlink(missing_ok=True)


class Export:
    """Audio that Audacity exports to this process, and how much of it is taken.

    Args:
        audio: a WAV file, without a buffer in between.
    """

    def __init__(self, audio: BinaryIO) -> None:
        self._audio = audio
        header = audio.read(_HEADER_BYTES)
        self._left = int.from_bytes(header[_SIZE_AT:], "little") - _RESERVE_BYTES
        self._whole = max(self._left, 1)

    def take(self, share: float) -> bool:
        """Take so much of all, and a little in any case; return whether Audacity still writes.

        Audacity sees that its button was pressed only when something was taken.
        """
        while self._left > 0:
            piece = self._audio.read(_PIECE_BYTES)
            self._left -= len(piece)
            if not piece or self._left <= self._whole * (1 - share):
                return bool(piece)
        return True

    def take_all(self) -> None:
        """Take what is left."""
        while self._audio.read(1 << 20):
            pass


class Server:
    """A server that is there as long as it is needed, though others started it or it crashed."""

    def __init__(self) -> None:
        self._ready_s: float | None = None
        self._ask()

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        self._said.close()

    @property
    def has_had_time(self) -> bool:
        """Whether it has been there long enough to have looked into its inbox."""
        return self._ready_s is not None and _now_s() - self._ready_s > _SECONDS_TO_ANSWER

    def keep(self) -> str:
        """Look after it, and return why it cannot be started; empty: it is there, or will be."""
        status = self._asking.poll()
        if status:
            self._said.seek(0)
            return self._said.read().removeprefix("stemtool: ")
        if status == 0:
            self._ready_s = self._ready_s or _now_s()
            if _now_s() - self._asked_s > _SECONDS_BETWEEN_QUESTIONS:
                self._said.close()
                self._ask()
        return ""

    def _ask(self) -> None:
        """Start one if there is none; what is started for it goes on when this process ends."""
        self._asked_s = _now_s()
        self._said = TemporaryFile("w+", encoding="utf-8", errors="replace")  # noqa: SIM115 - see above
        self._asking = subprocess.Popen(  # noqa: S603 - our own command
            [stemtool(), "serve", "--on-demand"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=self._said,
        )


def follow(inbox: Path, run: str, audio: BinaryIO) -> None:
    """Take an export as fast as a run's jobs are done; call these off if the export is cancelled.

    A server is started if there is none.

    Args:
        inbox: where the requests are.
        run: what the names of the jobs, and of all that belongs to them, begin with.
        audio: what Audacity exports.
    """
    _forget_earlier(inbox, run)
    jobs = [Job(inbox, path.stem) for path in sorted(inbox.glob(f"{run}-*.wav"))]
    export = Export(audio)
    with Server() as server:
        while not all(job.has_ended for job in jobs):
            if not export.take(sum(job.progress for job in jobs) / len(jobs)):
                _call_off(jobs)
                return
            _end_unheard(jobs, server)
            time.sleep(_SECONDS_BETWEEN_LOOKS)
    export.take_all()


def _call_off(jobs: Sequence[Job]) -> None:
    for job in jobs:
        job.call_off()
    deadline_s = _now_s() + _SECONDS_TO_CALL_OFF
    while any(job.is_under_way for job in jobs) and _now_s() < deadline_s:
        time.sleep(_SECONDS_BETWEEN_LOOKS)
    for job in jobs:
        job.end("cancelled")


def _end_unheard(jobs: Sequence[Job], server: Server) -> None:
    """End jobs for which there is no server, or one that does not look for them."""
    reason = server.keep()
    for job in jobs:
        if reason:
            job.end("failed", reason)
        elif server.has_had_time:
            job.end("failed", f"The server does not look into {job.inbox}; start no other one.")


def _forget_earlier(inbox: Path, run: str) -> None:
    """Remove what earlier runs left, which Audacity has copied by now."""
    for path in inbox.glob(f"{PREFIX}*"):
        with suppress(OSError):
            if not path.name.startswith(run) and _age_s(path) > _SECONDS_TO_KEEP:
                shutil.rmtree(path) if path.is_dir() else path.unlink()


def _age_s(path: Path) -> float:
    return time.time() - path.lstat().st_mtime


def _now_s() -> float:
    return time.monotonic()
