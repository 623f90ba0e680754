"""The other side: a Python program that has a server separate for it.

    from pathlib import Path
    from daw_bridge.osc.client import Client

    with Client() as client:
        stems = client.separate([Path("/music/song.flac")], Path("/music/stems"))

Connections that break are made again, and work that was asked for is found again by its name, so
that nothing is done twice or lost.
"""

from __future__ import annotations

import logging
import secrets
import socket
import time
from contextlib import contextmanager, suppress
from functools import partialmethod
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from daw_bridge.errors import ConnectionLostError, DawBridgeError, OutputError, ServerError
from daw_bridge.files.atomic import part_of
from daw_bridge.files.hashing import sha256_of
from daw_bridge.library.places import state_folder
from daw_bridge.osc import transfer
from daw_bridge.osc.addresses import (
    CANCEL,
    DATA,
    DONE,
    DROP,
    ERROR,
    GET,
    HELLO,
    JOBS,
    LIST,
    MAJOR,
    MINOR,
    MODELS,
    PIECE,
    PRESETS,
    PROGRESS,
    PUT,
    REPLY,
    STEM,
    WARNING,
)
from daw_bridge.osc.messages import FRAME_HEADER, Message, decode, fill, frame
from daw_bridge.osc.settings import DEFAULT_HOST, DEFAULT_PORT, find_server
from daw_bridge.serving.codes import error_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from daw_bridge.osc.addresses import Argument, Method

Result = TypeVar("Result")

_SECONDS_OF_SILENCE = 60.0
_ATTEMPTS = 6
_SECONDS_BETWEEN_ATTEMPTS = 0.5
_MAX_MESSAGE_BYTES = 16 << 20

_log = logging.getLogger(__name__)


class JobStatus(NamedTuple):
    """Where a job is.

    Attributes:
        job: its name.
        state: queued, running, done, failed or cancelled.
        progress: 0 … 1.
        client: who asked for it.
        folder: where its results go.
    """

    job: str
    state: str
    progress: float
    client: str
    folder: str


