"""A folder where a request is a file, for programs that can write files and nothing else.

    NAME.request    key=value lines, the last of them end=1: what is asked for
    NAME.cancel     calls it off
    NAME/           the stems, if the request names no other folder, and their status;
                    or the status of a request that was refused

A job is named after its request and what that says. So a request that is found again, as the server
was killed before it removed the file, is the job that it was: nothing is lost or done twice.
"""

from __future__ import annotations

import asyncio
import hashlib
import math
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from daw_bridge.bounds import MAX_FRAMES
from daw_bridge.errors import BusyError, DawBridgeError, OptionError, suggestion
from daw_bridge.files.reach import Beneath
from daw_bridge.serving.intake import check_count, check_words
from daw_bridge.serving.status import forget_status, write_status
from daw_bridge.serving.store import Record
from daw_bridge.serving.uploads import is_plain_name
from daw_bridge.workers.task import KINDS, Task

if TYPE_CHECKING:
    from collections.abc import Iterable

    from daw_bridge.serving.dispatcher import Dispatcher
    from daw_bridge.serving.folders import Folders
    from daw_bridge.serving.idleness import Idleness
    from daw_bridge.serving.intake import Intake

_REQUEST, _CANCEL = ".request", ".cancel"
_END = b"end=1"
_CLIENT = "inbox"
_MAX_BYTES = 64 << 10
_MAX_NAME_LENGTH = 80
_DIGITS = 16
_SECONDS_BETWEEN_LOOKS = 0.1
_SECONDS_TO_WRITE = 10.0
"""How long a request may be unfinished, or may not be read, since it was last written to."""

log = structlog.get_logger()


class Inbox:
    """Takes requests out of a folder; what it says of them lies in status files only.

    Args:
        folders: where the inbox is, and what jobs may use.
        dispatcher: has the jobs run.
        intake: takes them in.
        idleness: is interrupted.
    """

    def __init__(
        self, folders: Folders, dispatcher: Dispatcher, intake: Intake, idleness: Idleness
    ) -> None:
        self._folders = folders
        self._path = folders.inbox
        self._reach = Beneath([folders.inbox])
        self._dispatcher = dispatcher
        self._intake = intake
        self._idleness = idleness
        self._left: set[str] = set()

    async def watch(self) -> None:
        """Take requests as they come, and go on if that fails."""
        trouble = ""
        while True:
            try:
                await self.look()
                trouble = ""
            except OSError as error:
                if trouble != (trouble := str(error)):
                    log.warning("inbox cannot be used", folder=str(self._path), reason=trouble)
            await asyncio.sleep(_SECONDS_BETWEEN_LOOKS)

    async def look(self) -> None:
        """Take what is there by now: requests first, so that one can be called off.

        Raises:
            OSError: the folder cannot be read.
        """
        found = await asyncio.to_thread(self._list)
        self._left &= set(found)
        files = [file for file in found if file not in self._left]
        for file in files:
            if file.endswith(_REQUEST):
                self._idleness.interrupt()
                await self._take(file)
        for file in files:
            if file.endswith(_CANCEL):
                self._cancel(file)

    def _list(self) -> list[str]:
        """Return the files that concern us; hidden ones are yet to get their names."""
        try:
            with self._reach.folder(self._path) as folder:
                names = folder.names()
        except FileNotFoundError:
            self._path.mkdir(0o700, parents=True, exist_ok=True)
            return []
        return [
            name
            for name in names
            if not name.startswith(".") and name.endswith((_REQUEST, _CANCEL))
        ]

    async def _take(self, file: str) -> None:
        """Queue what a request asks for or say why not, and remove it then."""
        name, job = file.removesuffix(_REQUEST), ""
        try:
            _check_name(name)
            content = await asyncio.to_thread(self._read, file)
            if content is None:
                return
            job = _job_of(name, content)
            await self._queue(name, job, content)
        except BusyError as error:
            if not self._dispatcher.is_open:
                return  # the next server takes it
            self._refuse(name, job, error)
        except DawBridgeError as error:
            self._refuse(name, job, error)
        except Exception as error:
            log.exception("error of ours", request=file)
            reason = f"The server failed on an error of its own, {type(error).__name__}."
            self._refuse(name, job, DawBridgeError(reason))
        self._remove(file)

    def _read(self, file: str) -> bytes | None:
        """Return what a request says; None where it is not all there yet, or no more.

        Raises:
            OptionError: it never will be, or is none.
        """
        try:
            with (
                self._reach.folder(self._path) as folder,
                open(file, "rb", opener=folder.open) as opened,
            ):
                content = opened.read(_MAX_BYTES + 1)
        except FileNotFoundError:
            return None
        except OSError as error:
            if isinstance(error, PermissionError) and self._is_new(file):
                return None
            raise OptionError(f"{file} cannot be read: {error.strerror}.") from error
        if len(content) > _MAX_BYTES:
            raise OptionError(f"A request has at most {_MAX_BYTES:,} bytes.")
        if content.split()[-1:] == [_END]:
            return content
        if self._is_new(file):
            return None
        raise OptionError(f"The last line of a request is {_END.decode()}; {file} has none.")

    def _is_new(self, file: str) -> bool:
        """Return whether somebody may still be writing a file."""
        with suppress(OSError):
            return time.time() - (self._path / file).lstat().st_mtime < _SECONDS_TO_WRITE
        return False

    async def _queue(self, name: str, job: str, content: bytes) -> None:
        """Queue a request's job, or tell again what became of it.

        Raises:
            DawBridgeError: it is not taken in.
        """
        record = self._dispatcher.find(job)
        if record is None:
            task = await asyncio.to_thread(self._task, name, job, _parse(content))
            taking = self._intake.take(Record(task, _CLIENT), self._locate)
            await asyncio.shield(taking)
        else:
            write_status(record, self._folders.reach, self._dispatcher.progress(record))

    def _task(self, name: str, job: str, said: dict[str, list[str]]) -> Task:
        """Return the task that a request means.

        Raises:
            DawBridgeError: it says what cannot be.
        """
        sources = said.pop("path", [])
        words = {key: values[-1] for key, values in said.items() if values[-1]}
        kind, folder = words.pop("method", "separate"), words.pop("out", "")
        model = words.pop("model", "")
        start, length = (_frames(words, key) for key in ("start", "length"))
        _check_said(kind, sources, said)
        check_count(words)
        check_words(model, [*sources, folder])
        own = self._path / name
        return Task(
            job=job,
            kind=kind,
            model=model,
            sources=tuple(sources),
            folder=str(self._folders.find(Path(folder)) if folder else own),
            start=start or 0,
            length=None if length is None or length < 0 else length,
            options=words,
        )

    def _locate(self, path: str) -> str:
        return str(self._folders.find(Path(path)))

    def _refuse(self, name: str, job: str, error: DawBridgeError) -> None:
        """Say in the request's folder why it is not taken in; in the log where it can have none."""
        log.info("request refused", request=name, reason=str(error))
        try:
            _check_name(name)
            folder = self._path / name
            self._reach.folder(folder, make=True).close()
        except (DawBridgeError, OSError):
            return
        task = Task(job or _job_of(name, b""), "separate", "", (), str(folder))
        self._dispatcher.refuse(Record(task, _CLIENT), error)

    def _cancel(self, file: str) -> None:
        """Call a request's jobs off; the file goes when they are over."""
        name = file.removesuffix(_CANCEL)
        if (self._path / f"{name}{_REQUEST}").exists():
            return  # it is not taken yet
        jobs = [each for each in self._dispatcher.active() if _is_of(each, name)]
        for record in jobs:
            self._dispatcher.cancel(record)
        if not jobs:
            self._remove(file)

    def _remove(self, file: str) -> None:
        """Remove a file; one that stays is not looked at again."""
        try:
            with self._reach.folder(self._path) as folder:
                folder.remove(file)
        except OSError as error:
            log.warning("left in the inbox", file=file, reason=error.strerror)
            self._left.add(file)


