"""Servers that strangers talk to, and what is asked of them."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import soundfile

from tests.attacks.client import Said, Tcp, Udp
from tests.server import Server

if TYPE_CHECKING:
    from collections.abc import Iterator

MODEL = "tiny"
TOKEN = "a token that only friends know"
PROMPT_S = 4.0
"""In which a server answers what costs it nothing: two seconds on a machine of its own."""
ENDS = ("/stems/done", "/stems/error")


@contextmanager
def serving(library: Path, folder: Path, *options: str) -> Iterator[Server]:
    """Run a server whose root and state are folders of this one; it is ended, come what may."""
    (folder / "root").mkdir(exist_ok=True)
    server = Server(folder / "root", folder / "state", ("--model", MODEL, *options))
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("DAW_BRIDGE_HOME", str(library))
        try:
            yield server.start()
        finally:
            end(server)


def end(server: Server) -> None:
    """End a server and its workers, whatever they are at."""
    assert server.process
    processes = [server.process.pid, *server.workers] if server.is_running() else []
    server.process.terminate()
    with suppress(subprocess.TimeoutExpired):
        server.process.wait(5)
    for pid in processes if server.is_running() else []:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    server.process.wait()


def assert_prompt(server: Server, token: str = "") -> None:
    """See that a server answers at once."""
    began = time.monotonic()
    with Tcp(server.port) as client:
        if token:
            client.ask("/stems/hello", "siiss", "friend", 1, 0, "", token)
        assert client.ask("/stems/sync", "i", 1) == ("/stems/synced", [1])
    assert time.monotonic() - began < PROMPT_S


def submit(
    client: Udp, job: str, folder: Path | str, *sources: Path | str, options: str | bytes = "",
    kind: str = "separate", model: str = "",
) -> None:  # fmt: skip
    """Ask for a job on all of its sources."""
    values: tuple[Any, ...] = (job, model, str(folder), 0.0, -1.0, options, *map(str, sources))
    client.send(f"/stems/{kind}", "sssdds" + "s" * len(sources), *values)


def finished(client: Udp, job: str, folder: Path | str, *sources: Path | str, **said: Any) -> Said:
    """Ask for a job, and return how it ended."""
    submit(client, job, folder, *sources, **said)
    return client.receive(*ENDS)


def write_song(path: Path, seconds: float = 2.0) -> Path:
    """Write quiet noise as WAV, whatever the file is called."""
    noise = np.random.default_rng(1).standard_normal((round(44_100 * seconds), 2)) / 10
    soundfile.write(path, noise, 44_100, "PCM_16", format="WAV")
    return path