class Client:
    """A connection to a server.

    Args:
        host: where it is.
        port: its port; None: that of the server which runs on this machine.
        token: what it wants to hear, if it does.
        name: what it calls us; clients take turns by their names.
        patience_s: how long it may be silent.

    Raises:
        ConnectionLostError: there is no server.
        ServerError: it does not want us.
    """

    def __init__(
        self,
        host: str = DEFAULT_HOST,
        port: int | None = None,
        *,
        token: str = "",
        name: str = "",
        patience_s: float = _SECONDS_OF_SILENCE,
    ) -> None:
        self._address = (host, find_port() if port is None else port)
        self._hello = (name, MAJOR, MINOR, "", token)
        self._patience_s = patience_s
        self._crossed = 0  # bytes of a transfer
        self._socket: socket.socket
        self._connect()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection; jobs go on."""
        self._socket.close()

    def models(self) -> dict[str, tuple[str, ...]]:
        """Return the server's models and their stems."""
        return {
            str(name): tuple(str(stems).split(",")) for name, _, stems, *_ in self._list(MODELS)
        }

    def presets(self) -> dict[str, str]:
        """Return the server's presets, with what each is for."""
        return {str(name): str(summary) for name, summary in self._list(PRESETS)}

    def jobs(self) -> list[JobStatus]:
        """Return the jobs that wait, run, or ended lately."""
        return [JobStatus(*row) for row in self._list(LIST)]

    def cancel(self, job: str) -> str:
        """Call a job off and return its state."""
        state: str = self._ask(CANCEL, job)[1]
        return state

    def run(  # noqa: PLR0913 - a job has that many sides
        self,
        kind: str,
        sources: Sequence[Path | str],
        folder: Path | str,
        *,
        model: str = "",
        start: int = 0,
        length: int | None = None,
        options: Mapping[str, str] | None = None,
        job: str | None = None,
        progress: Callable[[float], None] | None = None,
        warn: Callable[[str], None] = _log.warning,
    ) -> dict[str, Path]:
        """Have a job done and wait for it.

        Args:
            kind: ``separate``, ``remix`` or ``upmix``.
            sources: the file, or mono files that are its channels; or what :meth:`upload` gave.
            folder: where the results go; empty: the server keeps them for :meth:`download`.
            model: the model; empty: the server's default.
            start: the first frame.
            length: how many frames; None: to the end.
            options: what else is to be said; docs/osc.md has a list.
            job: the job's name; None: a new one. The same name again finds the same job.
            progress: is told how much is done, 0 … 1.
            warn: is told what is wrong with the source, a sentence at a time.

        Returns:
            the file of each result, on the server's machine.

        Raises:
            DawBridgeError: what the server says.
        """
        job = job or f"{self._hello[0] or 'python'}-{secrets.token_hex(8)}"
        text = ";".join(f"{name}={_escape(value)}" for name, value in (options or {}).items())
        request = (model, str(folder), start, -1 if length is None else length, text)
        return self._again_if_lost(
            lambda: self._wait_for(kind, job, progress, warn, *request, *map(str, sources))
        )

    separate = partialmethod(run, "separate")
    remix = partialmethod(run, "remix")
    upmix = partialmethod(run, "upmix")

    def upload(self, path: Path) -> str:
        """Send a file and return the source to name it by.

        Raises:
            DawBridgeError: what the server says.
        """
        name = secrets.token_hex(16)
        digest = sha256_of(path)

        def send() -> None:
            """Send what the server has not got yet."""
            size = path.stat().st_size
            self._crossed = received = int(self._ask(PUT, name, path.name, size, digest)[1])
            for offset, piece in transfer.read_pieces(path, received):
                self._send(DATA, name, offset, piece)
            if received < size:
                self._reply_to(DATA)

        self._again_if_lost(send)
        return f"{transfer.TRANSFER_PREFIX}{name}"

    def drop(self, source: str) -> None:
        """Give up what :meth:`upload` sent, which the server would else keep for days.

        Raises:
            DawBridgeError: what the server says; one of before 1.2 cannot.
        """
        self._ask(DROP, source.removeprefix(transfer.TRANSFER_PREFIX))

    def download(self, job: str, stem: str, path: Path) -> None:
        """Fetch a stem into a file, which appears whole or not at all.

        Raises:
            OutputError: the file cannot be written, or what came has the wrong hash.
            DawBridgeError: what the server says.
        """
        part = part_of(path)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            digest = self._again_if_lost(lambda: self._fetch(job, stem, part))
            if sha256_of(part) != digest:
                raise OutputError(f"Stem {stem} of {job} came with the wrong hash; fetch it again.")
            part.replace(path)
        except OSError as error:
            raise OutputError(f"{path} cannot be written: {error.strerror or error}.") from error
        finally:
            part.unlink(missing_ok=True)

    def _fetch(self, job: str, stem: str, part: Path) -> str:
        """Append to a file what is missing of a stem; return the hash of the whole."""
        with part.open("ab") as file:
            self._crossed = file.tell()
            _, _, size, digest = self._ask(GET, job, stem, file.tell())
            while file.tell() < int(size):
                message = self._receive()
                if message.address == PIECE.address:
                    file.write(message.arguments[2])  # type: ignore[arg-type]
        return str(digest)

    def _wait_for(
        self,
        kind: str,
        job: str,
        progress: Callable[[float], None] | None,
        warn: Callable[[str], None],
        *request: Argument,
    ) -> dict[str, Path]:
        """Ask for a job, or find it again, and gather its results."""
        self._ask(JOBS[kind], job, *request)
        stems: dict[str, Path] = {}
        while True:
            address, arguments = self._receive()
            if address == ERROR.address and arguments[1:2] == [job]:
                raise _error_in(arguments)
            if arguments[0] != job:
                continue
            if address == PROGRESS.address and progress:
                _, fraction, _ = PROGRESS.take(arguments)
                progress(float(fraction))
            elif address == WARNING.address:
                warn(str(WARNING.take(arguments)[1]))
            elif address == STEM.address:
                _, _, _, stem, path = STEM.take(arguments)
                stems[str(stem)] = Path(str(path))
            elif address == DONE.address:
                return stems

    def _list(self, method: Method) -> list[list[Any]]:
        """Ask for a list, page by page, and return its rows."""
        rows, count = self._page(method)
        while len(rows) < count:
            page, count = self._page(method, len(rows))
            if not page:
                break  # it has become shorter meanwhile
            rows += page
        return rows

    def _page(self, method: Method, *first: int) -> tuple[list[list[Any]], int]:
        """Ask for a page of a list; return its rows, and how many the whole list has."""
        self._send(method, *first)
        rows: list[list[Any]] = []
        while True:
            address, arguments = self._receive()
            if arguments[0] != method.address:
                continue
            if address == ERROR.address:
                raise _error_in(arguments)
            if address == DONE.address:
                return rows, int(DONE.take(arguments)[1])
            if address == REPLY.address:
                rows.append(method.answers[0].take(arguments)[1:])

    def _ask(self, method: Method, *arguments: Argument) -> list[Any]:
        """Send a request and return its reply's arguments after the address."""
        self._send(method, *arguments)
        return self._reply_to(method)

    def _reply_to(self, method: Method) -> list[Any]:
        while True:
            address, arguments = self._receive()
            if address == REPLY.address and arguments[0] == method.address:
                return method.answers[0].take(arguments)[1:]
            if address == ERROR.address and arguments[0] in (method.address, ""):
                raise _error_in(arguments)

    def _again_if_lost(self, work: Callable[[], Result]) -> Result:
        """Do what can be done again, and connect anew where the connection breaks.

        It is given up after a number of attempts of which none brought anything across.
        """
        failures, crossed = 0, 0
        while True:
            try:
                if failures:
                    self._connect()
                return work()
            except ConnectionLostError:
                failures = 1 if self._crossed > crossed else failures + 1
                crossed = self._crossed
                if failures == _ATTEMPTS:
                    raise
                time.sleep(_SECONDS_BETWEEN_ATTEMPTS * 2 ** (failures - 1))

    def _connect(self) -> None:
        with suppress(AttributeError, OSError):
            self._socket.close()
        with self._lost_if_broken():
            self._socket = socket.create_connection(self._address, timeout=self._patience_s)
        try:
            self._ask(HELLO, *self._hello)
        except DawBridgeError:
            self.close()
            raise

    def _send(self, method: Method, *arguments: Argument) -> None:
        with self._lost_if_broken():
            self._socket.sendall(frame(fill(method, *arguments)))

    def _receive(self) -> Message:
        with self._lost_if_broken():
            (size,) = FRAME_HEADER.unpack(self._read(FRAME_HEADER.size))
            messages = decode(self._read(size)) if 0 < size <= _MAX_MESSAGE_BYTES else []
        if len(messages) != 1 or not messages[0].arguments:
            raise ServerError("The other side does not speak as stemtool's server does.")
        return messages[0]

    def _read(self, size: int) -> bytes:
        data = bytearray()
        while len(data) < size:
            piece = self._socket.recv(size - len(data))
            if not piece:
                raise ConnectionResetError("it closed the connection")
            data += piece
        return bytes(data)

    @contextmanager
    def _lost_if_broken(self) -> Iterator[None]:
        host, port = self._address
        try:
            yield
        except OSError as error:
            raise ConnectionLostError(
                f"No server answers at {host}:{port} ({error}); `stemtool serve` starts one."
            ) from error


def find_port() -> int:
    """Return the port of the server that runs on this machine, else the usual one."""
    found = find_server(state_folder())
    return found.port if found else DEFAULT_PORT


def _error_in(arguments: Sequence[object]) -> DawBridgeError:
    """Return what the server says has gone wrong."""
    _, _, code, sentence = ERROR.take(arguments)
    return error_of(int(code), str(sentence))


def _escape(value: str) -> str:
    return value.replace("%", "%25").replace(";", "%3B")
