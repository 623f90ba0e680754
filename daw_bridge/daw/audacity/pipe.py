"""Commands for a running Audacity, and their answers, through its mod-script-pipe.

An answer that nobody reads to its end would leave the pipe of no use until Audacity is started
again: so whoever is interrupted reads it first.
"""

from __future__ import annotations

import json
import os
import queue
import re
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from daw_bridge.errors import DawError

if TYPE_CHECKING:
    from types import TracebackType

PATIENCE_S = 10.0
_SECONDS_TO_CLOSE = 1.0  # after which Audacity has made both pipes anew
_SECONDS_BETWEEN_LOOKS = 0.05
_MAX_COMMAND_BYTES = 1000  # Audacity reads into 1,024
_PIECE_BYTES = 1 << 16
_END = re.compile(rb"BatchCommand finished: (OK|Failed!)\n\n\Z")
_BARE_BACKSLASH = re.compile(r'\\(?="(?:, "\w+":| \}))|\\(?!")')
"""Of a name: Audacity writes double quotes as JSON has them, but no backslashes."""
_OFF = (
    "Audacity is not running, or its script pipe is off: Edit > Preferences > Modules >"
    " mod-script-pipe: Enabled, then restart it (twice, where plug-ins are new to it)."
)
_SILENT = (
    "Audacity does not answer: it may be showing a question. Answer it there; if that does not"
    " help, start Audacity again."
)


class Answer(NamedTuple):
    """What Audacity says to a command.

    Attributes:
        text: what was asked for; empty for most commands.
        is_done: whether the command did what it should, as Audacity believes.
    """

    text: str
    is_done: bool


class ScriptPipe:
    """A connection to the running Audacity, which has one at a time.

    Raises:
        DawError: no Audacity listens.
    """

    def __init__(self) -> None:
        to, answers = _paths()
        self._commands = _open_for_commands(to)
        self._pieces: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._is_stuck = False
        self._reader = threading.Thread(target=self._read, args=(answers,), daemon=True)
        self._reader.start()

    def __enter__(self) -> ScriptPipe:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let Audacity wait for the next who connects, and wait until it does."""
        os.close(self._commands)
        self._reader.join(_SECONDS_TO_CLOSE)

    def do(self, command: str, *, patience_s: float = PATIENCE_S, **parameters: object) -> str:
        """Have a command done and return what it says.

        Raises:
            DawError: Audacity cannot do it, or does not answer in time.
        """
        answer = self.ask(command, patience_s=patience_s, **parameters)
        if not answer.is_done:
            said = f": {answer.text}" if answer.text else ""
            raise DawError(f"Audacity did not do {command}{said}.")
        return answer.text

    def read(self, kind: str) -> list[dict[str, Any]]:
        """Return what ``GetInfo`` tells of a kind of thing, such as ``Tracks``.

        Raises:
            DawError: Audacity does not answer in time, or not in JSON.
        """
        text = self.do("GetInfo", Type=kind, Format="JSON")
        try:
            rows: list[dict[str, Any]] = json.loads(_BARE_BACKSLASH.sub(r"\\\\", text))
        except ValueError as error:
            raise DawError(f"Audacity's list of {kind.lower()} is no JSON: {error}.") from None
        return rows

    def ask(self, command: str, *, patience_s: float = PATIENCE_S, **parameters: object) -> Answer:
        """Send a command and return its answer, whatever it is.

        Raises:
            DawError: Audacity does not answer in time.
        """
        if self._is_stuck:
            raise DawError(_SILENT)
        line = " ".join(
            [f"{command}:", *(f"{name}={_quote(of)}" for name, of in parameters.items())]
        )
        data = f"{line}\n".encode()
        if len(data) > _MAX_COMMAND_BYTES:
            raise DawError(f"Audacity takes no command as long as this one: {line}.")
        try:
            os.write(self._commands, data)
        except BrokenPipeError:
            raise DawError("Audacity has ended.") from None
        try:
            return self._receive(patience_s)
        except BaseException as interruption:
            if not isinstance(interruption, DawError):
                with suppress(DawError):
                    self._receive(patience_s)
            raise

    def _receive(self, patience_s: float) -> Answer:
        """Return the answer to the last command, all of which has been read then."""
        deadline, data = time.monotonic() + patience_s, b""
        while not (end := _END.search(data)):
            try:
                piece = self._pieces.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                self._is_stuck = True
                raise DawError(_SILENT) from None
            if not piece:
                raise DawError("Audacity has ended.")
            data += piece
        return Answer(data[: end.start()].decode("utf-8", "replace").strip(), end[1] == b"OK")

    def _read(self, path: Path) -> None:
        """Hand on what Audacity says, until it ends; to open its pipe waits for it."""
        with suppress(OSError), path.open("rb", buffering=0) as answers:
            while piece := answers.read(_PIECE_BYTES):
                self._pieces.put(piece)
        self._pieces.put(b"")


def _paths() -> tuple[Path, Path]:
    """Return where Audacity takes commands, and where it answers."""
    if sys.platform == "win32":
        return Path(r"\\.\pipe\ToSrvPipe"), Path(r"\\.\pipe\FromSrvPipe")
    to, answers = (f"/tmp/audacity_script_pipe.{way}.{os.getuid()}" for way in ("to", "from"))  # noqa: S108 - as Audacity has it
    return Path(to), Path(answers)


def _open_for_commands(path: Path) -> int:
    """Open the way to Audacity, for which it waits unless it is just making it anew."""
    deadline = time.monotonic() + _SECONDS_TO_CLOSE
    while True:
        try:
            if sys.platform == "win32":
                return os.open(path, os.O_WRONLY)
            opened = os.open(path, os.O_WRONLY | os.O_NONBLOCK)
            os.set_blocking(opened, True)
        except OSError:  # no such file, or nobody at its other end
            if time.monotonic() > deadline:
                raise DawError(_OFF) from None
            time.sleep(_SECONDS_BETWEEN_LOOKS)
        else:
            return opened


def _quote(value: object) -> str:
    """Return a parameter as Audacity reads it."""
    text = str(value)
    if "\n" in text or "\r" in text:
        raise DawError(f"Audacity takes no line breaks in a command: {text!r}.")
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