def forget_old(inbox: Path, seconds: float) -> None:
    """Remove what requests left in the inbox that were over longer ago, and nothing else there."""
    reach = Beneath([inbox])
    for folder in list(inbox.iterdir()):
        with suppress(OSError):
            if folder.lstat().st_mtime < time.time() - seconds:
                forget_status(folder, f"{_CLIENT}:{folder.name}:", reach)


def _check_name(name: str) -> None:
    """Raise :class:`OptionError` unless a folder beside the request may have its name."""
    is_taken = name.casefold().endswith((_REQUEST, _CANCEL))
    if len(name) > _MAX_NAME_LENGTH or is_taken or not is_plain_name(name):
        raise OptionError(
            f"The name of a request is a plain file name of up to {_MAX_NAME_LENGTH} characters,"
            " which every system can have."
        )


def _job_of(name: str, content: bytes) -> str:
    """Return the name of the job that a request asks for."""
    return f"{_CLIENT}:{name}:{hashlib.sha256(content).hexdigest()[:_DIGITS]}"


def _is_of(record: Record, name: str) -> bool:
    return record.task.job.rpartition(":")[0] == f"{_CLIENT}:{name}"


def _parse(content: bytes) -> dict[str, list[str]]:
    """Return what is said of each key, but for the end.

    Raises:
        OptionError: it is no text of key=value lines.
    """
    try:
        lines = content.decode("utf-8-sig").split("\n")
    except UnicodeDecodeError as error:
        raise OptionError(f"A request is UTF-8; byte {error.start} is not.") from error
    said: dict[str, list[str]] = {}
    for line in filter(None, (line.rstrip("\r") for line in lines)):
        key, equals, value = line.partition("=")
        if not equals or "\0" in line:
            raise OptionError(f"A request has key=value lines; '{line:.40}' is none.")
        said.setdefault(key.strip(), []).append(value)
    said.pop("end", None)
    return said


def _check_said(kind: str, sources: Iterable[str], said: dict[str, list[str]]) -> None:
    """Raise :class:`OptionError` where a request says nothing of what it must, or says it twice."""
    if kind not in KINDS:
        known = ", ".join(KINDS)
        raise OptionError(
            f"There is no method '{kind:.40}'{suggestion(kind, KINDS)}; there are {known}."
        )
    if not sources:
        raise OptionError("A request has a line path=FILE, or one for each mono channel.")
    for key, values in said.items():
        if len(values) > 1:
            raise OptionError(f"A request says '{key:.40}' once, not {len(values)} times.")


def _frames(words: dict[str, str], key: str) -> int | None:
    """Take a number of frames out of what is said; None where it is not.

    Raises:
        OptionError: it is no whole number.
    """
    if not (text := words.pop(key, "")):
        return None
    with suppress(ValueError):
        number = float(text)
        if math.isfinite(number) and number.is_integer() and abs(number) <= MAX_FRAMES:
            return int(number)
    raise OptionError(f"{key} is a whole number of frames, not '{text:.40}'.")
