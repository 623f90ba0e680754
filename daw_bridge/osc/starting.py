"""A server that is there when it is needed: found where it runs, else started."""

from __future__ import annotations

import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from daw_bridge.errors import ConnectionLostError, DawBridgeError, ServerError
from daw_bridge.osc.client import Client
from daw_bridge.osc.settings import LOCK_FILE, find_server
from daw_bridge.system import start_detached

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from daw_bridge.osc.settings import Whereabouts

LOG_FILE = "serve.log"
"""In the state folder; what a server logs that was started in the background."""
_STARTING_FILE = "starting"
_SAYING = "stemtool: "
_SECONDS_TO_START = 120.0
_SECONDS_TO_ANSWER = 5.0
_SECONDS_BETWEEN_LOOKS = 0.05
_ANYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - where to ask, not to listen


def ensure_server(state: Path, command: Sequence[str]) -> Whereabouts:
    """Return where the server of a state folder answers; start one where none does.

    Who comes while another is starting one waits for it. The server outlives this process.

    Args:
        state: the folder.
        command: starts a server that keeps its jobs there.

    Raises:
        ServerError: it does not start, or is not ready in time.
        OSError: the folder cannot be used.
    """
    if found := find_answering(state):
        return found
    state.mkdir(0o700, parents=True, exist_ok=True)
    with _alone(state):
        return find_answering(state) or _start(state, command)


def find_answering(state: Path) -> Whereabouts | None:
    """Return where the server of a state folder answers; None where none does."""
    found = find_server(state)
    return found if found and _is_held(state / LOCK_FILE) and _answers(found) else None


@contextmanager
def _alone(state: Path) -> Iterator[None]:
    """Wait while another process starts a server there."""
    try:
        with FileLock(state / _STARTING_FILE, timeout=_SECONDS_TO_START):
            yield
    except Timeout as error:
        raise _late(state) from error


def _start(state: Path, command: Sequence[str]) -> Whereabouts:
    """Start a server and wait until it answers."""
    log = state / LOG_FILE
    with suppress(OSError):
        log.replace(log.with_suffix(".log.1"))
    process = start_detached(command, log)
    deadline = time.monotonic() + _SECONDS_TO_START
    while time.monotonic() < deadline:
        has_ended = process.poll() is not None
        if found := find_answering(state):
            return found
        if has_ended:
            raise ServerError(_last_words(process, log))
        time.sleep(_SECONDS_BETWEEN_LOOKS)
    raise _late(state)


def _late(state: Path) -> ServerError:
    return ServerError(
        f"The server is not ready after {_SECONDS_TO_START:g} s; {state / LOG_FILE} says what it is"
        " doing."
    )


def _last_words(process: subprocess.Popen[bytes], log: Path) -> str:
    """Return why a server ended, as it says itself."""
    last = ""
    with suppress(OSError):
        last = log.read_text("utf-8", "replace").strip().rpartition("\n")[2]
    if last.startswith(_SAYING):
        return last.removeprefix(_SAYING)
    return f"The server ended with status {process.returncode}; {log} says more."


def _is_held(lock: Path) -> bool:
    """Return whether a process holds a lock, as a server does while it runs."""
    if not lock.exists():
        return False
    try:
        with FileLock(lock, timeout=0):
            return False
    except Timeout:
        return True


def _answers(found: Whereabouts) -> bool:
    """Return whether a server of ours is there, whatever it wants to hear."""
    try:
        host = _ANYWHERE.get(found.host, found.host)
        Client(host, found.port, patience_s=_SECONDS_TO_ANSWER).close()
    except ConnectionLostError:
        return False
    except DawBridgeError as error:
        return type(error) is not ServerError
    return True
